#include "net/http_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace gatehouse::net {
namespace {

ParseError parse(const std::string& text, RequestHead& request) {
  return parse_request(text, HeadLimits{}, request);
}

// Kept alive by the caller: heads hold views.
struct Parsed {
  explicit Parsed(std::string from) : text(std::move(from)) {
    error = parse_request(text, HeadLimits{}, request);
  }
  std::string text;
  RequestHead request;
  ParseError error;
};

struct ParsedResponse {
  explicit ParsedResponse(std::string from, Method method = Method::kGet) : text(std::move(from)) {
    error = parse_response(text, method, HeadLimits{}, response);
  }
  std::string text;
  ResponseHead response;
  ParseError error;
};

struct Refusal {
  const char* what;
  int status;
  std::string head;
};

std::string with(const std::string& line) {
  return "POST /v1 HTTP/1.1\r\nHost: a\r\n" + line + "\r\n\r\n";
}

std::string nul(std::string text) {
  for (char& c : text) {
    if (c == '@') c = '\0';
  }
  return text;
}

const std::vector<Refusal>& refusals() {
  static const std::vector<Refusal> kRefusals = {
      // Request smuggling: framing that two readers could take differently.
      {"CL.TE", 400, with("Content-Length: 6\r\nTransfer-Encoding: chunked")},
      {"TE.CL", 400, with("Transfer-Encoding: chunked\r\nContent-Length: 6")},
      {"TE.TE", 400, with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked")},
      {"TE.TE cow", 400, with("Transfer-Encoding: chunked\r\nTransfer-Encoding: cow")},
      {"TE.TE other case", 400, with("Transfer-Encoding: chunked\r\ntransfer-encoding: identity")},
      {"xchunked", 400, with("Transfer-Encoding: xchunked")},
      {"chunkedx", 400, with("Transfer-Encoding: chunkedx")},
      {"chunked twice in a list", 400, with("Transfer-Encoding: chunked, chunked")},
      {"chunked not last", 400, with("Transfer-Encoding: chunked, gzip")},
      {"gzip, chunked", 501, with("Transfer-Encoding: gzip, chunked")},
      {"gzip alone", 400, with("Transfer-Encoding: gzip")},
      {"identity", 400, with("Transfer-Encoding: identity")},
      {"chunked with parameter", 400, with("Transfer-Encoding: chunked;q=1")},
      {"quoted chunked", 400, with("Transfer-Encoding: \"chunked\"")},
      {"empty TE", 400, with("Transfer-Encoding:")},
      {"chunked after a comma", 501, with("Transfer-Encoding: ,chunked")},
      {"chunked after vertical tab", 400,
       with("Transfer-Encoding: \x0b"
            "chunked")},
      {"chunked then NUL", 400, nul(with("Transfer-Encoding: chunked@"))},
      {"space before the colon of TE", 400, with("Transfer-Encoding : chunked")},
      {"tab before the colon of TE", 400, with("Transfer-Encoding\t: chunked")},
      {"space before TE", 400, with(" Transfer-Encoding: chunked")},
      {"TE on a folded line", 400, with("X: y\r\n Transfer-Encoding: chunked")},
      {"TE value folded", 400, with("Transfer-Encoding:\r\n chunked")},
      {"TE after a bare LF", 400, with("X: y\nTransfer-Encoding: chunked")},
      {"TE after a bare CR", 400, with("X: y\rTransfer-Encoding: chunked")},
      {"TE with underscore", 400, with("Transfer_Encoding: chunked")},
      {"CL with underscore", 400, with("Content_Length: 5")},
      {"TE in HTTP/1.0", 400, "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {"CL twice, equal", 400, with("Content-Length: 5\r\nContent-Length: 5")},
      {"CL twice, different", 400, with("Content-Length: 5\r\nContent-Length: 6")},
      {"CL list, equal", 400, with("Content-Length: 5, 5")},
      {"CL list, different", 400, with("Content-Length: 5, 6")},
      {"CL +5", 400, with("Content-Length: +5")},
      {"CL -5", 400, with("Content-Length: -5")},
      {"CL 0x5", 400, with("Content-Length: 0x5")},
      {"CL 5.0", 400, with("Content-Length: 5.0")},
      {"CL 1e1", 400, with("Content-Length: 1e1")},
      {"CL 5 5", 400, with("Content-Length: 5 5")},
      {"CL 5_0", 400, with("Content-Length: 5_0")},
      {"CL quoted", 400, with("Content-Length: \"5\"")},
      {"CL empty", 400, with("Content-Length:")},
      {"CL overflows 64 bits", 400, with("Content-Length: 18446744073709551621")},
      {"CL overflows int64", 400, with("Content-Length: 9223372036854775808")},
      {"CL of 20 digits", 400, with("Content-Length: 00000000000000000005")},
      {"CL in another script's digits", 400, with("Content-Length: \xd9\xa5")},
      {"Connection names CL", 400, with("Connection: close, Content-Length\r\nContent-Length: 5")},
      {"Connection names TE", 400, with("Connection: Transfer-Encoding")},
      {"Connection names Host", 400, with("Connection: host")},
      {"Connection no token", 400, with("Connection: a b")},
      {"WebSocket upgrade with a body", 400,
       "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
       "Content-Length: 5\r\n\r\n"},
      // Lines.
      {"bare LF throughout", 400, "GET / HTTP/1.1\nHost: a\n\n"},
      {"bare LF at the end", 400, "GET / HTTP/1.1\r\nHost: a\r\n\n"},
      {"bare LF after the request line", 400, "GET / HTTP/1.1\nHost: a\r\n\r\n"},
      {"CR CR LF", 400, "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n"},
      {"NUL in a value", 400, nul(with("X: a@b"))},
      {"NUL in a name", 400, nul(with("X@Y: a"))},
      {"DEL in a value", 400,
       with("X: a\x7f"
            "b")},
      {"control in a value", 400,
       with("X: a\x01"
            "b")},
      {"escape in a value", 400, with("X: a\x1b[31m")},
      {"obs-fold with space", 400, with("X: a\r\n b")},
      {"obs-fold with tab", 400, with("X: a\r\n\tb")},
      {"folded first header", 400, "GET / HTTP/1.1\r\n Host: a\r\n\r\n"},
      {"space before a colon", 400, with("X : a")},
      {"no colon", 400, with("nonsense")},
      {"no name", 400, with(": a")},
      {"space in a name", 400, with("X Y: a")},
      {"parenthesis in a name", 400, with("X(Y): a")},
      {"obs-text in a name", 400, with("X\xe9: a")},
      {"no end", 400, "GET / HTTP/1.1\r\nHost: a\r\n"},
      {"cut in a name", 400, "GET / HTTP/1.1\r\nHost: a\r\nX"},
      {"bytes after the end", 400, "GET / HTTP/1.1\r\nHost: a\r\n\r\nX"},
      {"empty", 400, ""},
      {"two empty lines before", 400, "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"},
      // Host.
      {"no Host", 400, "GET / HTTP/1.1\r\n\r\n"},
      {"two Hosts", 400, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"},
      {"two equal Hosts", 400, "GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n"},
      {"two Hosts in 1.0", 400, "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n"},
      {"empty Host", 400, "GET / HTTP/1.1\r\nHost:\r\n\r\n"},
      {"Host with a path", 400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"},
      {"Host with userinfo", 400, "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"},
      {"Host with a space", 400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"},
      {"Host list", 400, "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n"},
      {"Host with a bad port", 400, "GET / HTTP/1.1\r\nHost: a:80x\r\n\r\n"},
      {"Host with an empty port", 400, "GET / HTTP/1.1\r\nHost: a:\r\n\r\n"},
      {"Host with port 65536", 400, "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n"},
      {"Host with two ports", 400, "GET / HTTP/1.1\r\nHost: a:80:80\r\n\r\n"},
      {"Host with open bracket", 400, "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"},
      {"Host no IPv6", 400, "GET / HTTP/1.1\r\nHost: [1.2.3.4]\r\n\r\n"},
      {"Host with IPv6 zone", 400, "GET / HTTP/1.1\r\nHost: [fe80::1%25eth0]\r\n\r\n"},
      {"Host differs from the target", 400, "GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n"},
      // Request line.
      {"no version", 400, "GET /\r\nHost: a\r\n\r\n"},
      {"HTTP/0.9", 505, "GET / HTTP/0.9\r\nHost: a\r\n\r\n"},
      {"HTTP/1.2", 505, "GET / HTTP/1.2\r\nHost: a\r\n\r\n"},
      {"HTTP/2.0 preface", 505, "PRI * HTTP/2.0\r\n\r\n"},
      {"http/1.1", 400, "GET / http/1.1\r\nHost: a\r\n\r\n"},
      {"HTTP/1.10", 400, "GET / HTTP/1.10\r\nHost: a\r\n\r\n"},
      {"HTTP/01.1", 400, "GET / HTTP/01.1\r\nHost: a\r\n\r\n"},
      {"space after the version", 400, "GET / HTTP/1.1 \r\nHost: a\r\n\r\n"},
      {"two spaces before the target", 400, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"two spaces after the target", 400, "GET /  HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"tab as separator", 400, "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"space before the method", 400, " GET / HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"method no token", 400, "G(T / HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"method too long", 400, std::string(33, 'A') + " / HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"CONNECT", 405, "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"},
      {"asterisk with GET", 400, "GET * HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"relative target", 400, "GET v1/models HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"authority form", 400, "GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"other scheme", 400, "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"userinfo in the target", 400, "GET http://u:p@a/ HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"no host in the target", 400, "GET http:/// HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"fragment", 400, "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"fragment in the query", 400, "GET /a?b#c HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"backslash in the path", 400, "GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"raw UTF-8 in the path", 400, "GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"half an escape", 400, "GET /a%2 HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"escape not hexadecimal", 400, "GET /a%zz HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"NUL in the path", 400, nul("GET /a@ HTTP/1.1\r\nHost: a\r\n\r\n")},
      {"escaped NUL in the path", 400, "GET /a%00 HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"target too long", 414, "GET /" + std::string(8192, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n"},
      // Others.
      {"unknown expectation", 417, with("Expect: 200-ok")},
      {"head too long", 431, with("X: " + std::string(33000, 'a'))},
      {"TLS on a plain port", 400, "\x16\x03\x01\x02"},
  };
  return kRefusals;
}

TEST(ParseRequest, RefusesWhatIsAmbiguous) {
  for (const Refusal& refusal : refusals()) {
    const Parsed parsed(refusal.head);
    EXPECT_EQ(parsed.error.status, refusal.status) << refusal.what << ": " << parsed.error.reason;
    EXPECT_FALSE(parsed.error.reason.empty()) << refusal.what;
  }
  EXPECT_GE(refusals().size(), 60u);
}

TEST(ParseRequest, RefusesTooManyHeaders) {
  std::string head = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (int i = 0; i < 99; ++i) head += "X: y\r\n";
  RequestHead request;
  EXPECT_TRUE(parse(head + "\r\n", request).ok());
  EXPECT_EQ(request.headers.size(), 100u);
  EXPECT_EQ(parse(head + "X: y\r\n\r\n", request).status, 431);
}

TEST(ParseRequest, ReadsAnOrdinaryCall) {
  const Parsed parsed(
      "POST /v1/chat/completions?a=b&c HTTP/1.1\r\nHost: gate.example:8080\r\n"
      "Authorization: Bearer gh_x\r\nContent-Type: \t application/json \t\r\n"
      "Content-Length: 250\r\nX-Empty:\r\nX-Latin: \xe9\r\n\r\n");
  ASSERT_TRUE(parsed.error.ok()) << parsed.error.reason;
  const RequestHead& request = parsed.request;
  EXPECT_EQ(request.method, Method::kPost);
  EXPECT_EQ(request.method_text, "POST");
  EXPECT_EQ(request.target, "/v1/chat/completions?a=b&c");
  EXPECT_EQ(request.path, "/v1/chat/completions");
  EXPECT_EQ(request.query, "a=b&c");
  EXPECT_EQ(request.host, "gate.example:8080");
  EXPECT_EQ(request.minor_version, 1);
  EXPECT_EQ(request.framing, BodyFraming::kLength);
  EXPECT_EQ(request.content_length, 250u);
  EXPECT_TRUE(request.keep_alive);
  EXPECT_FALSE(request.expect_continue);
  EXPECT_EQ(request.headers.size(), 6u);
  EXPECT_EQ(request.headers.get("content-type"), "application/json");
  EXPECT_EQ(request.headers.find("x-empty"), "");
  EXPECT_EQ(request.headers.find("x-none"), std::nullopt);
  // In place: views into the buffer, no copies.
  EXPECT_GE(request.path.data(), parsed.text.data());
  EXPECT_LT(request.path.data(), parsed.text.data() + parsed.text.size());
}

TEST(ParseRequest, Framing) {
  struct Case {
    const char* lines;
    BodyFraming framing;
    std::uint64_t length;
  };
  for (const Case& c : std::vector<Case>{
           {"X: y", BodyFraming::kNone, 0},
           {"Content-Length: 0", BodyFraming::kLength, 0},
           {"content-LENGTH:007", BodyFraming::kLength, 7},
           {"Content-Length: 9223372036854775807", BodyFraming::kLength, 9223372036854775807u},
           {"Transfer-Encoding: chunked", BodyFraming::kChunked, 0},
           {"TRANSFER-ENCODING:\tCHUNKED \t", BodyFraming::kChunked, 0}}) {
    const Parsed parsed(with(c.lines));
    ASSERT_TRUE(parsed.error.ok()) << c.lines << ": " << parsed.error.reason;
    EXPECT_EQ(parsed.request.framing, c.framing) << c.lines;
    EXPECT_EQ(parsed.request.content_length, c.length) << c.lines;
  }
}

TEST(ParseRequest, KeepAlive) {
  const auto keeps = [](const char* version, const char* lines) {
    const Parsed parsed(std::string("GET / HTTP/") + version + "\r\nHost: a\r\n" + lines + "\r\n");
    EXPECT_TRUE(parsed.error.ok()) << parsed.error.reason;
    return parsed.request.keep_alive;
  };
  EXPECT_TRUE(keeps("1.1", ""));
  EXPECT_TRUE(keeps("1.1", "Connection: x-thing, keep-alive\r\n"));
  EXPECT_FALSE(keeps("1.1", "Connection: CLOSE\r\n"));
  EXPECT_FALSE(keeps("1.1", "Connection: keep-alive\r\nConnection: ,x ,close\r\n"));
  EXPECT_FALSE(keeps("1.0", ""));
  EXPECT_TRUE(keeps("1.0", "Connection: Keep-Alive\r\n"));
  EXPECT_FALSE(keeps("1.0", "Connection: keep-alive, close\r\n"));
}

TEST(ParseRequest, Targets) {
  const Parsed absolute("GET HTTP://Gate.example:81?q HTTP/1.1\r\nHost: gate.example:81\r\n\r\n");
  ASSERT_TRUE(absolute.error.ok()) << absolute.error.reason;
  EXPECT_EQ(absolute.request.host, "Gate.example:81");
  EXPECT_EQ(absolute.request.path, "/");
  EXPECT_EQ(absolute.request.query, "q");

  const Parsed asterisk("OPTIONS * HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n");
  ASSERT_TRUE(asterisk.error.ok()) << asterisk.error.reason;
  EXPECT_EQ(asterisk.request.path, "*");
  EXPECT_EQ(asterisk.request.host, "[::1]:8080");

  const Parsed raw_query("GET /api?query=up{job=\"x\"}|[5m] HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(raw_query.error.ok()) << raw_query.error.reason;
  EXPECT_EQ(raw_query.request.query, "query=up{job=\"x\"}|[5m]");

  const Parsed no_host("GET / HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(no_host.error.ok());
  EXPECT_EQ(no_host.request.host, "");

  const Parsed other("BREW /pot HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(other.request.method, Method::kOther);
  EXPECT_EQ(other.request.method_text, "BREW");
  const Parsed lower("get / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(lower.request.method, Method::kOther);
}

TEST(ParseRequest, OneEmptyLineBeforeIsPassedOver) {
  const Parsed parsed("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(parsed.error.ok());
  EXPECT_EQ(parsed.request.path, "/");
}

TEST(ParseRequest, ExpectAndUpgrade) {
  EXPECT_TRUE(Parsed(with("Expect: 100-Continue\r\nContent-Length: 5")).request.expect_continue);
  EXPECT_FALSE(Parsed(with("Expect: 100-continue")).request.expect_continue);
  const std::string upgrade = "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\r\n";
  EXPECT_TRUE(Parsed("GET / HTTP/1.1\r\nHost: a\r\n" + upgrade).request.upgrade_websocket);
  EXPECT_FALSE(Parsed("GET / HTTP/1.0\r\nHost: a\r\n" + upgrade).request.upgrade_websocket);
  EXPECT_FALSE(Parsed("POST / HTTP/1.1\r\nHost: a\r\n" + upgrade).request.upgrade_websocket);
  EXPECT_FALSE(
      Parsed("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n").request.upgrade_websocket);
}

TEST(ParseResponse, Framing) {
  struct Case {
    Method method;
    const char* start;
    const char* lines;
    BodyFraming framing;
    bool keep_alive;
  };
  const std::vector<Case> cases = {
      {Method::kGet, "200 OK", "Content-Length: 5\r\n", BodyFraming::kLength, true},
      {Method::kGet, "200 OK", "Transfer-Encoding: chunked\r\n", BodyFraming::kChunked, true},
      {Method::kGet, "200 OK", "", BodyFraming::kUntilClose, false},
      {Method::kHead, "200 OK", "Content-Length: 5\r\n", BodyFraming::kNone, true},
      {Method::kHead, "200 OK", "", BodyFraming::kNone, true},
      {Method::kGet, "204 No Content", "", BodyFraming::kNone, true},
      {Method::kGet, "304 Not Modified", "Content-Length: 5\r\n", BodyFraming::kNone, true},
      {Method::kGet, "100 Continue", "", BodyFraming::kNone, true},
      {Method::kGet, "101 Switching Protocols", "Upgrade: websocket\r\n", BodyFraming::kNone, true},
      {Method::kGet, "503 ", "Content-Length: 0\r\nConnection: close\r\n", BodyFraming::kLength,
       false},
      {Method::kGet, "200", "Content-Length: 0\r\n", BodyFraming::kLength, true},
  };
  for (const Case& c : cases) {
    const ParsedResponse parsed(std::string("HTTP/1.1 ") + c.start + "\r\n" + c.lines + "\r\n",
                                c.method);
    ASSERT_TRUE(parsed.error.ok()) << c.start << c.lines << parsed.error.reason;
    EXPECT_EQ(parsed.response.framing, c.framing) << c.start << c.lines;
    EXPECT_EQ(parsed.response.keep_alive, c.keep_alive) << c.start << c.lines;
  }
  const ParsedResponse reason("HTTP/1.0 429 Too  Many\r\n\r\n");
  EXPECT_EQ(reason.response.status, 429);
  EXPECT_EQ(reason.response.reason, "Too  Many");
  EXPECT_EQ(reason.response.minor_version, 0);
}

TEST(ParseResponse, Refuses) {
  for (const std::string& head : std::vector<std::string>{
           "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
           "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
           "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n",
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n",
           "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
           "HTTP/1.1 204 No\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
           "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
           "HTTP/1.1 200 OK\r\nX : a\r\n\r\n",
           "HTTP/1.1 200 OK\nX: a\n\n",
           "HTTP/1.1  200 OK\r\n\r\n",
           "HTTP/1.1 20 OK\r\n\r\n",
           "HTTP/1.1 2000 OK\r\n\r\n",
           "HTTP/1.1 099 OK\r\n\r\n",
           "HTTP/1.1 600 OK\r\n\r\n",
           "HTTP/1.1 +20 OK\r\n\r\n",
           "HTTP/1.1\r\n\r\n",
           "HTTP/2.0 200 OK\r\n\r\n",
           "ICY 200 OK\r\n\r\n",
           "\r\nHTTP/1.1 200 OK\r\n\r\n",
           "HTTP/1.1 200 O\x01K\r\n\r\n",
           "HTTP/1.1 200 OK\r\nConnection: content-length\r\nContent-Length: 1\r\n\r\n",
           "HTTP/1.1 200 OK\r\n",
           ""}) {
    const ParsedResponse parsed(head);
    EXPECT_EQ(parsed.error.status, 502) << head;
  }
}

TEST(HeadEnd, FindsTheEndHoweverTheBytesCome) {
  const std::string head =
      "\r\nGET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(40, 'y') + "\r\n\r\n";
  const std::string buffer = head + "body\n\n";
  HeadEnd at_once;
  ASSERT_EQ(at_once.advance(buffer), HeadEnd::State::kFound);
  EXPECT_EQ(at_once.size(), head.size());

  HeadEnd slowly;
  for (std::size_t i = 0; i < head.size(); ++i) {
    ASSERT_EQ(slowly.advance({buffer.data(), i}), HeadEnd::State::kMore) << i;
  }
  ASSERT_EQ(slowly.advance({buffer.data(), head.size()}), HeadEnd::State::kFound);
  EXPECT_EQ(slowly.size(), head.size());
  slowly.reset();
  EXPECT_EQ(slowly.advance(std::string_view("GET")), HeadEnd::State::kMore);
}

TEST(HeadEnd, RefusesEarly) {
  const auto status = [](const std::string& text) {
    HeadEnd end;
    return end.advance(text) == HeadEnd::State::kRefused ? end.error().status : 0;
  };
  EXPECT_EQ(status("GET / HTTP/1.1\n"), 400);
  EXPECT_EQ(status("GET / HTTP/1.1\rX"), 400);
  EXPECT_EQ(status(nul("GET @")), 400);
  EXPECT_EQ(status("\x16\x03\x01"), 400);
  EXPECT_EQ(status("\r\n\r\n"), 400);
  EXPECT_EQ(status(std::string(32 * 1024, 'a')), 414);
  EXPECT_EQ(status("GET / HTTP/1.1\r\n" + std::string(32 * 1024, 'a')), 431);
  EXPECT_EQ(status("GET / HTTP/1.1\r\nX: \xe9\t"), 0);
}

TEST(HeadEnd, TakesAHeadOfExactlyTheLimit) {
  const HeadLimits limits{.head_bytes = 64, .headers = 10, .target_bytes = 64};
  std::string head = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
  head += std::string(64 - head.size() - 4, 'y') + "\r\n\r\n";
  HeadEnd end(limits);
  EXPECT_EQ(end.advance(head), HeadEnd::State::kFound);
  RequestHead request;
  EXPECT_TRUE(parse_request(head, limits, request).ok());
  head.insert(head.size() - 4, "y");
  HeadEnd beyond(limits);
  EXPECT_EQ(beyond.advance(head), HeadEnd::State::kRefused);
  EXPECT_EQ(parse_request(head, limits, request).status, 431);
}

TEST(ParseTrailers, DropsWhatMayNotStandThere) {
  HeaderList trailers;
  const std::string section =
      "X-Checksum: 1\r\nContent-Length: 5\r\nTransfer_Encoding: chunked\r\nHost: b\r\n"
      "authorization: x\r\nServer-Timing: 2\r\n\r\n";
  ASSERT_TRUE(parse_trailers(section, HeadLimits{}, trailers).ok());
  ASSERT_EQ(trailers.size(), 2u);
  EXPECT_EQ(trailers[0].name, "X-Checksum");
  EXPECT_EQ(trailers[1].name, "Server-Timing");
  EXPECT_FALSE(parse_trailers(std::string_view("X : 1\r\n\r\n"), HeadLimits{}, trailers).ok());
}

}  // namespace
}  // namespace gatehouse::net

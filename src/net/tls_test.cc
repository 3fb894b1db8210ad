#include "net/tls.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <cstdio>
#include <fstream>

#include "net/client.h"
#include "net/net_test_peers.h"

namespace gatehouse::net {
namespace {

using test::RawClient;
using test::TestServer;

// Writes a self-signed certificate for `names` ("DNS:a,IP:127.0.0.1") and its
// key, and returns the paths' common stem.
class Certificate {
 public:
  explicit Certificate(const std::string& stem, const char* names)
      : certificate_file(testing::TempDir() + stem + std::to_string(::getpid()) + ".pem"),
        key_file(certificate_file + ".key") {
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* made = X509_new();
    X509_set_version(made, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made), static_cast<long>(steady_ns() & 0x7fffffff));
    X509_gmtime_adj(X509_getm_notBefore(made), -3600);
    X509_gmtime_adj(X509_getm_notAfter(made), 3600);
    X509_set_pubkey(made, key);
    X509_NAME* name = X509_get_subject_name(made);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(stem.c_str()), -1, -1, 0);
    X509_set_issuer_name(made, name);
    X509V3_CTX context;
    X509V3_set_ctx(&context, made, made, nullptr, nullptr, 0);
    for (const auto& [nid, value] : {std::pair{NID_basic_constraints, "critical,CA:TRUE"},
                                     std::pair{NID_subject_alt_name, names}}) {
      X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value);
      X509_add_ext(made, extension, -1);
      X509_EXTENSION_free(extension);
    }
    X509_sign(made, key, EVP_sha256());
    std::FILE* file = std::fopen(certificate_file.c_str(), "w");
    PEM_write_X509(file, made);
    std::fclose(file);
    file = std::fopen(key_file.c_str(), "w");
    PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
    std::fclose(file);
    X509_free(made);
    EVP_PKEY_free(key);
  }
  ~Certificate() {
    std::remove(certificate_file.c_str());
    std::remove(key_file.c_str());
  }

  const std::string certificate_file;
  const std::string key_file;
};

Task<void> echo(Exchange& exchange) {
  const Result<std::string_view> body = co_await exchange.read_body(8 << 20);
  Reply reply;
  reply.status = exchange.peer().tls ? 200 : 500;
  reply.body = body.ok() ? *body : std::string_view("bad");
  (void)co_await exchange.reply(reply);
}

class TlsTest : public testing::Test {
 protected:
  // One call to https://host:port with `body`; the reply's body or why there is none.
  Result<std::string> call(Client& client, const std::string& host, uint16_t port,
                           std::string_view body, bool* reused = nullptr) {
    Origin origin;
    origin.tls = true;
    origin.host = host;
    origin.port = port;
    origin.host_header = host;
    std::optional<Result<std::string>> got;
    const auto main = [&]() -> Task<void> { got = co_await whole_call(client, origin, body); };
    detach(main());
    const int64_t limit_ms = steady_ms() + 10'000;
    while (!got && steady_ms() < limit_ms) loop.run_for(20);
    (void)reused;
    return *got;
  }
  static Task<Result<std::string>> whole_call(Client& client, const Origin& origin,
                                              std::string_view body) {
    ClientCall one(client);
    ClientRequest request;
    request.origin = &origin;
    request.body = body;
    request.connect_deadline_ms = request.write_deadline_ms = steady_ms() + 3000;
    CO_RETURN_IF_ERROR(co_await one.send(request));
    const auto head = co_await one.read_head(steady_ms() + 3000);
    if (!head.ok()) co_return head.status();
    if ((*head)->status != 200) co_return internal_error("not under TLS");
    const auto all = co_await one.read_all(8 << 20, steady_ms() + 3000);
    if (!all.ok()) co_return all.status();
    co_return std::string(*all);
  }

  Loop loop;
  Pool pool{1};
};

TEST_F(TlsTest, CallsByNameAndByAddress) {
  const Certificate own("own", "DNS:localhost,IP:127.0.0.1");
  auto served = TlsServerContext::load(own.certificate_file, own.key_file);
  ASSERT_TRUE(served.ok()) << served.status().to_string();
  TestServer server(echo, {}, *served);
  auto trusted = TlsClientContext::load(own.certificate_file);
  ASSERT_TRUE(trusted.ok()) << trusted.status().to_string();
  Dialer dialer(pool, {}, *trusted);
  Client client(loop, dialer);
  const std::string large(3 << 20, 'l');
  for (const char* host : {"localhost", "127.0.0.1"}) {
    for (const std::string_view body : {std::string_view("small"), std::string_view(large)}) {
      const auto got = call(client, host, server.port(), body);
      ASSERT_TRUE(got.ok()) << host << got.status().to_string();
      EXPECT_EQ(*got, body);
    }
  }
  EXPECT_EQ(client.idle_connections(), 2);
  EXPECT_EQ(server.server->counters().connections_accepted, 2);
}

TEST_F(TlsTest, RefusesWhomItCannotVerify) {
  const Certificate own("own", "DNS:localhost");
  const Certificate other("other", "DNS:localhost,IP:127.0.0.1");
  auto served = TlsServerContext::load(own.certificate_file, own.key_file);
  TestServer server(echo, {}, *served);
  {  // the right name, an unknown authority
    Dialer dialer(pool, {}, *TlsClientContext::load(other.certificate_file));
    Client client(loop, dialer);
    const auto got = call(client, "localhost", server.port(), "");
    EXPECT_FALSE(got.ok());
    EXPECT_NE(got.status().message().find("certificate"), std::string::npos)
        << got.status().to_string();
  }
  {  // a known authority, the wrong name
    Dialer dialer(pool, {}, *TlsClientContext::load(own.certificate_file));
    Client client(loop, dialer);
    EXPECT_FALSE(call(client, "127.0.0.1", server.port(), "").ok());
  }
}

TEST_F(TlsTest, ReloadsTheCertificateAndKeepsTheOldOnFailure) {
  const Certificate first("first", "DNS:localhost");
  const Certificate second("second", "DNS:localhost");
  const auto copy = [](const std::string& from, const std::string& to) {
    std::ofstream(to) << std::ifstream(from).rdbuf();
  };
  const std::string live = first.certificate_file + ".live";
  copy(first.certificate_file, live);
  copy(first.key_file, live + ".key");
  auto served = TlsServerContext::load(live, live + ".key");
  ASSERT_TRUE(served.ok());
  TestServer server(echo, {}, *served);
  const auto trusts = [&](const Certificate& authority) {
    Dialer dialer(pool, {}, *TlsClientContext::load(authority.certificate_file));
    Client client(loop, dialer);
    return call(client, "localhost", server.port(), "x").ok();
  };
  EXPECT_TRUE(trusts(first));
  EXPECT_FALSE(trusts(second));
  // The new certificate with the old key: refused, the old pair stays.
  copy(second.certificate_file, live);
  const Status mismatched = (*served)->reload();
  EXPECT_FALSE(mismatched.ok());
  EXPECT_NE(mismatched.message().find(live), std::string::npos) << mismatched.message();
  EXPECT_TRUE(trusts(first));
  copy(second.key_file, live + ".key");
  const Status reloaded = (*served)->reload();
  EXPECT_TRUE(reloaded.ok()) << reloaded.to_string();
  EXPECT_TRUE(trusts(second));
  EXPECT_FALSE(trusts(first));
  std::remove(live.c_str());
  std::remove((live + ".key").c_str());
}

TEST_F(TlsTest, NamesTheFileThatIsWrong) {
  const Certificate own("own", "DNS:localhost");
  const auto missing = TlsServerContext::load("/nonexistent/cert.pem", own.key_file);
  EXPECT_EQ(missing.status().code(), Code::kNotFound);
  EXPECT_NE(missing.status().message().find("/nonexistent/cert.pem"), std::string::npos);
  const auto swapped = TlsServerContext::load(own.key_file, own.key_file);
  EXPECT_NE(swapped.status().message().find(own.key_file), std::string::npos);
  EXPECT_FALSE(TlsClientContext::load("/nonexistent/ca.pem").ok());
}

TEST_F(TlsTest, PlainBytesAndSilenceDoNotHoldTheServer) {
  const Certificate own("own", "DNS:localhost");
  auto served = TlsServerContext::load(own.certificate_file, own.key_file);
  ServerOptions options;
  options.head_timeout_ms = 100;
  TestServer server(echo, options, *served);
  RawClient plain(server.port());
  plain.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(plain.receive_all().find("HTTP/1.1"), std::string::npos);
  EXPECT_TRUE(plain.ended);
  RawClient silent(server.port());
  silent.receive_all();
  EXPECT_TRUE(silent.ended);
  EXPECT_EQ(server.server->counters().requests, 0);
}

}  // namespace
}  // namespace gatehouse::net

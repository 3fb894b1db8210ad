#include "net/http_parser.h"

#include <algorithm>
#include <iterator>
#include <limits>

#include "base/text.h"
#include "net/authority.h"
#include "net/char_class.h"

namespace gatehouse::net {

namespace {

constexpr int kBadRequest = 400;
// Registered methods have at most 17 letters.
constexpr std::size_t kMethodBytes = 32;

constexpr ParseError refuse(std::string_view reason) { return {kBadRequest, reason}; }

// What the fields that steer the connection and the body said.
struct Steering {
  unsigned hosts = 0;
  unsigned lengths = 0;
  unsigned encodings = 0;
  bool close = false;
  bool keep_alive = false;
  bool upgrade = false;    // Connection: upgrade
  bool websocket = false;  // Upgrade: websocket
  std::uint64_t length = 0;
  std::string_view host;
  std::string_view encoding;
  std::string_view expect;
};

bool parse_length(std::string_view text, std::uint64_t& length) {
  // 19 digits hold every int64, which is what file offsets and sums use.
  if (text.empty() || text.size() > 19 || !all_class(text, kDigit)) return false;
  std::uint64_t value = 0;
  for (const char c : text) value = value * 10 + static_cast<std::uint64_t>(c - '0');
  if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) return false;
  length = value;
  return true;
}

// Connection may name fields to be dropped by the next hop. Naming one that
// frames or routes the message would make that hop read another message.
ParseError read_connection(std::string_view list, Steering& steering) {
  while (const auto option = next_list_element(list)) {
    if (!is_token(*option)) return refuse("invalid Connection header");
    switch (option->size()) {
      case 4:
        if (equal_ignoring_case(*option, "host")) return refuse("Connection names Host");
        break;
      case 5: steering.close |= equal_ignoring_case(*option, "close"); break;
      case 7: steering.upgrade |= equal_ignoring_case(*option, "upgrade"); break;
      case 10: steering.keep_alive |= equal_ignoring_case(*option, "keep-alive"); break;
      case 14:
        if (equal_ignoring_case(*option, "content-length")) {
          return refuse("Connection names Content-Length");
        }
        break;
      case 17:
        // Redundant but harmless: Transfer-Encoding is hop-by-hop anyway. Refused all the same,
        // since some servers then forget that they saw it.
        if (equal_ignoring_case(*option, "transfer-encoding")) {
          return refuse("Connection names Transfer-Encoding");
        }
        break;
      default: break;
    }
  }
  return {};
}

// Servers that hand headers on as environment variables (CGI, WSGI) read '_' as
// '-': a framing field in that disguise is one for them.
bool is_disguised(std::string_view name, std::string_view plain) {
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (ascii_lower(name[i] == '_' ? '-' : name[i]) != plain[i]) return false;
  }
  return true;
}

ParseError read_steering_field(std::string_view name, std::string_view value, Steering& steering) {
  switch (name.size()) {
    case 4:
      if (equal_ignoring_case(name, "host")) {
        ++steering.hosts;
        steering.host = value;
      }
      break;
    case 6:
      if (equal_ignoring_case(name, "expect")) steering.expect = value;
      break;
    case 7:
      if (equal_ignoring_case(name, "upgrade")) {
        while (const auto protocol = next_list_element(value)) {
          steering.websocket |= equal_ignoring_case(*protocol, "websocket");
        }
      }
      break;
    case 10:
      if (equal_ignoring_case(name, "connection")) return read_connection(value, steering);
      break;
    case 14:
      if (equal_ignoring_case(name, "content-length")) {
        if (++steering.lengths > 1) return refuse("more than one Content-Length");
        if (!parse_length(value, steering.length)) return refuse("invalid Content-Length");
      } else if (is_disguised(name, "content-length")) {
        return refuse("disguised Content-Length");
      }
      break;
    case 17:
      if (equal_ignoring_case(name, "transfer-encoding")) {
        if (++steering.encodings > 1) return refuse("more than one Transfer-Encoding");
        steering.encoding = value;
      } else if (is_disguised(name, "transfer-encoding")) {
        return refuse("disguised Transfer-Encoding");
      }
      break;
    default: break;
  }
  return {};
}

// Reads field lines and the empty line that must end at `end`; hands each to
// `visit(name, value)`, which may refuse it.
template <typename Visit>
ParseError read_fields(const char* at, const char* end, Visit visit) {
  while (true) {
    if (end - at >= 2 && at[0] == '\r' && at[1] == '\n') {
      return at + 2 == end ? ParseError{} : refuse("bytes after the end of the head");
    }
    const char* const name_start = at;
    while (at != end && is_class(*at, kTokenChar)) ++at;
    if (at == end) return refuse("head is not complete");
    if (at == name_start) {
      return *at == ' ' || *at == '\t' ? refuse("folded header line")
                                       : refuse("invalid header name");
    }
    if (*at != ':') {
      return *at == ' ' || *at == '\t' ? refuse("white space before the colon of a header")
                                       : refuse("invalid header name");
    }
    const std::string_view name(name_start, static_cast<std::size_t>(at - name_start));
    ++at;
    while (at != end && (*at == ' ' || *at == '\t')) ++at;
    const char* const stop = find_control(at, end);
    if (end - stop < 2 || stop[0] != '\r' || stop[1] != '\n') {
      return refuse("control character or bare line end in a header");
    }
    const char* value_end = stop;
    while (value_end != at && (value_end[-1] == ' ' || value_end[-1] == '\t')) --value_end;
    const std::string_view value(at, static_cast<std::size_t>(value_end - at));
    if (const ParseError error = visit(name, value); !error.ok()) return error;
    at = stop + 2;
  }
}

ParseError read_head_fields(const char* at, const char* end, const HeadLimits& limits,
                            HeaderList& headers, Steering& steering) {
  return read_fields(at, end, [&](std::string_view name, std::string_view value) -> ParseError {
    if (headers.size() == limits.headers) return {431, "too many headers"};
    headers.add(name, value);
    return read_steering_field(name, value, steering);
  });
}

// RFC 9112 §6.1: an unknown coding under a final chunked is 501; without chunked
// as the final one, and once only, nobody knows where the body ends.
ParseError check_encoding(std::string_view encoding) {
  if (equal_ignoring_case(encoding, "chunked")) return {};
  unsigned chunked = 0;
  bool last_is_chunked = false;
  std::string_view list = encoding;
  while (const auto coding = next_list_element(list)) {
    if (!is_token(*coding)) return refuse("invalid Transfer-Encoding");
    last_is_chunked = equal_ignoring_case(*coding, "chunked");
    chunked += last_is_chunked ? 1 : 0;
  }
  if (chunked != 1 || !last_is_chunked) return refuse("invalid Transfer-Encoding");
  return {501, "transfer codings other than chunked are not supported"};
}

ParseError check_framing(const Steering& steering, int minor_version) {
  if (steering.encodings == 0) return {};
  if (steering.lengths != 0) return refuse("both Content-Length and Transfer-Encoding");
  if (minor_version == 0) return refuse("Transfer-Encoding in HTTP/1.0");
  return check_encoding(steering.encoding);
}

bool stays_alive(const Steering& steering, int minor_version) {
  return !steering.close && (minor_version == 1 || steering.keep_alive);
}

ParseError check_path(std::string_view path) {
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (!is_class(path[i], kPathChar)) return refuse("invalid character in the path");
    if (path[i] != '%') continue;
    if (path.size() - i < 3 || hex_value(path[i + 1]) < 0 || hex_value(path[i + 2]) < 0) {
      return refuse("invalid percent-encoding in the path");
    }
    // Code written in C upstream would see the path end here.
    if (path[i + 1] == '0' && path[i + 2] == '0') return refuse("NUL in the path");
  }
  return {};
}

// RFC 9112 §3.2: origin, absolute and asterisk form.
ParseError read_target(RequestHead& request) {
  const std::string_view target = request.target;
  std::string_view rest = target;
  if (target == "*") {
    if (request.method != Method::kOptions) return refuse("target * is for OPTIONS only");
    request.path = target;
    return {};
  }
  if (!target.starts_with('/')) {
    std::size_t scheme = 0;
    if (equal_ignoring_case(target.substr(0, 7), "http://")) scheme = 7;
    if (equal_ignoring_case(target.substr(0, 8), "https://")) scheme = 8;
    if (scheme == 0) return refuse("invalid request target");
    const std::size_t authority_end = std::min(target.find_first_of("/?", scheme), target.size());
    request.host = target.substr(scheme, authority_end - scheme);
    if (!parse_authority(request.host)) return refuse("invalid host in the request target");
    rest = target.substr(authority_end);
  }
  const std::size_t mark = rest.find('?');
  request.path = rest.substr(0, mark);
  if (mark != std::string_view::npos) request.query = rest.substr(mark + 1);
  if (request.path.empty()) request.path = "/";
  return check_path(request.path);
}

// "HTTP/1.0" or "HTTP/1.1", else -1.
int minor_version_of(std::string_view version) {
  if (version == "HTTP/1.1") return 1;
  if (version == "HTTP/1.0") return 0;
  return -1;
}

ParseError refuse_version(std::string_view version) {
  const bool well_formed = version.size() == 8 && version.starts_with("HTTP/") &&
                           is_class(version[5], kDigit) && version[6] == '.' &&
                           is_class(version[7], kDigit);
  if (well_formed) return {505, "only HTTP/1.0 and HTTP/1.1 are spoken here"};
  return refuse("invalid HTTP version");
}

// Reads "METHOD SP target SP version CR LF" and leaves `at` after it.
ParseError read_request_line(const char*& at, const char* end, const HeadLimits& limits,
                             RequestHead& request) {
  const char* start = at;
  while (at != end && is_class(*at, kTokenChar)) ++at;
  request.method_text = {start, static_cast<std::size_t>(at - start)};
  if (at == start || at == end || *at != ' ' || request.method_text.size() > kMethodBytes) {
    return refuse("invalid method");
  }
  request.method = method_of(request.method_text);
  start = ++at;
  while (at != end && is_class(*at, kQueryChar)) ++at;
  request.target = {start, static_cast<std::size_t>(at - start)};
  if (request.target.size() > limits.target_bytes) return {414, "request target too long"};
  if (at == start || at == end || *at != ' ') return refuse("invalid request target");
  start = ++at;
  at = find_control(at, end);
  if (end - at < 2 || at[0] != '\r' || at[1] != '\n') return refuse("invalid request line");
  const std::string_view version(start, static_cast<std::size_t>(at - start));
  request.minor_version = minor_version_of(version);
  if (request.minor_version < 0) return refuse_version(version);
  at += 2;
  if (request.method == Method::kConnect) return {405, "CONNECT is not offered"};
  return read_target(request);
}

ParseError settle_host(const Steering& steering, RequestHead& request) {
  if (steering.hosts > 1) return refuse("more than one Host");
  if (steering.hosts == 0) {
    return request.minor_version == 1 ? refuse("no Host header") : ParseError{};
  }
  if (!parse_authority(steering.host)) return refuse("invalid Host header");
  if (request.host.empty()) {
    request.host = steering.host;
  } else if (!equal_ignoring_case(request.host, steering.host)) {
    // RFC 9112 §3.2 binds the client to send the same; who would heed which is not known.
    return refuse("Host differs from the request target");
  }
  return {};
}

ParseError settle_request(const Steering& steering, RequestHead& request) {
  if (const ParseError error = settle_host(steering, request); !error.ok()) return error;
  if (const ParseError error = check_framing(steering, request.minor_version); !error.ok()) {
    return error;
  }
  if (steering.encodings != 0) {
    request.framing = BodyFraming::kChunked;
  } else if (steering.lengths != 0) {
    request.framing = BodyFraming::kLength;
    request.content_length = steering.length;
  }
  request.keep_alive = stays_alive(steering, request.minor_version);
  if (!steering.expect.empty() && request.minor_version == 1) {
    if (!equal_ignoring_case(steering.expect, "100-continue")) {
      return {417, "only the expectation 100-continue is known"};
    }
    request.expect_continue = request.has_body();
  }
  request.upgrade_websocket = steering.websocket && steering.upgrade &&
                              request.method == Method::kGet && request.minor_version == 1;
  if (request.upgrade_websocket && request.has_body()) {
    return refuse("a WebSocket upgrade with a body");
  }
  return {};
}

// Reads "HTTP/1.x SP 3DIGIT [SP reason] CR LF". The SP before an empty reason is
// often left out by servers, and nothing else can be meant.
ParseError read_status_line(const char*& at, const char* end, ResponseHead& response) {
  const char* const start = at;
  at = find_control(at, end);
  if (end - at < 2 || at[0] != '\r' || at[1] != '\n') return refuse("invalid status line");
  const std::string_view line(start, static_cast<std::size_t>(at - start));
  at += 2;
  response.minor_version = minor_version_of(line.substr(0, 8));
  if (response.minor_version < 0) return refuse("upstream speaks no HTTP/1.1");
  if (line.size() < 12 || line[8] != ' ' || !all_class(line.substr(9, 3), kDigit)) {
    return refuse("invalid status line");
  }
  response.status = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
  if (response.status < 100 || response.status > 599) return refuse("invalid status");
  if (line.size() == 12) return {};
  if (line[12] != ' ') return refuse("invalid status line");
  response.reason = line.substr(13);
  return {};
}

ParseError read_response(std::span<const char> head, Method request_method,
                         const HeadLimits& limits, ResponseHead& response) {
  if (head.size() > limits.head_bytes) return refuse("response head too long");
  const char* at = head.data();
  const char* const end = at + head.size();
  if (const ParseError error = read_status_line(at, end, response); !error.ok()) return error;
  Steering steering;
  if (const ParseError error = read_head_fields(at, end, limits, response.headers, steering);
      !error.ok()) {
    return error;
  }
  if (const ParseError error = check_framing(steering, response.minor_version); !error.ok()) {
    return error;
  }
  response.keep_alive = stays_alive(steering, response.minor_version);
  response.content_length = steering.length;
  const bool bodiless = request_method == Method::kHead || response.status < 200 ||
                        response.status == 204 || response.status == 304;
  if (bodiless) {
    response.framing = BodyFraming::kNone;
  } else if (steering.encodings != 0) {
    response.framing = BodyFraming::kChunked;
  } else if (steering.lengths != 0) {
    response.framing = BodyFraming::kLength;
  } else {
    response.framing = BodyFraming::kUntilClose;
    response.keep_alive = false;
  }
  return {};
}

// RFC 9110 §6.5.1, with RFC 9112 §7.1.2: nothing that frames, routes, grants,
// or says how to read the content may come after it.
bool forbidden_in_trailers(std::string_view name) {
  static constexpr std::string_view kForbidden[] = {"authorization",
                                                    "cache-control",
                                                    "connection",
                                                    "content-encoding",
                                                    "content-length",
                                                    "content-range",
                                                    "content-type",
                                                    "cookie",
                                                    "expect",
                                                    "host",
                                                    "keep-alive",
                                                    "max-forwards",
                                                    "proxy-authenticate",
                                                    "proxy-authorization",
                                                    "proxy-connection",
                                                    "range",
                                                    "set-cookie",
                                                    "te",
                                                    "trailer",
                                                    "transfer-encoding",
                                                    "upgrade",
                                                    "www-authenticate"};
  return std::any_of(std::begin(kForbidden), std::end(kForbidden), [name](std::string_view field) {
    return field.size() == name.size() && is_disguised(name, field);
  });
}

}  // namespace

HeadEnd::State HeadEnd::advance(std::span<const char> buffered) {
  if (state_ != State::kMore) return state_;
  const char* const base = buffered.data();
  const std::size_t limit = std::min(buffered.size(), limits_.head_bytes);
  while (at_ < limit) {
    at_ = static_cast<std::size_t>(find_control(base + at_, base + limit) - base);
    if (at_ == limit) break;
    if (base[at_] == '\n') return refuse(kBadRequest, "line ends in a bare LF");
    if (base[at_] != '\r') return refuse(kBadRequest, "control character in the head");
    if (at_ + 1 == limit) break;
    if (base[at_ + 1] != '\n') return refuse(kBadRequest, "bare CR in the head");
    const bool empty_line = at_ == line_start_;
    at_ += 2;
    line_start_ = at_;
    if (!empty_line) {
      any_line_ = true;
    } else if (any_line_) {
      return state_ = State::kFound;
    } else if (skipped_empty_) {
      return refuse(kBadRequest, "empty lines before the head");
    } else {
      skipped_empty_ = true;
    }
  }
  return limit == limits_.head_bytes ? beyond_limit() : State::kMore;
}

HeadEnd::State HeadEnd::beyond_limit() {
  return any_line_ ? refuse(431, "request head too long") : refuse(414, "request line too long");
}

HeadEnd::State HeadEnd::refuse(int status, std::string_view reason) {
  error_ = {status, reason};
  return state_ = State::kRefused;
}

void HeadEnd::reset() {
  state_ = State::kMore;
  at_ = 0;
  line_start_ = 0;
  any_line_ = false;
  skipped_empty_ = false;
  error_ = {};
}

ParseError parse_request(std::span<const char> head, const HeadLimits& limits,
                         RequestHead& request) {
  request.clear();
  if (head.size() > limits.head_bytes) return {431, "request head too long"};
  const char* at = head.data();
  const char* const end = at + head.size();
  if (head.size() >= 2 && at[0] == '\r' && at[1] == '\n') at += 2;
  if (const ParseError error = read_request_line(at, end, limits, request); !error.ok()) {
    return error;
  }
  Steering steering;
  if (const ParseError error = read_head_fields(at, end, limits, request.headers, steering);
      !error.ok()) {
    return error;
  }
  return settle_request(steering, request);
}

ParseError parse_response(std::span<const char> head, Method request_method,
                          const HeadLimits& limits, ResponseHead& response) {
  response.clear();
  ParseError error = read_response(head, request_method, limits, response);
  if (!error.ok()) error.status = 502;
  return error;
}

ParseError parse_fields(std::span<const char> section, const HeadLimits& limits,
                        HeaderList& fields) {
  fields.clear();
  return read_fields(section.data(), section.data() + section.size(),
                     [&](std::string_view name, std::string_view value) -> ParseError {
                       if (fields.size() == limits.headers) return {431, "too many headers"};
                       fields.add(name, value);
                       return {};
                     });
}

ParseError parse_trailers(std::span<const char> section, const HeadLimits& limits,
                          HeaderList& trailers) {
  trailers.clear();
  std::size_t lines = 0;
  return read_fields(section.data(), section.data() + section.size(),
                     [&](std::string_view name, std::string_view value) -> ParseError {
                       if (++lines > limits.headers) return {431, "too many trailers"};
                       if (!forbidden_in_trailers(name)) trailers.add(name, value);
                       return {};
                     });
}

}  // namespace gatehouse::net

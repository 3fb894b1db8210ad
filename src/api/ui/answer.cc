#include "api/ui/answer.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/bytes.h"
#include "base/text.h"
#include "net/url.h"

namespace gatehouse::api {

namespace {

// The largest body of the contract is a key with a hundred model patterns.
constexpr size_t kBodyBytesMax = 64 * 1024;
constexpr size_t kLimitMax = 500;
// Clocks are slewed, and a call's end is appended a little after it.
constexpr int64_t kCursorSlackNs = 10 * 60'000'000'000LL;

Answer unreadable(const Status& status) {
  switch (status.code()) {
    case Code::kResourceExhausted:
      return refusal(413, "body_too_large", "The body is longer than 64 KiB.", "Send less.");
    case Code::kUnavailable:
      return retry_later(503, "overloaded", "There is no memory for the body now.", 1);
    default: return invalid_body(status.message());
  }
}

}  // namespace

Answer ok(std::string body) {
  Answer answer;
  answer.body = std::move(body);
  return answer;
}

Answer no_content() {
  Answer answer;
  answer.status = 204;
  return answer;
}

Answer refusal(int status, std::string_view code, std::string_view message, std::string_view next) {
  Answer answer;
  answer.status = status;
  wire::JsonWriter json(answer.body);
  json.begin_object().key("error").begin_object();
  json.member("code", code).member("message", message).member("next", next);
  json.end_object().end_object();
  return answer;
}

Answer invalid_body(std::string_view message) {
  return refusal(400, "invalid_body", message, "See docs/api.md for what this route takes.");
}

Answer invalid_parameter(std::string_view message) {
  return refusal(400, "invalid_parameter", message, "See docs/api.md for what this route takes.");
}

Answer retry_later(int status, std::string_view code, std::string_view message,
                   int64_t retry_after_s) {
  Answer answer = refusal(status, code, message, "Try again after the time in retry-after.");
  answer.retry_after_s = std::max<int64_t>(1, retry_after_s);
  return answer;
}

Task<void> send(net::Exchange& exchange, const Answer& answer) {
  if (answer.sent) co_return;
  std::vector<net::Header> headers = {{"cache-control", "no-store"},
                                      {"x-content-type-options", "nosniff"}};
  const std::string seconds = std::to_string(answer.retry_after_s);
  if (!answer.cookie.empty()) headers.push_back({"set-cookie", answer.cookie});
  if (!answer.allow.empty()) headers.push_back({"allow", answer.allow});
  if (answer.retry_after_s > 0) headers.push_back({"retry-after", seconds});
  net::Reply reply;
  reply.status = answer.status;
  if (!answer.body.empty()) reply.content_type = "application/json";
  reply.headers = headers;
  reply.body = answer.body;
  const Status sent = co_await exchange.reply(reply);
  (void)sent;  // the client is gone
}

Task<Body> read_body(net::Exchange& exchange, std::span<const std::string_view> known) {
  Body body;
  const Result<std::string_view> bytes = co_await exchange.read_body(kBodyBytesMax);
  if (!bytes.ok()) {
    body.refused = unreadable(bytes.status());
    co_return body;
  }
  if (const Status read = body.document.read(*bytes); !read.ok()) {
    body.refused = invalid_body("The body is no JSON: " + read.message() + ".");
    co_return body;
  }
  if (!body.root().is_object()) {
    body.refused = invalid_body("The body has to be a JSON object.");
    co_return body;
  }
  std::vector<std::string_view> seen;
  for (const auto [name, value] : body.root().members()) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      body.refused = invalid_body("Unknown member \"" + std::string(name) + "\".");
      co_return body;
    }
    if (std::find(seen.begin(), seen.end(), name) != seen.end()) {
      body.refused = invalid_body("The member \"" + std::string(name) + "\" is given twice.");
      co_return body;
    }
    seen.push_back(name);
  }
  co_return body;
}

Result<Parameters> Parameters::read(std::string_view query,
                                    std::span<const std::string_view> known) {
  auto parsed = net::parse_query(query);
  if (!parsed) return invalid_argument("The query is not well encoded.");
  Parameters out;
  for (auto& [name, value] : *parsed) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      return invalid_argument("Unknown parameter \"" + name + "\".");
    }
    if (out.find(name) != nullptr) {
      return invalid_argument("The parameter \"" + name + "\" is given twice.");
    }
    out.values_.emplace_back(std::move(name), std::move(value));
  }
  return out;
}

const std::string* Parameters::find(std::string_view name) const {
  for (const auto& [own, value] : values_) {
    if (own == name) return &value;
  }
  return nullptr;
}

std::string_view Parameters::text(std::string_view name) const {
  const std::string* value = find(name);
  return value == nullptr ? std::string_view{} : *value;
}

Cursor Cursor::before(model::Position position, int64_t ended_ns) {
  const bool far = ended_ns > INT64_MAX - kCursorSlackNs;
  return {position, far ? INT64_MAX : ended_ns + kCursorSlackNs};
}

std::string Cursor::text() const {
  std::string bytes;
  put_varint(bytes, position);
  put_le<int64_t>(bytes, before_ns);
  return base64url_encode(bytes);
}

std::optional<Cursor> Cursor::parse(std::string_view text) {
  const auto bytes = base64url_decode(text);
  if (!bytes.ok()) return std::nullopt;
  std::string_view rest = *bytes;
  Cursor out;
  if (!get_varint(rest, out.position) || rest.size() != sizeof(int64_t)) return std::nullopt;
  out.before_ns = get_le<int64_t>(rest.data());
  return out;
}

Result<Page> read_page(const Parameters& parameters) {
  Page page;
  page.cursor.position = UINT64_MAX;
  if (const std::string* limit = parameters.find("limit")) {
    const auto value = parse_uint(*limit);
    if (!value || *value < 1 || *value > kLimitMax) {
      return invalid_argument("limit has to be a whole number from 1 to 500.");
    }
    page.limit = static_cast<size_t>(*value);
  }
  if (const std::string* before = parameters.find("before")) {
    const auto cursor = Cursor::parse(*before);
    if (!cursor) return invalid_argument("before has to be the next_before of another page.");
    page.cursor = *cursor;
  }
  return page;
}

wire::JsonWriter& text_or_null(wire::JsonWriter& json, std::string_view name,
                               std::string_view text) {
  json.key(name);
  return text.empty() ? json.null() : json.string(text);
}

wire::JsonWriter& time_or_null(wire::JsonWriter& json, std::string_view name, int64_t unix_ns) {
  json.key(name);
  return unix_ns == 0 ? json.null() : json.integer(unix_ns / 1'000'000);
}

wire::JsonWriter& number_or_null(wire::JsonWriter& json, std::string_view name,
                                 std::optional<double> number) {
  json.key(name);
  // Estimates: more digits than these say nothing.
  return number ? json.number(std::round(*number * 1e6) / 1e6) : json.null();
}

wire::JsonWriter& nanousd(wire::JsonWriter& json, std::string_view name, int64_t nanodollars) {
  return json.member(name, std::to_string(std::max<int64_t>(0, nanodollars)));
}

}  // namespace gatehouse::api

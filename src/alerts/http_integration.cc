#include "alerts/http_integration.h"

#include "base/text.h"

namespace gatehouse::alerts {

namespace {
// A sentence of what went wrong; more is a page of HTML.
constexpr size_t kQuotedBytesMax = 256;
}  // namespace

void HttpIntegration::read_usual(wire::ConfigFields& fields, const Globals& globals) {
  fields.boolean("send_resolved", send_resolved_);
  client_ = globals.http;
  if (const wire::YamlNode* node = fields.take("http_config")) {
    client_ = {};
    wire::ConfigFields inner(fields.log(), *node, "http_config");
    outbound::read_http_client(inner, client_);
    inner.done();
  }
}

Reading HttpIntegration::read(Attempt&, const HttpReply& reply) const {
  return usual_reading(reply);
}

std::string quoted_body(std::string_view body) {
  std::string out;
  for (const char c : body) {
    const bool blank = static_cast<unsigned char>(c) <= 0x20 || c == 0x7f;
    if (blank && (out.empty() || out.back() == ' ')) continue;
    if (out.size() >= 2 * kQuotedBytesMax) break;
    out += blank ? ' ' : c;
  }
  if (!out.empty() && out.back() == ' ') out.pop_back();
  truncate_bytes(out, kQuotedBytesMax);
  return valid_utf8(out) ? out : "(not text)";
}

Reading failed_reading(std::string error, bool retry) {
  Reading reading;
  reading.retry = retry;
  reading.error = std::move(error);
  return reading;
}

Reading usual_reading(const HttpReply& reply) {
  Reading reading;
  reading.delivered = reply.status / 100 == 2;
  if (reading.delivered) return reading;
  reading.retry = reply.status / 100 == 5 || reply.status == 429;
  reading.error = "unexpected status code " + std::to_string(reply.status);
  const std::string quoted = quoted_body(reply.body);
  if (!quoted.empty()) reading.error += ": " + quoted;
  return reading;
}

OutgoingRequest json_request(std::string url, std::string body) {
  OutgoingRequest request;
  request.url = std::move(url);
  request.headers = {{"Content-Type", "application/json"}};
  request.body = std::move(body);
  return request;
}

}  // namespace gatehouse::alerts

#include "api/prometheus/metrics.h"

#include <array>

#include "identity/roles.h"
#include "wire/exposition.h"

namespace gatehouse::api {

namespace {

struct Refusal {
  int status = 0;  // 0: none
  std::string text;
  int64_t retry_after_s = 0;
};

Refusal check(identity::Authenticator& authenticator, const net::Exchange& exchange,
              int64_t now_ns) {
  identity::Refusal why;
  const auto principal = authenticator.authenticate(
      identity::credential_from(exchange.request().headers), exchange.peer().address, now_ns, &why);
  if (!principal.ok()) {
    const Code code = principal.status().code();
    const int status = code == Code::kResourceExhausted  ? 429
                       : code == Code::kPermissionDenied ? 403
                                                         : 401;
    return {status, principal.status().message() + "\n", (why.retry_after_ms + 999) / 1000};
  }
  if (!identity::may(**principal, identity::Action::kMetricsRead)) {
    return {403, "this key's role may not read metrics; give the scraper a key of role viewer\n",
            0};
  }
  return {};
}

}  // namespace

Task<void> Metrics::handle(gateway::Worker& worker, net::Exchange& exchange) const {
  std::vector<net::Header> headers = {{"cache-control", "no-store"},
                                      {"x-content-type-options", "nosniff"}};
  net::Reply reply;
  Refusal refused;
  if (worker.snapshot->config.authenticate) {
    refused = check(authenticator_, exchange, clock_.wall_ns());
  }
  std::string body, seconds;
  if (refused.status != 0) {
    reply.status = refused.status;
    reply.content_type = "text/plain; charset=utf-8";
    body = std::move(refused.text);
    if (refused.status == 401) {
      headers.push_back({"www-authenticate", "Bearer realm=\"gatehouse\""});
    }
    if (refused.status == 429) {
      seconds = std::to_string(std::max<int64_t>(1, refused.retry_after_s));
      headers.push_back({"retry-after", seconds});
    }
  } else {
    const auto format = wire::negotiate_exposition(exchange.request().headers.get("accept"));
    headers.push_back({"vary", "accept"});
    reply.content_type = wire::content_type(format);
    body = wire::write_exposition(registry_, format);
  }
  reply.headers = headers;
  reply.body = body;
  const Status sent = co_await exchange.reply(reply);
  (void)sent;
}

}  // namespace gatehouse::api

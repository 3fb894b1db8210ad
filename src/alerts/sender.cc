// An attempt: words and secrets on the Pool, the request on the Loop, the reply read on the Pool
// again; some kinds go on with another request (a token, a search before an update).
//
// Invariant: no outcome holds a secret. What is read of one is remembered by the Attempt, and
// taken out of every error, wherever it came from.
#include "alerts/sender.h"

#include <algorithm>
#include <vector>

#include "alerts/attempt.h"
#include "alerts/email.h"
#include "alerts/http_integration.h"
#include "base/bytes.h"
#include "base/text.h"
#include "net/date.h"
#include "net/dialer.h"
#include "net/url.h"
#include "outbound/http_fetch.h"
#include "outbound/smtp.h"
#include "outbound/tls_context.h"

namespace gatehouse::alerts {

namespace {

// Requests of one conversation: the longest has a token, a search, an update and a transition.
constexpr int kStepsMax = 8;
// Clients that stay open; configurations have a handful of http_configs.
constexpr size_t kClientsMax = 64;
// A receiver that asks for longer is asked again by then all the same.
constexpr int64_t kRetryAfterMaxMs = 3'600'000;

struct Client {
  std::shared_ptr<outbound::HttpFetch> fetch;
  uint64_t used = 0;
};

int64_t retry_after_ms(std::string_view text, int64_t now_ns) {
  if (text.empty()) return 0;
  if (const auto seconds = parse_uint(trim(text))) {
    return *seconds > 3'600 ? kRetryAfterMaxMs : static_cast<int64_t>(*seconds) * 1000;
  }
  const int64_t now = now_ns / 1'000'000'000;
  const auto date = net::parse_http_date(trim(text), now);
  if (!date || *date <= now) return 0;
  return std::min(kRetryAfterMaxMs, (*date - now) * 1000);
}

// What may come out differently in a while; the rest is a wrong configuration.
bool worth_retrying(const Status& status) { return status.code() != Code::kInvalidArgument; }

// Takes "user:password@" out of a URL, as Go's client does, and what is behind '#'.
void split_credentials(OutgoingRequest& request, Attempt& attempt) {
  request.url.resize(std::min(request.url.size(), request.url.find('#')));
  const size_t begin = request.url.find("://");
  if (begin == std::string::npos) return;
  const size_t host = begin + 3;
  const size_t end = std::min(request.url.find_first_of("/?", host), request.url.size());
  const size_t at = request.url.rfind('@', end);
  if (at == std::string::npos || at < host || at >= end) return;
  const std::string pair = request.url.substr(host, at - host);
  request.url.erase(host, at - host + 1);
  const size_t colon = pair.find(':');
  const auto user = net::percent_decode(pair.substr(0, colon));
  const auto password =
      net::percent_decode(colon == std::string::npos ? std::string() : pair.substr(colon + 1));
  if (!user.ok() || !password.ok()) return;
  attempt.remember_secret(*password);
  const bool given = std::any_of(
      request.headers.begin(), request.headers.end(),
      [](const auto& header) { return equal_ignoring_case(header.first, "authorization"); });
  if (given) return;
  request.headers.emplace_back("Authorization", "Basic " + base64_encode(*user + ":" + *password));
}

// What the client itself will send, should the receiver send it back. A file that cannot be read
// is the client's to complain of.
void remember_secrets(const outbound::HttpClientConfig& config, Attempt& attempt) {
  const auto remember = [&attempt](const model::SecretText& secret) {
    (void)attempt.secret(secret);
  };
  if (config.basic_auth) remember(config.basic_auth->password);
  if (config.authorization) remember(config.authorization->credentials);
  if (config.oauth2) remember(config.oauth2->client_secret);
  for (const auto& [name, values] : config.headers) {
    for (const model::SecretText& value : values) remember(value);
  }
}

}  // namespace

struct Sender::State {
  State(Loop& l, Pool& p, const model::Clock& c, net::DialOptions d)
      : loop(l), pool(p), clock(c), dial(std::move(d)) {}

  Result<std::shared_ptr<outbound::HttpFetch>> client(const outbound::HttpClientConfig& config);
  Task<SendOutcome> converse(const HttpIntegration& integration, Attempt& attempt,
                             int64_t deadline_ms, Cancel* cancel);

  Task<SendOutcome> mail(const EmailIntegration& integration, Attempt& attempt, int64_t deadline_ms,
                         Cancel* cancel);

  Loop& loop;
  Pool& pool;
  const model::Clock& clock;
  const net::DialOptions dial;
  std::vector<Client> clients;
  uint64_t uses = 0;
};

Sender::Sender(Loop& loop, Pool& pool, const model::Clock& clock, net::DialOptions dial)
    : state_(std::make_unique<State>(loop, pool, clock, std::move(dial))) {}
Sender::~Sender() = default;

Result<std::shared_ptr<outbound::HttpFetch>> Sender::State::client(
    const outbound::HttpClientConfig& config) {
  for (Client& each : clients) {
    if (!(each.fetch->config() == config)) continue;
    each.used = ++uses;
    return each.fetch;
  }
  ASSIGN_OR_RETURN(auto made, outbound::HttpFetch::create(loop, pool, dial, config));
  if (clients.size() >= kClientsMax) {
    // One under way is held by its coroutine as well.
    clients.erase(
        std::min_element(clients.begin(), clients.end(),
                         [](const Client& a, const Client& b) { return a.used < b.used; }));
  }
  std::shared_ptr<outbound::HttpFetch> shared = std::move(made);
  clients.push_back({shared, ++uses});
  return shared;
}

Task<SendOutcome> Sender::State::converse(const HttpIntegration& integration, Attempt& attempt,
                                          int64_t deadline_ms, Cancel* cancel) {
  SendOutcome outcome;
  Result<std::shared_ptr<outbound::HttpFetch>> fetch = client(integration.client_config());
  if (!fetch.ok()) {
    outcome.error = fetch.status().message();
    co_return outcome;
  }
  Result<OutgoingRequest> request = co_await pool.run(loop, [&] {
    remember_secrets(integration.client_config(), attempt);
    return integration.request(attempt);
  });
  for (int i = 0; i < kStepsMax; ++i) {
    if (!request.ok()) {
      outcome.error = request.status().message();
      outcome.retry = false;
      co_return outcome;
    }
    split_credentials(*request, attempt);
    outbound::FetchAsk ask;
    ask.method = request->method;
    ask.url = request->url;
    ask.headers = request->headers;
    ask.headers.emplace_back("User-Agent", "Gatehouse/" GATEHOUSE_VERSION);
    ask.body = std::move(request->body);
    ask.body_bytes_max = kReplyBytesMax;
    ask.cut_body = true;
    ask.redirects_stay_public = true;
    ask.deadline_ms = deadline_ms;
    ask.cancel = cancel;
    Result<outbound::FetchReply> got = co_await (*fetch)->fetch(ask);
    if (!got.ok()) {
      outcome.error = got.status().message();
      outcome.retry = worth_retrying(got.status());
      co_return outcome;
    }
    HttpReply reply;
    reply.status = got->status;
    reply.content_type = std::move(got->content_type);
    reply.body = std::move(got->body);
    Reading reading = co_await pool.run(loop, [&] { return integration.read(attempt, reply); });
    outcome.status = reply.status;
    outcome.delivered = reading.delivered;
    outcome.retry = reading.retry && !reading.delivered;
    outcome.error = std::move(reading.error);
    outcome.retry_after_ms = reading.retry_after_ms != 0
                                 ? std::min(reading.retry_after_ms, kRetryAfterMaxMs)
                                 : retry_after_ms(got->retry_after, clock.wall_ns());
    if (outcome.delivered || !outcome.retry) outcome.retry_after_ms = 0;
    if (!reading.next) co_return outcome;
    request = std::move(*reading.next);
  }
  outcome.error =
      "the receiver's replies asked for more than " + std::to_string(kStepsMax) + " requests";
  co_return outcome;
}

Task<SendOutcome> Sender::State::mail(const EmailIntegration& integration, Attempt& attempt,
                                      int64_t deadline_ms, Cancel* cancel) {
  SendOutcome outcome;
  Result<outbound::SmtpAsk> ask =
      co_await pool.run(loop, [&] { return integration.mail(attempt); });
  if (!ask.ok()) {
    outcome.error = ask.status().message();
    co_return outcome;
  }
  // Certificates of files are read anew for each mail, so that they can be changed.
  auto tls = outbound::tls_context(integration.tls_config());
  if (!tls.ok()) {
    outcome.error = tls.status().message();
    co_return outcome;
  }
  net::Dialer dialer(pool, dial, std::move(*tls));
  ask->deadline_ms = deadline_ms;
  ask->cancel = cancel;
  outbound::SmtpOutcome sent = co_await outbound::send_mail(loop, dialer, *ask);
  outcome.delivered = sent.status.ok();
  outcome.retry = sent.retry;
  outcome.error = sent.status.message();
  outcome.status = sent.code;
  co_return outcome;
}

Task<SendOutcome> Sender::send(const Integration& integration,
                               const NotificationTemplates& templates,
                               const Notification& notification, int64_t deadline_ms,
                               Cancel* cancel) {
  State& state = *state_;
  const int64_t begin_ms = steady_ms();
  Attempt attempt(templates, notification, deadline_ms, state.clock.wall_ns());
  SendOutcome outcome;
  if (const HttpIntegration* http = integration.http()) {
    if (http->timeout_ms() > 0) deadline_ms = std::min(deadline_ms, begin_ms + http->timeout_ms());
    outcome = co_await state.converse(*http, attempt, deadline_ms, cancel);
  } else {
    outcome = co_await state.mail(*integration.email(), attempt, deadline_ms, cancel);
  }
  outcome.duration_ms = steady_ms() - begin_ms;
  outcome.plain_fallback = !attempt.failure().ok();
  if (outcome.plain_fallback) {
    const std::string why =
        "a template failed, plain text went out instead: " + attempt.failure().message();
    outcome.template_error = attempt.redacted(why);
  }
  outcome.error = attempt.redacted(std::move(outcome.error));
  co_return outcome;
}

}  // namespace gatehouse::alerts

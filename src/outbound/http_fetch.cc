// OAuth 2.0 client credentials after RFC 6749 §4.4: client id and secret in the
// Authorization header, and where the server refuses that in the form, as Go's
// oauth2 package does it and Prometheus with it.
#include "outbound/http_fetch.h"

#include <algorithm>
#include <optional>

#include "base/bytes.h"
#include "base/text.h"
#include "net/client.h"
#include "net/dialer.h"
#include "net/tls.h"
#include "net/url.h"
#include "outbound/proxy.h"
#include "outbound/tls_context.h"
#include "wire/json.h"

namespace gatehouse::outbound {

namespace {

// Go's net/http follows as many.
constexpr int kRedirectsMax = 10;
constexpr size_t kTokenBytesMax = 256 << 10;
// A token is fetched again so long before it expires.
constexpr int64_t kTokenMarginMs = 10'000;
// Where the server does not say how long a token holds.
constexpr int64_t kTokenLifeMs = 300'000;

bool redirects(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

// The URL a Location names, seen from `base`.
std::string resolve(const net::Url& base, const std::string& location) {
  if (location.find("://") != std::string::npos) return location;
  const std::string scheme = base.https ? "https:" : "http:";
  if (location.starts_with("//")) return scheme + location;
  const std::string root = scheme + "//" + base.authority();
  if (location.starts_with("/")) return root + location;
  return root + base.path.substr(0, base.path.rfind('/') + 1) + location;
}

}  // namespace

struct HttpFetch::State {
  State(Loop& l, Pool& p, const net::DialOptions& dial, HttpClientConfig c,
        std::shared_ptr<net::TlsClientContext> tls)
      : loop(l),
        pool(p),
        config(std::move(c)),
        dialer(p, dial, tls),
        client(l, dialer),
        tls_context(std::move(tls)),
        dial_options(dial) {}

  using Headers = std::vector<std::pair<std::string, std::string>>;
  // What a reply is besides its body.
  struct Step {
    FetchReply reply;
    std::string location;
  };

  struct Target {
    net::Url url;
    std::string method;
    bool with_body = true;
    net::Reach reach = net::Reach::kUsual;
    std::optional<Proxy> proxy;
  };
  Task<Result<Step>> send(net::Client& through, const Target& to, const FetchAsk& ask,
                          const Headers& headers);
  Task<Status> receive(net::ClientCall& call, const FetchAsk& ask, FetchReply& reply);
  Task<Result<Headers>> credentials(const FetchAsk& ask);
  Result<Headers> read_secrets() const;
  Task<Result<std::string>> token(const FetchAsk& ask);
  Task<Result<FetchReply>> ask_token(const FetchAsk& ask, const std::string& secret, bool in_form);

  Loop& loop;
  Pool& pool;
  HttpClientConfig config;
  // The client for a target: straight to it, through the proxy's tunnel, or, where a redirect led
  // elsewhere, one whose connections none but such redirects use.
  net::Client& client_for(const Target& to, const std::optional<Proxy>& proxy);

  net::Dialer dialer;
  net::Client client;
  std::optional<net::Client> away_client;
  std::optional<net::Dialer> tunnel_dialer;
  std::optional<net::Client> tunnel_client;
  std::shared_ptr<net::TlsClientContext> tls_context;
  net::DialOptions dial_options;
  // Of the OAuth 2.0 server, where there is one.
  std::optional<net::Dialer> token_dialer;
  std::optional<net::Client> token_client;
  std::string access_token;
  int64_t token_until_ms = 0;
};

HttpFetch::HttpFetch(std::unique_ptr<State> state) : state_(std::move(state)) {}
HttpFetch::~HttpFetch() = default;
const HttpClientConfig& HttpFetch::config() const { return state_->config; }

Result<std::unique_ptr<HttpFetch>> HttpFetch::create(Loop& loop, Pool& pool,
                                                     const net::DialOptions& dial,
                                                     HttpClientConfig config) {
  ASSIGN_OR_RETURN(auto tls, tls_context(config.tls));
  auto state = std::make_unique<State>(loop, pool, dial, std::move(config), std::move(tls));
  if (state->config.oauth2) {
    ASSIGN_OR_RETURN(auto token_tls, tls_context(state->config.oauth2->tls));
    state->token_dialer.emplace(pool, dial, std::move(token_tls));
    state->token_client.emplace(loop, *state->token_dialer);
  }
  return std::unique_ptr<HttpFetch>(new HttpFetch(std::move(state)));
}

// Blocks on files: for the Pool.
Result<HttpFetch::State::Headers> HttpFetch::State::read_secrets() const {
  Headers out;
  if (config.basic_auth) {
    ASSIGN_OR_RETURN(const std::string user, config.basic_auth->username.read());
    ASSIGN_OR_RETURN(const std::string password, config.basic_auth->password.read());
    out.emplace_back("authorization", "Basic " + base64_encode(user + ":" + password));
  }
  if (config.authorization) {
    ASSIGN_OR_RETURN(const std::string text, config.authorization->credentials.read());
    out.emplace_back("authorization", config.authorization->type + " " + text);
  }
  for (const auto& [name, values] : config.headers) {
    for (const model::SecretText& value : values) {
      ASSIGN_OR_RETURN(std::string text, value.read());
      out.emplace_back(name, std::move(text));
    }
  }
  return out;
}

Task<Result<HttpFetch::State::Headers>> HttpFetch::State::credentials(const FetchAsk& ask) {
  const bool nothing = !config.basic_auth && !config.authorization && config.headers.empty();
  Headers out;
  if (!nothing) {
    Result<Headers> read = co_await pool.run(loop, [this] { return read_secrets(); });
    if (!read.ok()) co_return read.status();
    out = std::move(*read);
  }
  if (config.oauth2) {
    Result<std::string> bearer = co_await token(ask);
    if (!bearer.ok()) co_return bearer.status();
    out.emplace_back("authorization", "Bearer " + *bearer);
  }
  co_return out;
}

Task<Result<FetchReply>> HttpFetch::State::ask_token(const FetchAsk& ask, const std::string& secret,
                                                     bool in_form) {
  const OAuth2Config& oauth = *config.oauth2;
  Headers form = {{"grant_type", "client_credentials"}};
  std::string scopes;
  for (const std::string& scope : oauth.scopes) scopes += (scopes.empty() ? "" : " ") + scope;
  if (!scopes.empty()) form.emplace_back("scope", scopes);
  for (const auto& [name, value] : oauth.endpoint_params) form.emplace_back(name, value);
  Headers headers = {{"content-type", "application/x-www-form-urlencoded"},
                     {"accept", "application/json"}};
  if (in_form) {
    form.emplace_back("client_id", oauth.client_id);
    form.emplace_back("client_secret", secret);
  } else {
    const std::string pair =
        net::percent_encode(oauth.client_id) + ":" + net::percent_encode(secret);
    headers.emplace_back("authorization", "Basic " + base64_encode(pair));
  }
  FetchAsk inner;
  inner.method = "POST";
  inner.body = encode_form(form);
  inner.body_bytes_max = kTokenBytesMax;
  inner.deadline_ms = ask.deadline_ms;
  inner.cancel = ask.cancel;
  Target to;
  to.method = inner.method;
  CO_ASSIGN_OR_RETURN(to.url, net::parse_url(oauth.token_url));
  Result<Step> step = co_await send(*token_client, to, inner, headers);
  if (!step.ok()) co_return step.status().with_context("oauth2 token");
  co_return std::move(step->reply);
}

Task<Result<std::string>> HttpFetch::State::token(const FetchAsk& ask) {
  if (!access_token.empty() && steady_ms() < token_until_ms) co_return access_token;
  Result<std::string> secret =
      co_await pool.run(loop, [this] { return config.oauth2->client_secret.read(); });
  if (!secret.ok()) co_return secret.status();
  Result<FetchReply> reply = co_await ask_token(ask, *secret, false);
  if (!reply.ok()) co_return reply.status();
  if (reply->status == 400 || reply->status == 401) {
    reply = co_await ask_token(ask, *secret, true);
    if (!reply.ok()) co_return reply.status();
  }
  if (reply->status != 200) {
    co_return unavailable("oauth2 token: the server answered " + std::to_string(reply->status));
  }
  const auto document = wire::JsonDocument::parse(reply->body);
  if (!document.ok()) co_return document.status().with_context("oauth2 token");
  const auto text = document->root()["access_token"].string();
  if (!text || text->empty()) co_return unavailable("oauth2 token: no access_token in the answer");
  const auto seconds = document->root()["expires_in"].number();
  const int64_t life_ms = seconds ? static_cast<int64_t>(*seconds * 1000) : kTokenLifeMs;
  access_token = *text;
  token_until_ms = steady_ms() + std::max<int64_t>(0, life_ms - kTokenMarginMs);
  co_return access_token;
}

Task<Status> HttpFetch::State::receive(net::ClientCall& call, const FetchAsk& ask,
                                       FetchReply& reply) {
  const bool streamed = ask.on_piece && reply.status == 200;
  while (true) {
    Result<std::string_view> piece = co_await call.read_some(ask.deadline_ms);
    if (!piece.ok()) co_return piece.status();
    if (piece->empty()) co_return Status();
    if (streamed) {
      CO_RETURN_IF_ERROR(ask.on_piece(*piece));
      continue;
    }
    if (reply.body.size() + piece->size() > ask.body_bytes_max) {
      if (ask.cut_body) {
        reply.body.append(piece->substr(0, ask.body_bytes_max - reply.body.size()));
        co_return Status();
      }
      co_return resource_exhausted("the body is longer than " + std::to_string(ask.body_bytes_max) +
                                   " bytes");
    }
    if (ask.charge != nullptr) {
      CO_RETURN_IF_ERROR(ask.charge->grow(static_cast<int64_t>(piece->size())));
    }
    reply.body.append(*piece);
  }
}

net::Client& HttpFetch::State::client_for(const Target& to, const std::optional<Proxy>& proxy) {
  if (proxy && to.url.https) {
    if (!tunnel_client) {
      net::Tunnel tunnel;
      tunnel.host = proxy->host;
      tunnel.port = proxy->port;
      if (!proxy->authorization.empty()) {
        tunnel.headers = "Proxy-Authorization: " + proxy->authorization + "\r\n";
      }
      for (const auto& [name, value] : config.proxy.connect_headers) {
        tunnel.headers += name + ": " + value + "\r\n";
      }
      tunnel_dialer.emplace(pool, dial_options, tls_context);
      tunnel_dialer->tunnel_through(std::move(tunnel));
      tunnel_client.emplace(loop, *tunnel_dialer);
    }
    return *tunnel_client;
  }
  if (to.reach == net::Reach::kUsual) return client;
  if (!away_client) away_client.emplace(loop, dialer);
  return *away_client;
}

Task<Result<HttpFetch::State::Step>> HttpFetch::State::send(net::Client& through, const Target& to,
                                                            const FetchAsk& ask,
                                                            const Headers& headers) {
  const net::Url& url = to.url;
  net::Origin origin;
  origin.reach = to.reach;
  origin.tls = url.https;
  origin.host = url.host;
  origin.port = url.port;
  origin.host_header = url.authority();
  std::vector<net::Header> list;
  for (const auto& [name, value] : headers) list.push_back({name, value});
  std::string target = url.query.empty() ? url.path : url.path + "?" + url.query;
  if (to.proxy && !url.https) {  // absolute-form, RFC 9112 §3.2.2
    target = "http://" + url.authority() + target;
    origin.host = to.proxy->host;
    origin.port = to.proxy->port;
    origin.reach = net::Reach::kUsual;
    if (!to.proxy->authorization.empty()) {
      list.push_back({"proxy-authorization", to.proxy->authorization});
    }
  }
  net::ClientCall call(through);
  net::ClientRequest request;
  request.origin = &origin;
  request.method = to.method;
  request.target = target;
  request.headers = list;
  if (to.with_body) request.body = ask.body;
  request.connect_deadline_ms = ask.deadline_ms;
  request.write_deadline_ms = ask.deadline_ms;
  request.cancel = ask.cancel;
  const Status sent = co_await call.send(request);
  if (!sent.ok()) co_return sent;
  Result<const net::ResponseHead*> head = co_await call.read_head(ask.deadline_ms);
  if (!head.ok()) co_return head.status();
  Step step;
  step.reply.status = (*head)->status;
  step.reply.content_type = (*head)->headers.get("content-type");
  step.reply.content_encoding = (*head)->headers.get("content-encoding");
  step.reply.retry_after = (*head)->headers.get("retry-after");
  step.location = (*head)->headers.get("location");
  const Status received = co_await receive(call, ask, step.reply);
  if (!received.ok()) co_return received;
  co_return step;
}

Task<Result<FetchReply>> HttpFetch::fetch(const FetchAsk& ask) {
  State& state = *state_;
  Result<State::Headers> secrets = co_await state.credentials(ask);
  if (!secrets.ok()) co_return secrets.status();
  State::Target to;
  to.method = ask.method;
  CO_ASSIGN_OR_RETURN(to.url, net::parse_url(ask.url));
  const std::string first_host = to.url.host;
  for (int i = 0; i <= kRedirectsMax; ++i) {
    State::Headers headers;
    for (const auto& header : ask.headers) {
      const bool of_body = equal_ignoring_case(header.first, "content-type");
      const bool secret = equal_ignoring_case(header.first, "authorization");
      if (of_body && !to.with_body) continue;
      if (secret && to.url.host != first_host) continue;
      headers.push_back(header);
    }
    // A secret is for the host that it was configured for.
    if (to.url.host == first_host) headers.insert(headers.end(), secrets->begin(), secrets->end());
    to.proxy = proxy_for(state.config.proxy, to.url);
    net::Client& through = state.client_for(to, to.proxy);
    Result<State::Step> step = co_await state.send(through, to, ask, headers);
    if (!step.ok()) co_return step.status();
    const int status = step->reply.status;
    const bool follow =
        state.config.follow_redirects && redirects(status) && !step->location.empty();
    if (!follow) co_return std::move(step->reply);
    CO_ASSIGN_OR_RETURN(to.url, net::parse_url(resolve(to.url, step->location)));
    if (status < 307 && to.method != "GET" && to.method != "HEAD") {
      to.method = "GET";
      to.with_body = false;
    }
    const bool elsewhere = ask.redirects_stay_public && to.url.host != first_host;
    to.reach = elsewhere ? net::Reach::kPublic : net::Reach::kUsual;
  }
  co_return unavailable("stopped after 10 redirects");
}

std::string encode_form(const std::vector<std::pair<std::string, std::string>>& fields) {
  std::string out;
  for (const auto& [name, value] : fields) {
    if (!out.empty()) out += '&';
    out += net::percent_encode(name) + "=" + net::percent_encode(value);
  }
  return out;
}

}  // namespace gatehouse::outbound

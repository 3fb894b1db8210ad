#include "identity/entra/transport.h"

#include "net/client.h"
#include "net/url.h"

namespace gatehouse::identity::entra {

namespace {
// Tokens with many groups reach some tens of KiB.
constexpr size_t kReplyBytesMax = 256 << 10;

bool local(const std::string& host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.") ||
         host.starts_with("169.254.");
}
}  // namespace

Task<Result<TokenReply>> NetTransport::fetch(Loop& loop, const TokenAsk& ask) {
  CO_ASSIGN_OR_RETURN(const net::Url url, net::parse_url(ask.url));
  if (!url.https && !local(url.host)) {
    co_return invalid_argument("a token is asked for by https only");
  }
  net::Origin origin;
  origin.tls = url.https;
  origin.host = url.host;
  origin.port = url.port;
  origin.host_header = url.authority();
  if (ask.link_local) origin.reach = net::Reach::kLinkLocal;
  std::vector<net::Header> headers;
  headers.push_back({"accept", "application/json"});
  for (const auto& [name, value] : ask.headers) headers.push_back({name, value});
  const std::string target = url.query.empty() ? url.path : url.path + "?" + url.query;
  const int64_t deadline_ms = steady_ms() + ask.timeout_ms;

  net::Client client(loop, dialer_);
  net::ClientCall call(client);
  net::ClientRequest request;
  request.origin = &origin;
  request.method = ask.method;
  request.target = target;
  request.headers = headers;
  request.body = ask.body;
  request.connect_deadline_ms = request.write_deadline_ms = deadline_ms;
  CO_RETURN_IF_ERROR(co_await call.send(request));
  CO_ASSIGN_OR_RETURN(const net::ResponseHead* head, co_await call.read_head(deadline_ms));
  TokenReply reply;
  reply.status = head->status;
  CO_ASSIGN_OR_RETURN(const std::string_view body,
                      co_await call.read_all(kReplyBytesMax, deadline_ms));
  reply.body = body;
  co_return reply;
}

}  // namespace gatehouse::identity::entra

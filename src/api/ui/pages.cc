#include "api/ui/pages.h"

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "base/text.h"
#include "identity/security_headers.h"
#include "wire/gzip.h"

namespace gatehouse::api {

namespace {

// No asset of the console comes near it; an inflated form that does is damaged.
constexpr size_t kInflatedBytesMax = 4 << 20;

constexpr auto kPages = std::to_array<std::string_view>(
    {"/", "/login", "/calls", "/keys", "/upstreams", "/graph", "/query", "/targets", "/store",
     "/alerts", "/alerts/history", "/silences", "/rules", "/receivers", "/audit", "/account"});

const Asset* find_asset(std::span<const Asset> from, std::string_view path) {
  const auto at = std::lower_bound(from.begin(), from.end(), path,
                                   [](const Asset& a, std::string_view p) { return a.path < p; });
  return at != from.end() && at->path == path ? &*at : nullptr;
}

// Whether `accept-encoding` lets gzip pass: named, or by *, and not with q=0.
bool takes_gzip(const net::HeaderList& headers) {
  std::optional<bool> named, any;
  for (std::string_view list : headers.get_all("accept-encoding")) {
    while (const auto element = net::next_list_element(list)) {
      const size_t end = element->find(';');
      const std::string_view coding = trim(element->substr(0, end));
      bool wanted = true;
      if (end != std::string_view::npos) {
        const std::string_view weight = trim(element->substr(end + 1));
        const auto value = weight.starts_with("q=") ? parse_double(weight.substr(2)) : std::nullopt;
        wanted = !value || *value > 0;
      }
      if (equal_ignoring_case(coding, "gzip")) named = wanted;
      if (coding == "*") any = wanted;
    }
  }
  return named.value_or(any.value_or(false));
}

bool matches_etag(std::string_view if_none_match, std::string_view etag) {
  while (const auto element = net::next_list_element(if_none_match)) {
    std::string_view tag = *element;
    if (tag.starts_with("W/")) tag.remove_prefix(2);
    if (tag == "*" || tag == etag) return true;
  }
  return false;
}

Task<void> refuse(net::Exchange& exchange, int status, std::string_view text) {
  std::vector<net::Header> headers = {{"cache-control", "no-store"},
                                      {"x-content-type-options", "nosniff"}};
  if (status == 405) headers.push_back({"allow", "GET, HEAD"});
  net::Reply reply;
  reply.status = status;
  reply.content_type = "text/plain; charset=utf-8";
  reply.headers = headers;
  reply.body = text;
  const Status sent = co_await exchange.reply(reply);
  (void)sent;
}

}  // namespace

bool is_page(std::string_view path) {
  if (std::find(kPages.begin(), kPages.end(), path) != kPages.end()) return true;
  return path.starts_with("/calls/") || path.starts_with("/keys/");
}

Task<void> serve_page(net::Exchange& exchange) { co_await serve_page(exchange, assets()); }

Task<void> serve_page(net::Exchange& exchange, std::span<const Asset> from) {
  const net::RequestHead& request = exchange.request();
  const bool page = is_page(request.path);
  const bool asset_path = request.path.starts_with("/assets/") || request.path == "/favicon.svg";
  const Asset* asset = page         ? find_asset(from, "/index.html")
                       : asset_path ? find_asset(from, request.path)
                                    : nullptr;
  if (asset == nullptr) {
    co_await refuse(exchange, 404, "There is no such page.\n");
    co_return;
  }
  if (request.method != net::Method::kGet && request.method != net::Method::kHead) {
    co_await refuse(exchange, 405, "Pages take GET and HEAD only.\n");
    co_return;
  }
  std::vector<net::Header> headers = {
      {"etag", asset->etag},
      {"vary", "accept-encoding"},
      {"cache-control", asset->immutable ? "public, max-age=31536000, immutable" : "no-cache"}};
  for (const auto& [name, value] : identity::kSecurityHeaders) {
    if (page || name == "x-content-type-options") headers.push_back({name, value});
  }
  net::Reply reply;
  reply.content_type = asset->content_type;
  std::string inflated;
  if (matches_etag(request.headers.get("if-none-match"), asset->etag)) {
    reply.status = 304;
    reply.content_type = {};
  } else if (takes_gzip(request.headers)) {
    headers.push_back({"content-encoding", "gzip"});
    reply.body = asset->gzip_bytes;
  } else {
    auto unpacked = wire::gzip_decompress(asset->gzip_bytes, kInflatedBytesMax);
    if (!unpacked.ok()) {
      co_await refuse(exchange, 500, "The asset in the program is damaged.\n");
      co_return;
    }
    inflated = std::move(*unpacked);
    reply.body = inflated;
  }
  reply.headers = headers;
  const Status sent = co_await exchange.reply(reply);
  (void)sent;
}

}  // namespace gatehouse::api

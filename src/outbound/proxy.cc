#include "outbound/proxy.h"

#include <cstdlib>
#include <vector>

#include "base/bytes.h"
#include "base/text.h"
#include "net/ip_address.h"

namespace gatehouse::outbound {

namespace {

std::string environment(const char* upper, const char* lower) {
  for (const char* name : {upper, lower}) {
    const char* value = std::getenv(name);
    if (value != nullptr && *value != '\0') return value;
  }
  return {};
}

bool loopback(const std::string& host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

}  // namespace

std::optional<Proxy> proxy_of(std::string_view text) {
  std::string url(text);
  // The environment may leave the scheme out.
  if (url.find("://") == std::string::npos) url.insert(0, "http://");
  Proxy out;
  const size_t host = url.find("://") + 3;
  const size_t at = url.rfind('@', url.find_first_of("/?#", host));
  if (at != std::string::npos && at >= host) {
    const std::string pair = url.substr(host, at - host);
    url.erase(host, at - host + 1);
    const size_t colon = pair.find(':');
    const auto user = net::percent_decode(pair.substr(0, colon));
    const auto password =
        net::percent_decode(colon == std::string::npos ? std::string() : pair.substr(colon + 1));
    if (!user.ok() || !password.ok()) return std::nullopt;
    out.authorization = "Basic " + base64_encode(*user + ":" + *password);
  }
  const auto parsed = net::parse_url(url);
  if (!parsed.ok() || parsed->https) return std::nullopt;
  out.host = parsed->host;
  out.port = parsed->port;
  return out;
}

bool excepted(std::string_view no_proxy, const net::Url& target) {
  const auto address = net::IpAddress::parse(target.host);
  for (const std::string_view part : split(no_proxy, ',')) {
    std::string name = to_lower(trim(part));
    if (name.empty()) continue;
    if (name == "*") return true;
    if (address && name.find('/') != std::string::npos) {
      const auto range = net::parse_cidrs(std::vector<std::string>(1, name));
      if (range.ok() && net::any_contains(*range, *address)) return true;
      continue;
    }
    const size_t colon = name.rfind(':');
    if (colon != std::string::npos && name.find(':') == colon) {
      if (parse_uint(name.substr(colon + 1)).value_or(0) != target.port) continue;
      name.resize(colon);
    }
    if (name.starts_with("*.")) name.erase(0, 1);
    const bool below = name.starts_with('.');
    if (!below && target.host == name) return true;
    if (target.host.ends_with(below ? name : "." + name)) return true;
  }
  return false;
}

std::optional<Proxy> proxy_for(const ProxyConfig& config, const net::Url& target) {
  if (!config.url.empty()) {
    const bool listed = !config.no_proxy.empty();
    if (listed && (loopback(target.host) || excepted(config.no_proxy, target))) return std::nullopt;
    return proxy_of(config.url);
  }
  if (!config.from_environment || loopback(target.host)) return std::nullopt;
  const std::string url = target.https ? environment("HTTPS_PROXY", "https_proxy")
                                       : environment("HTTP_PROXY", "http_proxy");
  if (url.empty() || excepted(environment("NO_PROXY", "no_proxy"), target)) return std::nullopt;
  return proxy_of(url);
}

}  // namespace gatehouse::outbound

// Which proxy a request goes through, as golang.org/x/net/http/httpproxy chooses it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "net/url.h"
#include "outbound/http_client_config.h"

namespace gatehouse::outbound {

struct Proxy {
  std::string host;
  uint16_t port = 0;
  std::string authorization;  // "Basic ..."; empty: none is given
};

// None: not a proxy's URL, or one of a kind that is not spoken (https, SOCKS).
std::optional<Proxy> proxy_of(std::string_view url);
// None: straight to the target.
std::optional<Proxy> proxy_for(const ProxyConfig& config, const net::Url& target);
// Whether a no_proxy list ("example.org,.test,10.0.0.0/8,host:8080,*") names the target.
bool excepted(std::string_view no_proxy, const net::Url& target);

}  // namespace gatehouse::outbound

#include "net/authority.h"

#include <arpa/inet.h>

#include <algorithm>

#include "net/char_class.h"

namespace gatehouse::net {

namespace {

// RFC 1035 §2.3.4: a name has at most 255 octets.
constexpr std::size_t kHostBytes = 255;

bool valid_ipv6(std::string_view text) {
  char terminated[INET6_ADDRSTRLEN] = {};
  if (text.empty() || text.size() >= sizeof terminated) return false;
  std::copy(text.begin(), text.end(), terminated);
  in6_addr address;
  // A NUL inside would end the copy early and hide what follows it.
  return text.find('\0') == std::string_view::npos &&
         inet_pton(AF_INET6, terminated, &address) == 1;
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  if (text.empty() || text.size() > 5) return std::nullopt;
  unsigned port = 0;
  for (const char c : text) {
    if (!is_class(c, kDigit)) return std::nullopt;
    port = port * 10 + static_cast<unsigned>(c - '0');
  }
  if (port == 0 || port > 65535) return std::nullopt;
  return static_cast<std::uint16_t>(port);
}

}  // namespace

std::optional<Authority> parse_authority(std::string_view text) {
  Authority authority;
  std::string_view rest;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    authority.host = text.substr(1, close - 1);
    authority.ipv6 = true;
    if (!valid_ipv6(authority.host)) return std::nullopt;
    rest = text.substr(close + 1);
  } else {
    std::size_t length = 0;
    while (length < text.size() && is_class(text[length], kHostChar)) ++length;
    if (length == 0 || length > kHostBytes) return std::nullopt;
    authority.host = text.substr(0, length);
    rest = text.substr(length);
  }
  if (rest.empty()) return authority;
  if (rest.front() != ':') return std::nullopt;
  const auto port = parse_port(rest.substr(1));
  if (!port) return std::nullopt;
  authority.port = *port;
  return authority;
}

}  // namespace gatehouse::net

// host [":" port] as it stands in the Host header and in URLs: RFC 3986 §3.2,
// narrowed to what names a machine (no userinfo, no percent-encoding, no
// IPvFuture, no zone, no empty host or port).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace gatehouse::net {

struct Authority {
  std::string_view host;   // without brackets
  std::uint16_t port = 0;  // 0: none was given
  bool ipv6 = false;       // host is an IPv6 address that stood in brackets
};

// None where `text` is not valid as a whole.
std::optional<Authority> parse_authority(std::string_view text);

}  // namespace gatehouse::net

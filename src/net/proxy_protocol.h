// The PROXY protocol, version 2: how a load balancer in front tells whom it
// speaks for. After haproxy's proxy-protocol.txt §2.2. Version 1 (text) is
// refused by name. Only a listener that is told to expect the header reads it:
// anyone could claim any address otherwise.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace gatehouse::net {

struct ProxyAddress {
  std::array<std::uint8_t, 16> bytes{};  // network order; IPv4 takes the first four
  std::uint16_t port = 0;
  bool ipv6 = false;

  std::string text() const;  // "192.0.2.1", "2001:db8::1"
  bool operator==(const ProxyAddress&) const = default;
};

struct ProxyHeader {
  // True: the balancer speaks for a client, and source and destination are set.
  // False (LOCAL, or a family we do not know): the connection's own addresses hold.
  bool proxied = false;
  ProxyAddress source;
  ProxyAddress destination;
};

struct ProxyParse {
  enum class State { kMore, kDone, kRefused };
  State state = State::kMore;
  std::size_t size = 0;     // kDone: bytes of the header, TLVs included
  std::string_view reason;  // kRefused: a literal
};

// 16 bytes, 36 of IPv6 addresses and TLVs; certificates' names in TLVs reach
// some hundred bytes.
inline constexpr std::size_t kProxyHeaderBytes = 4096;

// Reads the header that `buffered`, all bytes since the connection's first,
// starts with. `header` is set for kDone only.
ProxyParse parse_proxy_header(std::span<const char> buffered, ProxyHeader& header);

// A header without TLVs; for tests and for speaking to a peer that wants one.
// REQUIRES: both addresses are of one family.
std::string make_proxy_header(const ProxyHeader& header);

}  // namespace gatehouse::net

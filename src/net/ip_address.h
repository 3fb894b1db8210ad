// Numeric addresses and the ranges (CIDR) that lists of them are written in.
// An IPv4 address and its IPv4-mapped IPv6 form are the same address, so that a
// list cannot be got round by writing one as the other.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace gatehouse::net {

struct IpAddress {
  std::array<uint8_t, 16> bytes{};  // IPv4 as ::ffff:a.b.c.d

  bool is_v4() const;
  std::string to_string() const;
  friend bool operator==(const IpAddress&, const IpAddress&) = default;

  static std::optional<IpAddress> parse(std::string_view text);
  // None where the address is not of an IP family.
  static std::optional<IpAddress> from(const sockaddr* address);
};

uint16_t port_of(const sockaddr* address);
// Fills `storage` and returns how many bytes of it are used.
socklen_t to_sockaddr(const IpAddress& address, uint16_t port, sockaddr_storage& storage);

struct IpAddressHash {
  size_t operator()(const IpAddress& address) const {
    return std::hash<std::string_view>{}(
        {reinterpret_cast<const char*>(address.bytes.data()), address.bytes.size()});
  }
};

// An address and how many of its leading bits count. "10.0.0.0/8", "::1",
// "192.0.2.7" (all bits).
struct Cidr {
  IpAddress address;
  int bits = 128;  // of the 16 bytes; 96 more than written for IPv4

  bool contains(const IpAddress& other) const;
  static Result<Cidr> parse(std::string_view text);
};

// Parses them all; the error names the first that is wrong.
Result<std::vector<Cidr>> parse_cidrs(std::span<const std::string> texts);
bool any_contains(std::span<const Cidr> ranges, const IpAddress& address);

}  // namespace gatehouse::net

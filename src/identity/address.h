// Network addresses of callers: parsing, CIDR blocks, and lists that allow or
// deny by them. An IPv4 address written as IPv4-mapped IPv6 (::ffff:192.0.2.1,
// as a dual-stack socket reports it) is the IPv4 address.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace gatehouse::identity {

struct IpAddress {
  std::array<uint8_t, 16> bytes{};  // network order; IPv4 in the first four
  bool v6 = false;
  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;
};

// Numeric, without port or brackets; a zone ("%eth0") is passed over.
std::optional<IpAddress> parse_address(std::string_view text);
std::string to_string(const IpAddress& address);

// What one party holds and can hop about in: the address for IPv4, the /64 for
// IPv6, which is what a provider hands to one customer.
IpAddress subject_of(const IpAddress& address);

struct Cidr {
  IpAddress network;
  int prefix_bits = 0;  // of 32 or of 128
  bool contains(const IpAddress& address) const;
};

// "10.0.0.0/8", "2001:db8::/32", or an address alone. Bits beyond the prefix
// have to be zero: "10.1.2.3/8" is more often a mistake than a wish.
Result<Cidr> parse_cidr(std::string_view text);

// Who may come in. Deny wins over allow; an empty allow list allows everyone
// that is not denied; an address that cannot be read is refused by any list
// that is not empty.
class AccessList {
 public:
  AccessList() = default;
  static Result<AccessList> parse(std::span<const std::string> allow,
                                  std::span<const std::string> deny);

  bool empty() const { return allow_.empty() && deny_.empty(); }
  bool permits(const IpAddress& address) const;
  bool permits(std::string_view address) const;

 private:
  std::vector<Cidr> allow_;
  std::vector<Cidr> deny_;
};

}  // namespace gatehouse::identity

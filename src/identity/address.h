// Lists that allow or deny callers by address, and what of an address one party
// holds. Addresses and ranges are net's.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "net/ip_address.h"

namespace gatehouse::identity {

// What one party holds and can hop about in: the address for IPv4, the /64 for
// IPv6, which is what a provider hands to one customer.
net::IpAddress subject_of(const net::IpAddress& address);

// Who may come in. Deny wins over allow; an empty allow list allows everyone
// that is not denied; an address that cannot be read is refused by any list
// that is not empty.
class AccessList {
 public:
  AccessList() = default;
  // CIDR blocks, or addresses alone.
  static Result<AccessList> parse(std::span<const std::string> allow,
                                  std::span<const std::string> deny);

  bool empty() const { return allow_.empty() && deny_.empty(); }
  bool permits(std::string_view address) const;
  // Whether the deny list names it, or it cannot be read where there is one.
  bool denies(std::string_view address) const;

 private:
  std::vector<net::Cidr> allow_;
  std::vector<net::Cidr> deny_;
};

}  // namespace gatehouse::identity

#include "identity/address.h"

#include <algorithm>

namespace gatehouse::identity {

net::IpAddress subject_of(const net::IpAddress& address) {
  net::IpAddress subject = address;
  if (!address.is_v4()) std::fill(subject.bytes.begin() + 8, subject.bytes.end(), uint8_t{0});
  return subject;
}

Result<AccessList> AccessList::parse(std::span<const std::string> allow,
                                     std::span<const std::string> deny) {
  AccessList list;
  ASSIGN_OR_RETURN(list.allow_, net::parse_cidrs(allow));
  ASSIGN_OR_RETURN(list.deny_, net::parse_cidrs(deny));
  return list;
}

bool AccessList::permits(std::string_view address) const {
  if (empty()) return true;
  const auto parsed = net::IpAddress::parse(address);
  if (!parsed || net::any_contains(deny_, *parsed)) return false;
  return allow_.empty() || net::any_contains(allow_, *parsed);
}

bool AccessList::denies(std::string_view address) const {
  if (deny_.empty()) return false;
  const auto parsed = net::IpAddress::parse(address);
  return !parsed || net::any_contains(deny_, *parsed);
}

}  // namespace gatehouse::identity

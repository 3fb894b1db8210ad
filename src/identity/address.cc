#include "identity/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

#include "base/text.h"

namespace gatehouse::identity {

namespace {

constexpr uint8_t kMappedPrefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

// `address` with everything after `bits` zero.
IpAddress masked(IpAddress address, int bits) {
  for (int i = 0; i < 16; ++i) {
    const int keep = std::clamp(bits - 8 * i, 0, 8);
    auto& byte = address.bytes[static_cast<size_t>(i)];
    byte = static_cast<uint8_t>(byte & (0xff00 >> keep));
  }
  return address;
}

Status parse_blocks(std::span<const std::string> texts, std::vector<Cidr>& out) {
  for (const std::string& text : texts) {
    ASSIGN_OR_RETURN(const Cidr block, parse_cidr(text));
    out.push_back(block);
  }
  return {};
}

}  // namespace

std::optional<IpAddress> parse_address(std::string_view text) {
  text = text.substr(0, text.find('%'));
  char buffer[INET6_ADDRSTRLEN];
  if (text.empty() || text.size() >= sizeof buffer) return std::nullopt;
  std::memcpy(buffer, text.data(), text.size());
  buffer[text.size()] = '\0';
  IpAddress address;
  if (text.find(':') == std::string_view::npos) {
    if (inet_pton(AF_INET, buffer, address.bytes.data()) != 1) return std::nullopt;
    return address;
  }
  if (inet_pton(AF_INET6, buffer, address.bytes.data()) != 1) return std::nullopt;
  if (std::memcmp(address.bytes.data(), kMappedPrefix, sizeof kMappedPrefix) == 0) {
    IpAddress v4;
    std::memcpy(v4.bytes.data(), address.bytes.data() + 12, 4);
    return v4;
  }
  address.v6 = true;
  return address;
}

std::string to_string(const IpAddress& address) {
  char buffer[INET6_ADDRSTRLEN] = "";
  inet_ntop(address.v6 ? AF_INET6 : AF_INET, address.bytes.data(), buffer, sizeof buffer);
  return buffer;
}

IpAddress subject_of(const IpAddress& address) {
  return address.v6 ? masked(address, 64) : address;
}

bool Cidr::contains(const IpAddress& address) const {
  return address.v6 == network.v6 && masked(address, prefix_bits) == network;
}

Result<Cidr> parse_cidr(std::string_view text) {
  const std::string shown(text.substr(0, 64));
  const size_t slash = text.find('/');
  const auto address = parse_address(text.substr(0, slash));
  if (!address || text.find('%') != std::string_view::npos) {
    return invalid_argument("\"" + shown +
                            "\" is not an address or a CIDR block; write for example "
                            "10.0.0.0/8 or 2001:db8::/32");
  }
  const int width = address->v6 ? 128 : 32;
  Cidr block{*address, width};
  if (slash == std::string_view::npos) return block;
  const auto bits = parse_uint(text.substr(slash + 1));
  if (!bits || *bits > static_cast<uint64_t>(width)) {
    return invalid_argument("\"" + shown + "\": the prefix after / goes from 0 to " +
                            std::to_string(width));
  }
  block.prefix_bits = static_cast<int>(*bits);
  const IpAddress network = masked(*address, block.prefix_bits);
  if (network != *address) {
    return invalid_argument("\"" + shown + "\" has bits beyond its prefix; did you mean " +
                            to_string(network) + "/" + std::to_string(*bits) + "?");
  }
  return block;
}

Result<AccessList> AccessList::parse(std::span<const std::string> allow,
                                     std::span<const std::string> deny) {
  AccessList list;
  RETURN_IF_ERROR(parse_blocks(allow, list.allow_));
  RETURN_IF_ERROR(parse_blocks(deny, list.deny_));
  return list;
}

bool AccessList::permits(const IpAddress& address) const {
  const auto holds = [&address](const Cidr& block) { return block.contains(address); };
  if (std::any_of(deny_.begin(), deny_.end(), holds)) return false;
  return allow_.empty() || std::any_of(allow_.begin(), allow_.end(), holds);
}

bool AccessList::permits(std::string_view address) const {
  if (empty()) return true;
  const auto parsed = parse_address(address);
  return parsed && permits(*parsed);
}

}  // namespace gatehouse::identity

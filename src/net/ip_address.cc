#include "net/ip_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

#include "base/text.h"

namespace gatehouse::net {

namespace {
constexpr std::array<uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
}

bool IpAddress::is_v4() const { return std::equal(kMapped.begin(), kMapped.end(), bytes.begin()); }

std::string IpAddress::to_string() const {
  char text[INET6_ADDRSTRLEN];
  if (is_v4()) {
    ::inet_ntop(AF_INET, bytes.data() + 12, text, sizeof text);
  } else {
    ::inet_ntop(AF_INET6, bytes.data(), text, sizeof text);
  }
  return text;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  char terminated[INET6_ADDRSTRLEN + 1];
  if (text.empty() || text.size() >= sizeof terminated) return std::nullopt;
  std::memcpy(terminated, text.data(), text.size());
  terminated[text.size()] = '\0';
  if (text.find('\0') != std::string_view::npos) return std::nullopt;
  IpAddress address;
  if (::inet_pton(AF_INET6, terminated, address.bytes.data()) == 1) return address;
  std::copy(kMapped.begin(), kMapped.end(), address.bytes.begin());
  if (::inet_pton(AF_INET, terminated, address.bytes.data() + 12) == 1) return address;
  return std::nullopt;
}

std::optional<IpAddress> IpAddress::from(const sockaddr* address) {
  IpAddress result;
  if (address->sa_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(address);
    std::copy(kMapped.begin(), kMapped.end(), result.bytes.begin());
    std::memcpy(result.bytes.data() + 12, &v4->sin_addr, 4);
    return result;
  }
  if (address->sa_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(address);
    std::memcpy(result.bytes.data(), &v6->sin6_addr, 16);
    return result;
  }
  return std::nullopt;
}

uint16_t port_of(const sockaddr* address) {
  if (address->sa_family == AF_INET) {
    return ntohs(reinterpret_cast<const sockaddr_in*>(address)->sin_port);
  }
  if (address->sa_family == AF_INET6) {
    return ntohs(reinterpret_cast<const sockaddr_in6*>(address)->sin6_port);
  }
  return 0;
}

socklen_t to_sockaddr(const IpAddress& address, uint16_t port, sockaddr_storage& storage) {
  storage = {};
  if (address.is_v4()) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    std::memcpy(&v4->sin_addr, address.bytes.data() + 12, 4);
    return sizeof(sockaddr_in);
  }
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(port);
  std::memcpy(&v6->sin6_addr, address.bytes.data(), 16);
  return sizeof(sockaddr_in6);
}

bool Cidr::contains(const IpAddress& other) const {
  const auto whole = static_cast<size_t>(bits / 8);
  if (!std::equal(address.bytes.begin(), address.bytes.begin() + static_cast<std::ptrdiff_t>(whole),
                  other.bytes.begin())) {
    return false;
  }
  const int rest = bits % 8;
  return rest == 0 || (address.bytes[whole] ^ other.bytes[whole]) >> (8 - rest) == 0;
}

Result<Cidr> Cidr::parse(std::string_view text) {
  const size_t slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) {
    return invalid_argument("\"" + std::string(text) +
                            "\" is not an address range; write it as 10.0.0.0/8 or 2001:db8::/32");
  }
  Cidr range{*address, 128};
  if (slash != std::string_view::npos) {
    // "::ffff:10.0.0.0/104" was written as IPv6: its bits count from the first of 128.
    const bool written_v4 = text.substr(0, slash).find(':') == std::string_view::npos;
    const auto bits = parse_uint(text.substr(slash + 1));
    const uint64_t most = written_v4 ? 32 : 128;
    if (!bits || *bits > most) {
      return invalid_argument("\"" + std::string(text) + "\": the part after / must be 0 to " +
                              std::to_string(most));
    }
    range.bits = static_cast<int>(*bits) + (written_v4 ? 96 : 0);
  }
  return range;
}

Result<std::vector<Cidr>> parse_cidrs(std::span<const std::string> texts) {
  std::vector<Cidr> ranges;
  ranges.reserve(texts.size());
  for (const std::string& text : texts) {
    ASSIGN_OR_RETURN(const Cidr range, Cidr::parse(text));
    ranges.push_back(range);
  }
  return ranges;
}

bool any_contains(std::span<const Cidr> ranges, const IpAddress& address) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [&](const Cidr& range) { return range.contains(address); });
}

}  // namespace gatehouse::net

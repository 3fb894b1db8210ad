#include "net/proxy_protocol.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cassert>

#include "base/bytes.h"

namespace gatehouse::net {

namespace {

constexpr std::string_view kSignature("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::size_t kFixedBytes = 16;
constexpr unsigned kCommandLocal = 0x20;
constexpr unsigned kCommandProxy = 0x21;
constexpr unsigned kTcp4 = 0x11;
constexpr unsigned kTcp6 = 0x21;
constexpr std::size_t kTcp4Bytes = 12;
constexpr std::size_t kTcp6Bytes = 36;
constexpr unsigned kTlvCrc32c = 0x03;

unsigned byte_at(std::string_view text, std::size_t at) {
  return static_cast<std::uint8_t>(text[at]);
}

std::uint16_t uint16_at(std::string_view text, std::size_t at) {
  return static_cast<std::uint16_t>(byte_at(text, at) << 8 | byte_at(text, at + 1));
}

ProxyParse refuse(std::string_view reason) { return {ProxyParse::State::kRefused, 0, reason}; }

// The checksum covers the header with the checksum's own four bytes as zeros.
bool checksum_holds(std::string_view header, std::size_t at) {
  const std::uint32_t stated =
      static_cast<std::uint32_t>(uint16_at(header, at)) << 16 | uint16_at(header, at + 2);
  std::uint32_t crc = crc32c(header.substr(0, at));
  crc = crc32c(std::string_view("\0\0\0\0", 4), crc);
  return crc32c(header.substr(at + 4), crc) == stated;
}

// The reason that the TLVs from `at` on are refused for, or empty.
std::string_view check_tlvs(std::string_view header, std::size_t at) {
  bool checked = false;
  while (at < header.size()) {
    if (header.size() - at < 3) return "PROXY header with a cut TLV";
    const unsigned type = byte_at(header, at);
    const std::size_t length = uint16_at(header, at + 1);
    at += 3;
    if (length > header.size() - at) return "PROXY header with a cut TLV";
    if (type == kTlvCrc32c) {
      if (length != 4 || checked) return "PROXY header with an invalid checksum TLV";
      if (!checksum_holds(header, at)) return "PROXY header with a wrong checksum";
      checked = true;
    }
    at += length;
  }
  return {};
}

ProxyAddress read_address(std::string_view header, std::size_t at, std::size_t port_at, bool ipv6) {
  ProxyAddress address;
  address.ipv6 = ipv6;
  address.port = uint16_at(header, port_at);
  std::transform(header.begin() + static_cast<std::ptrdiff_t>(at),
                 header.begin() + static_cast<std::ptrdiff_t>(at + (ipv6 ? 16 : 4)),
                 address.bytes.begin(), [](char c) { return static_cast<std::uint8_t>(c); });
  return address;
}

}  // namespace

std::string ProxyAddress::text() const {
  std::array<char, INET6_ADDRSTRLEN> buffer{};
  inet_ntop(ipv6 ? AF_INET6 : AF_INET, bytes.data(), buffer.data(), buffer.size());
  return buffer.data();
}

ProxyParse parse_proxy_header(std::span<const char> buffered, ProxyHeader& header) {
  const std::string_view bytes(buffered.data(), buffered.size());
  const std::size_t seen = std::min(bytes.size(), kSignature.size());
  if (bytes.substr(0, seen) != kSignature.substr(0, seen)) {
    if (bytes.starts_with("PROXY ")) {
      return refuse("PROXY protocol version 1 is not spoken; set the balancer to version 2");
    }
    // "P" to "PROXY" may still become version 1, whose name helps whoever set it up.
    if (std::string_view("PROXY ").starts_with(bytes)) return {};
    return refuse("no PROXY protocol header");
  }
  if (bytes.size() < kFixedBytes) return {};
  const unsigned command = byte_at(bytes, 12);
  const unsigned family = byte_at(bytes, 13);
  if (command != kCommandLocal && command != kCommandProxy) {
    return refuse("PROXY header of an unknown version or command");
  }
  const std::size_t size = kFixedBytes + uint16_at(bytes, 14);
  if (size > kProxyHeaderBytes) return refuse("PROXY header too long");
  if (bytes.size() < size) return {};
  const std::string_view whole = bytes.substr(0, size);

  ProxyHeader read;
  std::size_t tlvs = kFixedBytes;
  const bool known = family == kTcp4 || family == kTcp6;
  if (command == kCommandProxy && known) {
    const bool ipv6 = family == kTcp6;
    const std::size_t width = ipv6 ? 16 : 4;
    tlvs += ipv6 ? kTcp6Bytes : kTcp4Bytes;
    if (size < tlvs) return refuse("PROXY header too short for its addresses");
    read.proxied = true;
    read.source = read_address(whole, kFixedBytes, kFixedBytes + 2 * width, ipv6);
    read.destination = read_address(whole, kFixedBytes + width, kFixedBytes + 2 * width + 2, ipv6);
  } else if (command == kCommandProxy && family != 0) {
    return refuse("PROXY header for something other than TCP over IPv4 or IPv6");
  }
  // LOCAL: the receiver must take the block as it is, whatever family it names (§2.2).
  if (command == kCommandProxy) {
    if (const std::string_view reason = check_tlvs(whole, tlvs); !reason.empty()) {
      return refuse(reason);
    }
  }
  header = read;
  return {ProxyParse::State::kDone, size, {}};
}

std::string make_proxy_header(const ProxyHeader& header) {
  std::string out(kSignature);
  const bool ipv6 = header.source.ipv6;
  assert(!header.proxied || ipv6 == header.destination.ipv6);
  const std::size_t length = header.proxied ? (ipv6 ? kTcp6Bytes : kTcp4Bytes) : 0;
  out += static_cast<char>(header.proxied ? kCommandProxy : kCommandLocal);
  out += static_cast<char>(header.proxied ? (ipv6 ? kTcp6 : kTcp4) : 0);
  out += '\0';
  out += static_cast<char>(length);
  if (!header.proxied) return out;
  const auto append_bytes = [&out, ipv6](const ProxyAddress& address) {
    for (std::size_t i = 0; i < (ipv6 ? 16u : 4u); ++i) out += static_cast<char>(address.bytes[i]);
  };
  append_bytes(header.source);
  append_bytes(header.destination);
  for (const std::uint16_t port : {header.source.port, header.destination.port}) {
    out += static_cast<char>(port >> 8);
    out += static_cast<char>(port & 0xff);
  }
  return out;
}

}  // namespace gatehouse::net

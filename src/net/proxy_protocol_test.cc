#include "net/proxy_protocol.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/bytes.h"

namespace gatehouse::net {
namespace {

using State = ProxyParse::State;

ProxyAddress address(std::vector<int> bytes, std::uint16_t port) {
  ProxyAddress result;
  result.ipv6 = bytes.size() == 16;
  result.port = port;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    result.bytes[i] = static_cast<std::uint8_t>(bytes[i]);
  }
  return result;
}

const ProxyHeader kTcp4{true, address({192, 0, 2, 1}, 51000), address({198, 51, 100, 7}, 443)};

// `header` with TLVs appended and its length set right.
std::string with_tlvs(std::string header, const std::string& tlvs) {
  header += tlvs;
  const std::size_t length = header.size() - 16;
  header[14] = static_cast<char>(length >> 8);
  header[15] = static_cast<char>(length & 0xff);
  return header;
}

std::string with_checksum(const ProxyHeader& header, std::uint32_t flip = 0) {
  std::string bytes = with_tlvs(make_proxy_header(header), std::string("\x03\x00\x04\0\0\0\0", 7));
  const std::uint32_t crc = crc32c(bytes) ^ flip;
  for (unsigned i = 0; i < 4; ++i) {
    bytes[bytes.size() - 4 + i] = static_cast<char>((crc >> (24 - 8 * i)) & 0xff);
  }
  return bytes;
}

TEST(ProxyProtocol, ReadsWhatABalancerSends) {
  const ProxyHeader tcp6{true, address({0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 1),
                         address({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 65535)};
  for (const std::string& bytes :
       {make_proxy_header(kTcp4), make_proxy_header(tcp6), with_checksum(kTcp4),
        with_checksum(tcp6), with_tlvs(make_proxy_header(kTcp4), std::string("\x04\0\x02xy", 5)),
        make_proxy_header(ProxyHeader{})}) {
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      ProxyHeader header;
      EXPECT_EQ(parse_proxy_header({bytes.data(), i}, header).state, State::kMore) << i;
    }
    ProxyHeader header;
    const std::string more = bytes + "GET /";
    const ProxyParse parse = parse_proxy_header(more, header);
    ASSERT_EQ(parse.state, State::kDone) << parse.reason;
    EXPECT_EQ(parse.size, bytes.size());
    EXPECT_EQ(header.proxied, bytes[12] == '\x21');
  }
  ProxyHeader header;
  parse_proxy_header(make_proxy_header(kTcp4), header);
  EXPECT_EQ(header.source.text(), "192.0.2.1");
  EXPECT_EQ(header.source, kTcp4.source);
  EXPECT_EQ(header.destination, kTcp4.destination);
  parse_proxy_header(make_proxy_header(tcp6), header);
  EXPECT_EQ(header.source.text(), "2001:db8::1");
  EXPECT_EQ(header.destination.port, 65535);
}

TEST(ProxyProtocol, Refuses) {
  const std::string tcp4 = make_proxy_header(kTcp4);
  const auto changed = [&tcp4](std::size_t at, int byte) {
    std::string bytes = tcp4;
    bytes[at] = static_cast<char>(byte);
    return bytes;
  };
  const std::vector<std::pair<const char*, std::string>> refused = {
      {"none", "GET / HTTP/1.1\r\n"},
      {"version 1", "PROXY TCP4 192.0.2.1 198.51.100.7 1 2\r\n"},
      {"broken signature", changed(11, 'X')},
      {"version 3", changed(12, 0x31)},
      {"command 2", changed(12, 0x22)},
      {"UDP", changed(13, 0x12)},
      {"unix", changed(13, 0x31)},
      {"too short for IPv6", changed(13, 0x21)},
      {"too short for IPv4", changed(15, 11)},
      {"too long", changed(14, 0x20)},
      {"cut TLV head", with_tlvs(tcp4, std::string("\x04\0", 2))},
      {"cut TLV", with_tlvs(tcp4, std::string("\x04\0\x03xy", 5))},
      {"wrong checksum", with_checksum(kTcp4, 1)},
      {"checksum of 3 bytes", with_tlvs(tcp4, std::string("\x03\0\x03xyz", 6))},
  };
  for (const auto& [what, bytes] : refused) {
    ProxyHeader header;
    const ProxyParse parse = parse_proxy_header(bytes, header);
    EXPECT_EQ(parse.state, State::kRefused) << what;
    EXPECT_FALSE(parse.reason.empty()) << what;
    EXPECT_FALSE(header.proxied) << what;
  }
  ProxyHeader header;
  EXPECT_NE(parse_proxy_header(std::string_view("PROXY TCP4"), header).reason.find("version 1"),
            std::string_view::npos);
  EXPECT_EQ(parse_proxy_header(std::string_view("PRO"), header).state, State::kMore);
}

}  // namespace
}  // namespace gatehouse::net

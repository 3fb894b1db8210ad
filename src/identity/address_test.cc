#include "identity/address.h"

#include <gtest/gtest.h>

namespace gatehouse::identity {
namespace {

bool contains(std::string_view block, std::string_view address) {
  return parse_cidr(block)->contains(*parse_address(address));
}

TEST(Cidr, Contains) {
  EXPECT_TRUE(contains("10.0.0.0/8", "10.255.0.1"));
  EXPECT_FALSE(contains("10.0.0.0/8", "11.0.0.1"));
  EXPECT_TRUE(contains("192.0.2.128/25", "192.0.2.200"));
  EXPECT_FALSE(contains("192.0.2.128/25", "192.0.2.127"));
  EXPECT_TRUE(contains("0.0.0.0/0", "203.0.113.9"));
  EXPECT_FALSE(contains("::/0", "203.0.113.9"));
  EXPECT_FALSE(contains("0.0.0.0/0", "::1"));
  EXPECT_TRUE(contains("2001:db8::/33", "2001:db8:7fff::1"));
  EXPECT_FALSE(contains("2001:db8::/33", "2001:db8:8000::1"));
  EXPECT_TRUE(contains("::1", "::1"));
  // A mapped address is the IPv4 address: no way round a list.
  EXPECT_TRUE(contains("10.0.0.0/8", "::ffff:10.1.1.1"));
  EXPECT_TRUE(contains("fe80::/10", "fe80::1%eth0"));
}

TEST(Cidr, Malformed) {
  for (const char* text :
       {"", "/", "10.0.0.0/33", "10.0.0.0/", "10.0.0/8", "10.0.0.0/-1", "10.0.0.0/8/8", "::/129",
        "10.0.0.1/8", "example.org", "1.2.3.4 ", "010.0.0.1", "fe80::1%eth0"}) {
    EXPECT_FALSE(parse_cidr(text).ok()) << text;
  }
}

TEST(AccessList, DenyWins) {
  const auto list = AccessList::parse(std::vector<std::string>{"10.0.0.0/8"},
                                      std::vector<std::string>{"10.6.6.0/24"});
  EXPECT_TRUE(list->permits("10.1.1.1"));
  EXPECT_FALSE(list->permits("10.6.6.1"));
  EXPECT_FALSE(list->permits("192.0.2.1"));
  EXPECT_FALSE(list->permits("nonsense"));
  EXPECT_TRUE(AccessList().permits("nonsense"));
}

}  // namespace
}  // namespace gatehouse::identity

#include "identity/address.h"

#include <gtest/gtest.h>

namespace gatehouse::identity {
namespace {

AccessList allow(std::string block) {
  return *AccessList::parse(std::vector<std::string>{std::move(block)}, {});
}

TEST(AccessList, Blocks) {
  EXPECT_TRUE(allow("10.0.0.0/8").permits("10.255.0.1"));
  EXPECT_FALSE(allow("10.0.0.0/8").permits("11.0.0.1"));
  EXPECT_TRUE(allow("192.0.2.128/25").permits("192.0.2.200"));
  EXPECT_FALSE(allow("192.0.2.128/25").permits("192.0.2.127"));
  EXPECT_FALSE(allow("0.0.0.0/0").permits("::1"));
  EXPECT_TRUE(allow("2001:db8::/33").permits("2001:db8:7fff::1"));
  EXPECT_FALSE(allow("2001:db8::/33").permits("2001:db8:8000::1"));
  EXPECT_TRUE(allow("::1").permits("::1"));
  // A mapped address is the IPv4 address: no way round a list.
  EXPECT_TRUE(allow("10.0.0.0/8").permits("::ffff:10.1.1.1"));
}

TEST(AccessList, Malformed) {
  for (const char* text : {"", "/", "10.0.0.0/33", "10.0.0.0/", "10.0.0/8", "10.0.0.0/-1",
                           "10.0.0.0/8/8", "::/129", "example.org", "1.2.3.4 "}) {
    EXPECT_FALSE(AccessList::parse(std::vector<std::string>{text}, {}).ok()) << text;
    EXPECT_FALSE(AccessList::parse({}, std::vector<std::string>{text}).ok()) << text;
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

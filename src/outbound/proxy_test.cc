#include "outbound/proxy.h"

#include <gtest/gtest.h>

namespace gatehouse::outbound {
namespace {

net::Url url(std::string_view text) { return *net::parse_url(text); }

TEST(Proxy, Urls) {
  const auto proxy = proxy_of("http://user:p%40ss@proxy.test:3128/");
  ASSERT_TRUE(proxy);
  EXPECT_EQ(proxy->host, "proxy.test");
  EXPECT_EQ(proxy->port, 3128);
  EXPECT_EQ(proxy->authorization, "Basic dXNlcjpwQHNz");
  EXPECT_EQ(proxy_of("proxy.test:8080")->port, 8080);
  EXPECT_FALSE(proxy_of("https://proxy.test"));
  EXPECT_FALSE(proxy_of("socks5://proxy.test"));
}

TEST(Proxy, Exceptions) {
  const std::string_view list = "example.org, .only.test,10.0.0.0/8,host:8080,192.0.2.1";
  EXPECT_TRUE(excepted(list, url("http://example.org/")));
  EXPECT_TRUE(excepted(list, url("http://a.example.org/")));
  EXPECT_FALSE(excepted(list, url("http://notexample.org/")));
  EXPECT_TRUE(excepted(list, url("http://a.only.test/")));
  EXPECT_FALSE(excepted(list, url("http://only.test/")));
  EXPECT_TRUE(excepted(list, url("http://10.1.2.3/")));
  EXPECT_FALSE(excepted(list, url("http://11.1.2.3/")));
  EXPECT_TRUE(excepted(list, url("http://host:8080/")));
  EXPECT_FALSE(excepted(list, url("http://host/")));
  EXPECT_TRUE(excepted(list, url("http://192.0.2.1/")));
  EXPECT_TRUE(excepted("*", url("http://any/")));
}

TEST(Proxy, Chosen) {
  ProxyConfig config;
  EXPECT_FALSE(proxy_for(config, url("http://a/")));
  config.url = "http://proxy.test:3128";
  EXPECT_TRUE(proxy_for(config, url("http://localhost/")));
  config.no_proxy = "b";
  EXPECT_TRUE(proxy_for(config, url("https://a/")));
  EXPECT_FALSE(proxy_for(config, url("https://b/")));
  EXPECT_FALSE(proxy_for(config, url("http://localhost/")));
}

}  // namespace
}  // namespace gatehouse::outbound

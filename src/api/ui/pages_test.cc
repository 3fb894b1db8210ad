#include "api/ui/pages.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "api/exchange_for_test.h"

namespace gatehouse::api::test {
namespace {

class PagesTest : public ::testing::Test {
 protected:
  Replied get(std::string target, FakeExchange::Headers headers = {}, std::string method = "GET") {
    FakeExchange exchange(loop_, std::move(method), std::move(target), std::move(headers));
    test::run(loop_, serve_page(exchange));
    return std::move(static_cast<Replied&>(exchange));
  }
  Loop loop_;
};

TEST_F(PagesTest, EveryPageIsTheIndex) {
  const Replied index = get("/");
  EXPECT_EQ(index.status, 200);
  EXPECT_NE(index.body.find("<!doctype html"), std::string::npos) << index.body.substr(0, 80);
  for (const char* path : {"/login?token=x", "/calls", "/calls/abc", "/keys", "/keys/k1",
                           "/upstreams", "/audit", "/account"}) {
    const Replied page = get(path);
    EXPECT_EQ(page.status, 200) << path;
    EXPECT_EQ(page.body, index.body) << path;
    EXPECT_EQ(page.headers.at("cache-control"), "no-cache");
    EXPECT_EQ(page.headers.at("x-frame-options"), "DENY");
    EXPECT_EQ(page.headers.at("referrer-policy"), "no-referrer");
    EXPECT_EQ(page.headers.at("cross-origin-opener-policy"), "same-origin");
    EXPECT_EQ(page.headers.at("x-content-type-options"), "nosniff");
    EXPECT_TRUE(page.headers.at("content-security-policy").starts_with("default-src 'none'; "));
    EXPECT_TRUE(page.headers.contains("permissions-policy"));
  }
  for (const char* path : {"/nothing", "/callsign", "/index.html", "/assets/", "/assets/none.js",
                           "/api", "/keys.js", "//", "/assets/../index.html"}) {
    EXPECT_EQ(get(path).status, 404) << path;
  }
}

TEST_F(PagesTest, AssetsAreServedAsTheyAreHeld) {
  ASSERT_FALSE(assets().empty());
  EXPECT_TRUE(std::is_sorted(assets().begin(), assets().end(),
                             [](const Asset& a, const Asset& b) { return a.path < b.path; }));
  for (const Asset& asset : assets()) {
    if (asset.path == "/index.html") continue;
    const Replied packed = get(std::string(asset.path), {{"accept-encoding", "br, gzip;q=0.8"}});
    EXPECT_EQ(packed.status, 200) << asset.path;
    EXPECT_EQ(packed.body, asset.gzip_bytes);
    EXPECT_EQ(packed.headers.at("content-encoding"), "gzip");
    EXPECT_EQ(packed.headers.at("content-type"), asset.content_type);
    EXPECT_EQ(packed.headers.at("etag"), asset.etag);
    EXPECT_EQ(packed.headers.at("vary"), "accept-encoding");
    EXPECT_FALSE(packed.headers.contains("content-security-policy"));
    EXPECT_EQ(packed.headers.at("cache-control"),
              asset.immutable ? "public, max-age=31536000, immutable" : "no-cache");
    const Replied plain = get(std::string(asset.path), {{"accept-encoding", "gzip;q=0, *"}});
    EXPECT_FALSE(plain.headers.contains("content-encoding"));
    EXPECT_GT(plain.body.size(), 0u);
    EXPECT_NE(plain.body, asset.gzip_bytes);
    const Replied known = get(std::string(asset.path),
                              {{"if-none-match", "\"other\", W/" + std::string(asset.etag)}});
    EXPECT_EQ(known.status, 304);
    EXPECT_EQ(known.body, "");
    EXPECT_EQ(known.headers.at("etag"), asset.etag);
  }
}

TEST_F(PagesTest, OnlyGetAndHeadAreTaken) {
  EXPECT_EQ(get("/calls", {}, "HEAD").status, 200);
  EXPECT_EQ(get("/calls", {}, "HEAD").body, "");
  const Replied refused = get("/calls", {}, "POST");
  EXPECT_EQ(refused.status, 405);
  EXPECT_EQ(refused.headers.at("allow"), "GET, HEAD");
}

TEST_F(PagesTest, ADamagedAssetIsAnError) {
  const Asset broken{"/index.html", "text/html", "\"e\"", "no gzip", false};
  FakeExchange exchange(loop_, "GET", "/");
  test::run(loop_, serve_page(exchange, {&broken, 1}));
  EXPECT_EQ(exchange.status, 500);
}

}  // namespace
}  // namespace gatehouse::api::test

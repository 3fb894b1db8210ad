// The small decisions: what an answer means, how many shards, what a configuration may be,
// and the file of the place.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "export/config.h"
#include "export/position_file.h"
#include "export/receiver.h"
#include "export/sender.h"
#include "store/real_disk.h"

namespace gatehouse::exporting {
namespace {

net::HeaderList with(std::string_view name, std::string_view value) {
  net::HeaderList headers;
  headers.add(name, value);
  return headers;
}

TEST(Judge, TellsWhatMayPassFromWhatMayNot) {
  using Kind = Answer::Kind;
  for (const int status : {200, 202, 204}) EXPECT_EQ(judge(status, {}, 0).kind, Kind::kTaken);
  for (const int status : {429, 500, 502, 503, 599}) {
    EXPECT_EQ(judge(status, {}, 0).kind, Kind::kTryAgain) << status;
  }
  for (const int status : {301, 400, 401, 404, 413, 415}) {
    EXPECT_EQ(judge(status, {}, 0).kind, Kind::kRefused) << status;
  }
  EXPECT_EQ(judge(400, {}, 0).reason, "HTTP 400 Bad Request");
}

TEST(Judge, HonoursRetryAfter) {
  EXPECT_EQ(judge(503, with("Retry-After", "7"), 0).retry_after_ms, 7000);
  EXPECT_EQ(
      judge(429, with("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"), 784111767).retry_after_ms,
      10'000);
  EXPECT_EQ(
      judge(429, with("Retry-After", "Sun, 06 Nov 1994 08:49:37 GMT"), 784111778).retry_after_ms,
      0);
  EXPECT_EQ(judge(503, with("Retry-After", "soon"), 0).retry_after_ms, 0);
  EXPECT_EQ(judge(503, with("Retry-After", "99999999999"), 0).retry_after_ms, kRetryAfterMaxMs);
  EXPECT_EQ(judge(200, with("Retry-After", "7"), 0).retry_after_ms, 0);
}

TEST(Judge, ReadsWhatWasWritten) {
  net::HeaderList headers;
  headers.add("X-Prometheus-Remote-Write-Samples-Written", "12");
  headers.add("X-Prometheus-Remote-Write-Histograms-Written", "0");
  const Answer answer = judge(400, headers, 0);
  EXPECT_EQ(answer.samples_written, 12);
  EXPECT_EQ(answer.histograms_written, 0);
  EXPECT_EQ(answer.exemplars_written, -1);
}

TEST(Shards, FollowTheLoad) {
  RemoteWriteQueueConfig queue;
  queue.shards_min = 2;
  queue.shards_max = 10;
  EXPECT_EQ(shards_for({4, 0, false, false}, 10'000, queue), 2);
  EXPECT_EQ(shards_for({4, 28'000, false, false}, 10'000, queue), 4);
  EXPECT_EQ(shards_for({4, 40'000, false, false}, 10'000, queue), 6);
  EXPECT_EQ(shards_for({4, 10'000, true, false}, 10'000, queue), 8);
  EXPECT_EQ(shards_for({8, 10'000, true, false}, 10'000, queue), 10);
  EXPECT_EQ(shards_for({4, 40'000, true, true}, 10'000, queue), 4);
  EXPECT_EQ(shards_for({4, INT64_MAX / 2, false, false}, 1, queue), 10);
}

TEST(Config, IsCheckedWhole) {
  RemoteWriteConfig good;
  good.name = "far";
  good.url = "http://127.0.0.1:1/api/v1/write";
  EXPECT_TRUE(check(good).ok());
  const auto wrong = [&](auto change) {
    RemoteWriteConfig config = good;
    change(config);
    const Status status = check(config);
    EXPECT_FALSE(status.ok());
    EXPECT_TRUE(status.message().starts_with("remote_write \"")) << status.message();
  };
  wrong([](auto& c) { c.name = ""; });
  wrong([](auto& c) { c.url = "ftp://x/"; });
  wrong([](auto& c) { c.version = 3; });
  wrong([](auto& c) { c.username = "a", c.bearer_token = "b"; });
  wrong([](auto& c) { c.username = "a", c.password = "b", c.password_file = "c"; });
  wrong([](auto& c) { c.headers = {{"Content-Encoding", "gzip"}}; });
  wrong([](auto& c) { c.headers = {{"X-A", "b\r\nX-B: c"}}; });
  wrong([](auto& c) { c.queue.shards_max = 0; });
  wrong([](auto& c) { c.queue.capacity = c.queue.batch_samples_max - 1; });
}

class PositionFileTest : public testing::Test {
 protected:
  PositionFileTest() {
    std::string pattern = testing::TempDir() + "position-XXXXXX";
    directory = ::mkdtemp(pattern.data());
  }
  ~PositionFileTest() override { std::filesystem::remove_all(directory); }
  std::string directory;
};

TEST_F(PositionFileTest, ComesBackAsItWasSaved) {
  PositionFile file(store::real_disk(), directory, "a/b ../c");
  auto none = file.load();
  ASSERT_TRUE(none.ok()) << none.status().to_string();
  EXPECT_FALSE(none->has_value());
  for (const store::WalPlace place : {store::WalPlace{1, 48}, {UINT32_MAX, UINT64_MAX}}) {
    ASSERT_TRUE(file.save(place).ok());
    const auto loaded = PositionFile(store::real_disk(), directory, "a/b ../c").load();
    ASSERT_TRUE(loaded.ok()) << loaded.status().to_string();
    ASSERT_TRUE(loaded->has_value());
    EXPECT_TRUE(**loaded == place);
  }
  EXPECT_EQ(std::filesystem::path(file.path()).parent_path(), directory);
  ASSERT_TRUE(file.remove().ok());
  EXPECT_FALSE(file.load().value().has_value());
  EXPECT_TRUE(file.remove().ok());
}

TEST_F(PositionFileTest, EveryDamagedByteIsFound) {
  PositionFile file(store::real_disk(), directory, "x");
  ASSERT_TRUE(file.save({7, 12345}).ok());
  auto open = store::real_disk().open(file.path(), model::Disk::Open::kWrite);
  ASSERT_TRUE(open.ok());
  const uint64_t size = (*open)->size().value();
  for (uint64_t at = 0; at + 1 < size; ++at) {  // the line's end may be anything blank
    char before;
    ASSERT_TRUE((*open)->read_at(at, &before, 1).ok());
    const char wrong = static_cast<char>(before ^ 1);
    ASSERT_TRUE((*open)->write_at(at, {&wrong, 1}).ok());
    EXPECT_EQ(file.load().status().code(), Code::kDataLoss) << at;
    ASSERT_TRUE((*open)->write_at(at, {&before, 1}).ok());
  }
  ASSERT_TRUE((*open)->truncate(size / 2).ok());
  EXPECT_EQ(file.load().status().code(), Code::kDataLoss);
}

}  // namespace
}  // namespace gatehouse::exporting

#include "store/record_log.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <thread>

#include "base/random.h"
#include "store/faulty_disk_test.h"

namespace gatehouse::store {
namespace {

using model::Attribute;
using model::Labels;
using model::Order;
using model::Record;
using model::StreamRecord;

constexpr int64_t kStartNs = 1'700'000'000'000'000'000;

struct StoppedClock : model::Clock {
  int64_t wall = kStartNs;
  int64_t steady = 1;
  int64_t wall_ns() const override { return wall; }
  int64_t steady_ns() const override { return steady; }
};

// A directory on the real disk that goes with the test.
struct Scratch {
  Scratch() {
    char pattern[] = "/tmp/gatehouse_store_XXXXXX";
    path = ::mkdtemp(pattern);
  }
  ~Scratch() { std::filesystem::remove_all(path); }
  std::string path;
};

RecordLogOptions quiet(std::string directory) {
  RecordLogOptions options;
  options.directory = std::move(directory);
  options.background = false;
  return options;
}

std::unique_ptr<RecordLog> must_open(const RecordLogOptions& options) {
  auto log = RecordLog::open(options);
  EXPECT_TRUE(log.ok()) << log.status().to_string();
  return log.ok() ? std::move(*log) : nullptr;
}

// Appends a record whose attribute n is `number`.
Result<Position> append_one(RecordLog& log, model::StreamId stream, int64_t number,
                            size_t body_bytes = 10) {
  const std::string body(body_bytes, static_cast<char>('a' + number % 26));
  const Attribute attributes[] = {{"n", number}, {"text", std::string_view("value")}};
  const StreamRecord one{stream,
                         {kStartNs + number * 1'000'000, Severity::kInfo, body, attributes}};
  return log.append({&one, 1});
}

std::vector<int64_t> numbers(const RecordLog& log, Order order = Order::kOldestFirst,
                             model::TimeRange range = {}, const model::Selector& selector = {}) {
  std::vector<int64_t> out;
  const Status status =
      log.read(selector, range, order, [&](const Labels&, const Record& record, Position) {
        out.push_back(record.integer("n", -1));
        return true;
      });
  EXPECT_TRUE(status.ok()) << status.to_string();
  return out;
}

std::vector<int64_t> count_to(int64_t end, int64_t begin = 0) {
  std::vector<int64_t> out;
  for (int64_t i = begin; i < end; ++i) out.push_back(i);
  return out;
}

TEST(RecordLog, KeepsEveryKindOfValueAcrossARestart) {
  Scratch scratch;
  const Attribute attributes[] = {{"text", std::string_view("a\0b", 3)},
                                  {"empty", std::string_view()},
                                  {"least", INT64_MIN},
                                  {"most", INT64_MAX},
                                  {"number", -0.5},
                                  {"yes", true},
                                  {"no", false},
                                  {"", int64_t{7}}};
  const std::string long_name(300, 'x');
  std::vector<Attribute> all(std::begin(attributes), std::end(attributes));
  all.push_back({long_name, int64_t{1}});
  {
    auto log = must_open(quiet(scratch.path));
    const StreamRecord two[] = {
        {*log->stream({{"kind", "a"}}), {INT64_MIN, Severity::kError, "body", all}},
        {*log->stream({{"kind", "b"}}), {INT64_MAX, Severity::kDebug, "", {}}}};
    EXPECT_EQ(*log->append(two), 2U);
  }
  auto log = must_open(quiet(scratch.path));
  int seen = 0;
  ASSERT_TRUE(log->read({}, {INT64_MIN, INT64_MAX}, Order::kOldestFirst,
                        [&](const Labels& labels, const Record& record, Position position) {
                          ++seen;
                          EXPECT_EQ(labels, Labels({{"kind", "a"}}));
                          EXPECT_EQ(position, 1U);
                          EXPECT_EQ(record.time_ns, INT64_MIN);
                          EXPECT_EQ(record.severity, Severity::kError);
                          EXPECT_EQ(record.body, "body");
                          EXPECT_EQ(record.attributes.size(), all.size());
                          for (size_t i = 0; i < all.size(); ++i) {
                            EXPECT_EQ(record.attributes[i].name, all[i].name);
                            EXPECT_EQ(record.attributes[i].value, all[i].value);
                          }
                          return true;
                        })
                  .ok());
  EXPECT_EQ(seen, 1);  // the other is at the end of time, which ranges exclude
  EXPECT_EQ(log->last_position(), 2U);
}

TEST(RecordLog, ReadsBothWaysByRangeStreamAndPositionAcrossSegments) {
  Scratch scratch;
  RecordLogOptions options = quiet(scratch.path);
  options.segment_bytes = 200'000;
  auto log = must_open(options);
  const auto even = *log->stream({{"parity", "even"}});
  const auto odd = *log->stream({{"parity", "odd"}});
  std::vector<Position> positions;
  for (int64_t i = 0; i < 3000; ++i) {
    positions.push_back(*append_one(*log, i % 2 == 0 ? even : odd, i, 300));
    if (i == 1500) log->upkeep();
  }
  EXPECT_GT(log->stats().segments, 3U);
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(numbers(*log), count_to(3000));
    auto backwards = count_to(3000);
    std::reverse(backwards.begin(), backwards.end());
    EXPECT_EQ(numbers(*log, Order::kNewestFirst), backwards);
    EXPECT_EQ(numbers(*log, Order::kOldestFirst, {kStartNs + 700'000'000, kStartNs + 710'000'000}),
              count_to(710, 700));
    const auto odds = numbers(*log, Order::kOldestFirst, {},
                              {{model::Matcher(model::Matcher::Op::kEqual, "parity", "odd")}});
    EXPECT_EQ(odds.size(), 1500U);
    EXPECT_EQ(odds.front(), 1);
    for (const int64_t from : {0, 1, 999, 2998, 2999}) {
      std::vector<int64_t> after;
      ASSERT_TRUE(log->read_after(positions[static_cast<size_t>(from)],
                                  [&](const Labels&, const Record& record, Position) {
                                    after.push_back(record.integer("n"));
                                    return true;
                                  })
                      .ok());
      EXPECT_EQ(after, count_to(3000, from + 1));
    }
    log.reset();
    log = must_open(options);
  }
  EXPECT_EQ(log->window().records(), 3000U);
}

TEST(RecordLog, PositionsRiseAcrossARestart) {
  Scratch scratch;
  auto log = must_open(quiet(scratch.path));
  const Position before = *append_one(*log, *log->stream({{"a", "b"}}), 0);
  log.reset();
  log = must_open(quiet(scratch.path));
  EXPECT_GT(*append_one(*log, *log->stream({{"a", "b"}}), 1), before);
  EXPECT_EQ(numbers(*log), count_to(2));
}

TEST(RecordLog, FindsAnIdAndSaysWhenThereIsNone) {
  Scratch scratch;
  auto log = must_open(quiet(scratch.path));
  const auto stream = *log->stream({{"a", "b"}});
  std::vector<std::string> ids;
  for (int64_t i = 0; i < 500; ++i) {
    ids.push_back(time_ordered_id(kStartNs / 1'000'000 + i * 60'000));
    const Attribute attributes[] = {{"request_id", std::string_view(ids.back())}, {"n", i}};
    const StreamRecord one{stream,
                           {kStartNs + i * 60'000'000'000, Severity::kInfo, "", attributes}};
    ASSERT_TRUE(log->append({&one, 1}).ok());
  }
  const auto found = log->find_one("request_id", ids[123], {});
  ASSERT_TRUE(found.ok()) << found.status().to_string();
  EXPECT_EQ(found->record.view().integer("n"), 123);
  EXPECT_EQ(log->find_one("request_id", "absent", {}).status().code(), Code::kNotFound);
  EXPECT_EQ(log->find_one("other", ids[123], {}).status().code(), Code::kNotFound);
}

TEST(RecordLog, RefusesWhatItCannotHold) {
  Scratch scratch;
  auto log = must_open(quiet(scratch.path));
  EXPECT_EQ(append_one(*log, 0, 1).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(append_one(*log, 77, 1).status().code(), Code::kInvalidArgument);
  const auto stream = *log->stream({{"a", "b"}});
  EXPECT_EQ(append_one(*log, stream, 1, 17 << 20).status().code(), Code::kInvalidArgument);
  EXPECT_TRUE(append_one(*log, stream, 0, 15 << 20).ok());
  EXPECT_EQ(numbers(*log), count_to(1));
}

TEST(RecordLog, IsOpenOnceAtATime) {
  Scratch scratch;
  auto log = must_open(quiet(scratch.path));
  const auto second = RecordLog::open(quiet(scratch.path));
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), Code::kUnavailable);
  EXPECT_NE(second.status().message().find("stop it"), std::string::npos);
}

TEST(RecordLog, FourThreadsAppendAtOnce) {
  Scratch scratch;
  RecordLogOptions options = quiet(scratch.path);
  options.background = true;
  options.sync_interval_ms = 5;
  options.segment_bytes = 100'000;
  auto log = must_open(options);
  constexpr int64_t kEach = 2000;
  std::vector<std::thread> threads;
  for (int64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      const auto stream = *log->stream({{"thread", std::to_string(t)}});
      for (int64_t i = 0; i < kEach; ++i) {
        ASSERT_TRUE(append_one(*log, stream, t * kEach + i, 50).ok());
        if (i % 500 == 0) numbers(*log, Order::kNewestFirst);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int round = 0; round < 2; ++round) {
    auto all = numbers(*log);
    std::sort(all.begin(), all.end());
    EXPECT_EQ(all, count_to(4 * kEach));
    log.reset();
    log = must_open(options);
  }
}

// The small log that is cut and damaged below: its bytes, and where frames end.
struct Small {
  std::string bytes;
  std::vector<size_t> ends;  // after record i
};

Small small_log(FaultyDisk& disk, const std::string& name) {
  Small small;
  RecordLogOptions options = quiet("d");
  options.disk = &disk;
  auto log = must_open(options);
  const auto stream = *log->stream({{"a", "b"}});
  for (int64_t i = 0; i < 5; ++i) {
    EXPECT_TRUE(append_one(*log, stream, i).ok());
    small.ends.push_back(disk.bytes(name).size());
  }
  small.bytes = disk.bytes(name);
  return small;
}

const std::string kFirst = "d/0000000000000001.log";

TEST(RecordLog, RecoversTheWholeFramesAtEveryTruncation) {
  FaultyDisk disk;
  const Small small = small_log(disk, kFirst);
  for (size_t cut = 0; cut <= small.bytes.size(); ++cut) {
    FaultyDisk other;
    (void)*other.open(kFirst, model::Disk::Open::kCreate);
    other.bytes(kFirst) = small.bytes.substr(0, cut);
    RecordLogOptions options = quiet("d");
    options.disk = &other;
    auto log = must_open(options);
    int64_t whole = 0;
    for (const size_t end : small.ends) whole += end <= cut ? 1 : 0;
    EXPECT_EQ(numbers(*log), count_to(whole)) << "cut at " << cut;
    // It can be written on.
    ASSERT_TRUE(append_one(*log, *log->stream({{"c", "d"}}), whole).ok());
    EXPECT_EQ(numbers(*log), count_to(whole + 1)) << "cut at " << cut;
    EXPECT_EQ(log->stats().damaged_files, 0U);
  }
}

// Flips each byte of an unsealed or a sealed segment: whatever comes back must be
// records as they were, and anything missing must have been noticed.
void corrupt_each_byte(bool seal) {
  FaultyDisk disk;
  Small small = small_log(disk, kFirst);
  if (seal) {
    RecordLogOptions options = quiet("d");
    options.disk = &disk;
    options.segment_bytes = 1;
    auto log = must_open(options);
    ASSERT_TRUE(append_one(*log, *log->stream({{"a", "b"}}), 5).ok());
    log->upkeep();
    small.bytes = disk.bytes(kFirst);
  }
  for (size_t at = 0; at < small.bytes.size(); ++at) {
    FaultyDisk other;
    (void)*other.open(kFirst, model::Disk::Open::kCreate);
    other.bytes(kFirst) = small.bytes;
    other.bytes(kFirst)[at] ^= 0x40;
    RecordLogOptions options = quiet("d");
    options.disk = &other;
    auto log = RecordLog::open(options);
    ASSERT_TRUE(log.ok()) << "byte " << at << ": " << log.status().to_string();
    const auto first = numbers(**log);
    (*log)->upkeep();  // repairs what the read found
    const auto stats = (*log)->stats();
    EXPECT_TRUE(stats.damaged_files + stats.torn_bytes > 0) << "byte " << at << " went unseen";
    const auto again = numbers(**log);
    EXPECT_EQ(first, again) << "byte " << at;
    // At most the record in whose frame the byte is, except in a header or definition.
    if (at >= small.ends[0]) {
      EXPECT_GE(again.size(), 4U) << "byte " << at;
    }
    for (const int64_t number : again) EXPECT_TRUE(number >= 0 && number < 5);
  }
}

TEST(RecordLog, SeesEveryDamagedByteOfTheNewestSegment) { corrupt_each_byte(false); }
TEST(RecordLog, SeesEveryDamagedByteOfASealedSegment) { corrupt_each_byte(true); }

TEST(RecordLog, ADamagedSegmentIsSetAsideAndTheRestServed) {
  Scratch scratch;
  RecordLogOptions options = quiet(scratch.path);
  options.segment_bytes = 20'000;
  auto log = must_open(options);
  const auto stream = *log->stream({{"a", "b"}});
  for (int64_t i = 0; i < 300; ++i) ASSERT_TRUE(append_one(*log, stream, i, 200).ok());
  log->upkeep();
  const std::string name = scratch.path + "/" + segment_name(1);
  std::unique_ptr<model::File> file = *real_disk().open(name, model::Disk::Open::kWrite);
  ASSERT_TRUE(file->write_at(5000, "XXXX").ok());
  EXPECT_EQ(numbers(*log).size(), 299U);
  EXPECT_EQ(numbers(*log, Order::kNewestFirst).size(), 299U);
  log->upkeep();
  EXPECT_EQ(log->stats().damaged_files, 1U);
  EXPECT_TRUE(std::filesystem::exists(name + ".damaged"));
  EXPECT_EQ(numbers(*log).size(), 299U);
  log.reset();
  log = must_open(options);
  EXPECT_EQ(numbers(*log).size(), 299U);
  EXPECT_EQ(log->stats().damaged_files, 0U);
}

TEST(RecordLog, AFullDiskRefusesAndThenGoesOn) {
  FaultyDisk disk;
  RecordLogOptions options = quiet("d");
  options.disk = &disk;
  auto log = must_open(options);
  const auto stream = *log->stream({{"a", "b"}});
  for (int64_t i = 0; i < 10; ++i) ASSERT_TRUE(append_one(*log, stream, i).ok());
  disk.capacity_bytes = disk.used_bytes() + 10;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(append_one(*log, stream, 99).status().code(), Code::kResourceExhausted);
  }
  EXPECT_EQ(log->health().code(), Code::kResourceExhausted);
  EXPECT_EQ(numbers(*log), count_to(10));
  disk.capacity_bytes = UINT64_MAX;
  ASSERT_TRUE(append_one(*log, stream, 10).ok());
  EXPECT_TRUE(log->health().ok());
  log.reset();
  log = must_open(options);
  EXPECT_EQ(numbers(*log), count_to(11));
  EXPECT_EQ(log->stats().torn_bytes, 0U);
}

TEST(RecordLog, AFullDiskAtAnyByteLeavesAReadableLog) {
  for (uint64_t room = 0; room < 400; ++room) {
    FaultyDisk disk;
    RecordLogOptions options = quiet("d");
    options.disk = &disk;
    options.segment_bytes = 150;
    auto log = must_open(options);
    const auto stream = *log->stream({{"a", "b"}});
    disk.capacity_bytes = disk.used_bytes() + room;
    int64_t acknowledged = 0;
    while (append_one(*log, stream, acknowledged).ok()) ++acknowledged;
    log->upkeep();
    EXPECT_EQ(numbers(*log), count_to(acknowledged)) << room;
    disk.capacity_bytes = UINT64_MAX;
    log.reset();
    log = must_open(options);
    EXPECT_EQ(numbers(*log), count_to(acknowledged)) << room;
  }
}

TEST(RecordLog, AFileSizeLimitIsAFullDisk) {
  ::signal(SIGXFSZ, SIG_IGN);
  Scratch scratch;
  auto log = must_open(quiet(scratch.path));
  const auto stream = *log->stream({{"a", "b"}});
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small{10'000, before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  int64_t acknowledged = 0;
  Status refused;
  while (refused.ok()) {
    const auto position = append_one(*log, stream, acknowledged, 100);
    refused = position.status();
    if (position.ok()) ++acknowledged;
  }
  ::setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_EQ(refused.code(), Code::kResourceExhausted) << refused.to_string();
  EXPECT_EQ(numbers(*log), count_to(acknowledged));
  ASSERT_TRUE(append_one(*log, stream, acknowledged).ok());
  EXPECT_EQ(numbers(*log), count_to(acknowledged + 1));
}

TEST(RecordLog, AnInputOutputErrorMovesOnToAnotherSegment) {
  FaultyDisk disk;
  RecordLogOptions options = quiet("d");
  options.disk = &disk;
  auto log = must_open(options);
  const auto stream = *log->stream({{"a", "b"}});
  ASSERT_TRUE(append_one(*log, stream, 0).ok());
  disk.fail_writes = true;
  EXPECT_FALSE(append_one(*log, stream, 9).ok());
  EXPECT_FALSE(append_one(*log, stream, 9).ok());
  EXPECT_FALSE(log->health().ok());
  disk.fail_writes = false;
  ASSERT_TRUE(append_one(*log, stream, 1).ok());
  EXPECT_EQ(log->stats().segments, 2U);
  EXPECT_EQ(numbers(*log), count_to(2));
  ASSERT_TRUE(log->sync().ok());
  EXPECT_TRUE(log->health().ok());
}

TEST(RecordLog, AFailedSyncIsNeverTrustedAgain) {
  for (const int64_t interval_ms : {0, 1000}) {
    FaultyDisk disk;
    RecordLogOptions options = quiet("d");
    options.disk = &disk;
    options.sync_interval_ms = interval_ms;
    auto log = must_open(options);
    const auto stream = *log->stream({{"a", "b"}});
    ASSERT_TRUE(append_one(*log, stream, 0).ok());
    ASSERT_TRUE(log->sync().ok());
    disk.fail_syncs = true;
    EXPECT_EQ(append_one(*log, stream, 1).ok(), interval_ms != 0);
    EXPECT_FALSE(log->sync().ok());
    EXPECT_FALSE(log->health().ok());
    disk.fail_syncs = false;
    ASSERT_TRUE(append_one(*log, stream, 2).ok());
    ASSERT_TRUE(log->sync().ok());
    EXPECT_TRUE(log->health().ok());
    EXPECT_GE(log->stats().segments, 2U);
    const std::vector<int64_t> want = interval_ms == 0 ? std::vector<int64_t>{0, 2} : count_to(3);
    EXPECT_EQ(numbers(*log), want);
    log.reset();
    log = must_open(options);
    EXPECT_EQ(numbers(*log), want);
  }
}

TEST(RecordLog, PowerCutKeepsWhatWasSynced) {
  for (uint64_t kept = 0; kept < 200; ++kept) {
    FaultyDisk disk;
    RecordLogOptions options = quiet("d");
    options.disk = &disk;
    auto log = must_open(options);
    const auto stream = *log->stream({{"a", "b"}});
    for (int64_t i = 0; i < 3; ++i) ASSERT_TRUE(append_one(*log, stream, i).ok());
    ASSERT_TRUE(log->sync().ok());
    Position last = 0;
    for (int64_t i = 3; i < 6; ++i) last = *append_one(*log, stream, i);
    FaultyDisk after;
    after.capacity_bytes = UINT64_MAX;
    disk.lose_power(kept);
    (void)*after.open(kFirst, model::Disk::Open::kCreate);
    after.bytes(kFirst) = disk.bytes(kFirst);
    options.disk = &after;
    auto back = must_open(options);
    const auto got = numbers(*back);
    EXPECT_GE(got.size(), 3U);
    EXPECT_EQ(got, count_to(static_cast<int64_t>(got.size())));
    EXPECT_GT(*append_one(*back, *back->stream({{"a", "b"}}), 6), last);
  }
}

TEST(RecordLog, RetiresByAgeAndBySizeButNotWhenTheClockJumps) {
  FaultyDisk disk;
  StoppedClock clock;
  RecordLogOptions options = quiet("d");
  options.disk = &disk;
  options.clock = &clock;
  options.segment_bytes = 1000;
  options.retention_age_ms = 3'600'000;
  auto log = must_open(options);
  const auto stream = *log->stream({{"a", "b"}});
  for (int64_t i = 0; i < 100; ++i) ASSERT_TRUE(append_one(*log, stream, i, 100).ok());
  log->upkeep();
  EXPECT_EQ(numbers(*log), count_to(100));
  clock.wall += 86'400'000'000'000;  // a day, in no time
  log->upkeep();
  EXPECT_EQ(numbers(*log), count_to(100));
  clock.wall += 7'200'000'000'000;
  clock.steady += 7'200'000'000'000;
  log->upkeep();
  EXPECT_EQ(log->stats().segments, 1U);
  options.retention_age_ms = 0;
  options.retention_bytes = 5000;
  log.reset();
  log = must_open(options);
  const auto again = *log->stream({{"a", "b"}});
  for (int64_t i = 100; i < 200; ++i) ASSERT_TRUE(append_one(*log, again, i, 100).ok());
  log->upkeep();
  EXPECT_LE(log->stats().bytes, 5000U);
  const auto left = numbers(*log);
  ASSERT_FALSE(left.empty());
  EXPECT_EQ(left, count_to(200, left.front()));
}

TEST(RecordLog, AnUnfinishedRepairIsFinishedOrForgotten) {
  FaultyDisk disk;
  const Small small = small_log(disk, kFirst);
  RecordLogOptions options = quiet("d");
  options.disk = &disk;
  (void)*disk.open(kFirst + ".repair", model::Disk::Open::kCreate);  // cut short by a crash
  EXPECT_EQ(numbers(*must_open(options)), count_to(5));
  EXPECT_EQ(disk.list("d")->size(), 1U);
  ASSERT_TRUE(disk.rename(kFirst, kFirst + ".repair").ok());
  EXPECT_EQ(numbers(*must_open(options)), count_to(5));
}

TEST(RecentWindow, IsBoundedAndFollowed) {
  Scratch scratch;
  RecordLogOptions options = quiet(scratch.path);
  options.window_records = 10;
  auto log = must_open(options);
  const auto stream = *log->stream({{"a", "b"}});
  int woken = 0;
  auto follower = log->window().follow([&] { ++woken; });
  std::vector<int64_t> seen;
  const auto keep = [&](const Labels&, const Record& record, Position) {
    seen.push_back(record.integer("n"));
    return true;
  };
  for (int64_t i = 0; i < 5; ++i) ASSERT_TRUE(append_one(*log, stream, i).ok());
  EXPECT_EQ(woken, 1);  // once, until it polls
  EXPECT_EQ(follower->poll(100, keep).visited, 5U);
  EXPECT_EQ(seen, count_to(5));
  for (int64_t i = 5; i < 30; ++i) ASSERT_TRUE(append_one(*log, stream, i).ok());
  EXPECT_EQ(woken, 2);
  seen.clear();
  const auto polled = follower->poll(4, keep);
  EXPECT_EQ(polled.missed, 15U);
  EXPECT_TRUE(polled.more);
  EXPECT_EQ(seen, count_to(24, 20));
  EXPECT_EQ(
      follower->poll(100, [&](const Labels&, const Record&, Position) { return false; }).visited,
      1U);
  seen.clear();
  EXPECT_EQ(follower->poll(100, keep).missed, 0U);
  EXPECT_EQ(seen, count_to(30, 25));
  EXPECT_EQ(log->window().records(), 10U);
  follower.reset();
  log.reset();
  log = must_open(options);
  std::vector<int64_t> recent;
  log->window().read({}, {}, Order::kNewestFirst,
                     [&](const Labels&, const Record& record, Position) {
                       recent.push_back(record.integer("n"));
                       return true;
                     });
  std::reverse(recent.begin(), recent.end());
  EXPECT_EQ(recent, count_to(30, 20));
}

}  // namespace
}  // namespace gatehouse::store

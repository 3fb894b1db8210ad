#include "identity/audit.h"

#include <gtest/gtest.h>

#include <thread>

#include "identity/audit_left.h"
#include "identity/memory_catalog.h"
#include "identity/memory_log.h"

namespace gatehouse::identity {
namespace {

class FakeClock : public model::Clock {
 public:
  int64_t wall_ns() const override { return now_ns; }
  int64_t steady_ns() const override { return now_ns; }
  int64_t now_ns = 1'000'000'000'000;
};

class AuditTest : public ::testing::Test {
 protected:
  std::unique_ptr<AuditLog> open() {
    auto log = AuditLog::open(log_, log_, catalog_, clock_, registry_);
    EXPECT_TRUE(log.ok()) << log.status().to_string();
    return std::move(*log);
  }
  AuditEntry entry(std::string object) {
    AuditEntry made;
    made.actor = "admin";
    made.actor_kind = ActorKind::kUser;
    made.action = "key.create";
    made.object = std::move(object);
    made.address = "192.0.2.1";
    made.details = {{"name", "search"}};
    return made;
  }
  void write(AuditLog& log, int count) {
    for (int i = 0; i < count; ++i) {
      clock_.now_ns += 1000;
      ASSERT_TRUE(log.append(entry(std::to_string(i))).ok());
    }
  }
  AuditReport verify() { return *verify_audit(log_, &catalog_); }
  // Replaces one attribute of an entry.
  void tamper(size_t index, std::string_view name, model::Value value) {
    const model::Record old = log_.entries[index].record.view();
    std::vector<model::Attribute> attributes(old.attributes.begin(), old.attributes.end());
    for (model::Attribute& attribute : attributes) {
      if (attribute.name == name) attribute.value = value;
    }
    log_.entries[index].record =
        model::OwnedRecord({old.time_ns, old.severity, old.body, attributes});
  }

  FakeClock clock_;
  model::Registry registry_;
  MemoryCatalog catalog_;
  MemoryLog log_;
};

TEST_F(AuditTest, WholeChain) {
  write(*open(), 200);
  const AuditReport report = verify();
  EXPECT_TRUE(report.intact) << report.broken_reason;
  EXPECT_EQ(report.entries, 200u);
  EXPECT_EQ(report.first_sequence, 1u);
  EXPECT_EQ(report.anchors_passed, 3u);
}

TEST_F(AuditTest, EmptyIsIntact) { EXPECT_TRUE(verify().intact); }

TEST_F(AuditTest, EveryFieldIsCovered) {
  write(*open(), 5);
  const struct {
    std::string_view name;
    model::Value value;
  } changes[] = {{"actor", "eve"},    {"actor_kind", "key"},  {"action", "key.revoke"},
                 {"object", "other"}, {"outcome", "refused"}, {"address", "10.0.0.1"},
                 {"details", "{}"},   {"count", int64_t{2}},  {"sequence", int64_t{9}},
                 {"prev", "00"},      {"hash", "00"}};
  for (const auto& change : changes) {
    const auto saved = log_.entries[2];
    tamper(2, change.name, change.value);
    const AuditReport report = verify();
    EXPECT_FALSE(report.intact) << change.name;
    EXPECT_EQ(report.broken_sequence, 3u) << change.name;
    EXPECT_EQ(report.broken_position, 3u) << change.name;
    log_.entries[2] = saved;
    EXPECT_TRUE(verify().intact);
  }
  const model::Record old = log_.entries[2].record.view();
  log_.entries[2].record =
      model::OwnedRecord({old.time_ns + 1, old.severity, old.body, old.attributes});
  EXPECT_EQ(verify().broken_sequence, 3u);
}

TEST_F(AuditTest, RemovalInsertionAndOrder) {
  write(*open(), 6);
  const auto saved = log_.entries;
  log_.entries.erase(log_.entries.begin() + 3);
  EXPECT_EQ(verify().broken_sequence, 4u);
  log_.entries = saved;
  log_.entries.insert(log_.entries.begin() + 3, saved[1]);
  EXPECT_FALSE(verify().intact);
  log_.entries = saved;
  std::swap(log_.entries[2], log_.entries[3]);
  EXPECT_EQ(verify().broken_sequence, 3u);
}

TEST_F(AuditTest, RetentionCutsTheBeginning) {
  write(*open(), 200);
  log_.entries.erase(log_.entries.begin(), log_.entries.begin() + 100);
  const AuditReport report = verify();
  EXPECT_TRUE(report.intact) << report.broken_reason;
  EXPECT_EQ(report.first_sequence, 101u);
  EXPECT_EQ(report.anchors_passed, 2u);
  write(*open(), 10);
  EXPECT_TRUE(verify().intact);
}

TEST_F(AuditTest, CutAtTheEndIsFound) {
  auto log = open();
  write(*log, 100);
  ASSERT_TRUE(log->flush().ok());
  log_.entries.resize(90, log_.entries.front());
  EXPECT_EQ(verify().broken_sequence, 91u);
  // It stays found after the process went on.
  write(*open(), 5);
  EXPECT_EQ(verify().broken_sequence, 91u);
}

TEST_F(AuditTest, AChainWrittenAnewIsFound) {
  write(*open(), 100);  // an anchor at 64
  MemoryCatalog other;
  log_.entries.clear();
  auto forged = AuditLog::open(log_, log_, other, clock_, registry_);
  write(**forged, 100);
  EXPECT_TRUE(verify_audit(log_, nullptr)->intact);
  EXPECT_EQ(verify().broken_sequence, 64u);
}

// A Loop writes them, and the catalog waits for the disk.
TEST_F(AuditTest, RefusalsStoreNoAnchor) {
  auto log = open();
  for (int i = 0; i < 150; ++i) {
    AuditEntry entry;
    entry.action = "authenticate";
    entry.address = "192.0.2." + std::to_string(i);
    ASSERT_TRUE(log->refused(std::move(entry)).ok());
  }
  EXPECT_EQ(verify().entries, 150u);
  EXPECT_EQ(verify().anchors_passed, 0u);
  ASSERT_TRUE(log->flush().ok());
  EXPECT_EQ(verify().anchors_passed, 1u);
}

TEST_F(AuditTest, LeftEntriesAreTakenOnceAndInOrder) {
  for (const char* name : {"first", "second"}) {
    AuditEntry entry;
    entry.actor = "command line";
    entry.action = "key.create";
    entry.object = name;
    entry.details = {{"name", name}};
    ASSERT_TRUE(leave_audit_entry(catalog_, entry, 1'700'000'000'000'000'000).ok());
  }
  auto log = open();
  EXPECT_EQ(*take_left_entries(catalog_, *log), 2);
  EXPECT_EQ(*take_left_entries(catalog_, *log), 0);
  EXPECT_EQ(verify().entries, 2u);
  EXPECT_TRUE(verify().intact);
}

TEST_F(AuditTest, HeadIsRecoveredAfterAKill) {
  for (int i = 0; i < 10; ++i) write(*open(), 7);  // never flushed
  EXPECT_EQ(verify().entries, 70u);
  EXPECT_TRUE(verify().intact);
}

TEST_F(AuditTest, ClockJumpsDoNotMatter) {
  auto log = open();
  write(*log, 3);
  clock_.now_ns -= 500'000'000'000;
  write(*log, 3);
  write(*open(), 3);
  EXPECT_TRUE(verify().intact);
  EXPECT_EQ(verify().entries, 9u);
}

TEST_F(AuditTest, AFullDiskLeavesNoGap) {
  auto log = open();
  write(*log, 3);
  log_.full = true;
  EXPECT_EQ(log->append(entry("x")).code(), Code::kResourceExhausted);
  log_.full = false;
  write(*log, 3);
  EXPECT_TRUE(verify().intact);
  EXPECT_EQ(verify().entries, 6u);
}

TEST_F(AuditTest, ConcurrentAppendsMakeOneChain) {
  auto log = open();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 100; ++i) {
        if (!log->append(entry("x")).ok()) std::abort();
        if (!log->refused(entry("y")).ok()) std::abort();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  ASSERT_TRUE(log->flush(true).ok());
  EXPECT_TRUE(verify().intact);
  EXPECT_EQ(verify().entries, 402u);  // one refusal, and one for the other 399
}

TEST_F(AuditTest, RefusalsAreCountedTogether) {
  auto log = open();
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(log->refused(entry("same")).ok());
  EXPECT_EQ(log_.entries.size(), 1u);
  ASSERT_TRUE(log->flush().ok());
  EXPECT_EQ(log_.entries.size(), 1u);  // not due yet
  clock_.now_ns += AuditLog::kAggregateNs;
  ASSERT_TRUE(log->flush().ok());
  ASSERT_EQ(log_.entries.size(), 2u);
  EXPECT_EQ(log_.entries[1].record.view().integer("count"), 999);
  EXPECT_EQ(log_.entries[1].record.view().text("outcome"), "refused");
}

TEST_F(AuditTest, RefusalsCannotFillTheDisk) {
  auto log = open();
  for (int i = 0; i < 100'000; ++i) ASSERT_TRUE(log->refused(entry(std::to_string(i))).ok());
  ASSERT_TRUE(log->flush(true).ok());
  EXPECT_EQ(log_.entries.size(), 201u);
  EXPECT_EQ(log_.entries[200].record.view().integer("count"), 99'800);
  EXPECT_TRUE(verify().intact);
}

TEST_F(AuditTest, BytesFromOutsideAreTamed) {
  auto log = open();
  AuditEntry odd = entry(std::string("\xff\xfe", 2) + std::string(5000, 'x'));
  odd.details = {{"k\"", "v\n\x80"}};
  ASSERT_TRUE(log->append(odd).ok());
  EXPECT_TRUE(verify().intact) << verify().broken_reason;
  const auto read = audit_entry(log_.entries[0].record.view());
  EXPECT_EQ(read->object.size(), AuditLog::kFieldBytesMax);
  EXPECT_EQ(read->details[0].second, "v\n?");
}

}  // namespace
}  // namespace gatehouse::identity

// crash_record_log [rounds]: kills a writer of the record log at random moments,
// also while it rotates, syncs and seals, and checks after each that
// every acknowledged record is there, in order and whole.
#include "store/record_log.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>

#include "base/log.h"
#include "killed.h"

using namespace gatehouse;

namespace {

store::RecordLogOptions options_of(const std::string& directory) {
  store::RecordLogOptions options;
  options.directory = directory;
  options.segment_bytes = 2 << 20;  // so that a round rotates several times
  options.sync_interval_ms = 5;
  return options;
}

std::string body_of(uint64_t number) {
  return std::string(number % 700, static_cast<char>('a' + number % 26));
}

void write_until_killed(const std::string& directory, uint64_t next,
                        const crash::Acknowledge& acknowledge) {
  auto log = store::RecordLog::open(options_of(directory));
  if (!log.ok()) {
    std::fprintf(stderr, "%s\n", log.status().to_string().c_str());
    return;
  }
  const model::StreamId stream = *(*log)->stream({{"kind", "crash"}});
  for (;;) {
    std::vector<std::string> bodies;
    std::vector<model::Attribute> numbers;
    const uint64_t count = 1 + next % 20;
    for (uint64_t i = 0; i < count; ++i) {
      bodies.push_back(body_of(next + i));
      numbers.push_back({"number", static_cast<int64_t>(next + i)});
    }
    std::vector<model::StreamRecord> batch;
    for (uint64_t i = 0; i < count; ++i) {
      batch.push_back(
          {stream, {static_cast<int64_t>(next + i), Severity::kInfo, bodies[i], {&numbers[i], 1}}});
    }
    if (!(*log)->append(batch).ok()) return;
    next += count;
    acknowledge(next - 1);
  }
}

// The number of the last record; ends the program where one is missing or wrong.
uint64_t verify(const std::string& directory, uint64_t acknowledged) {
  auto log = store::RecordLog::open(options_of(directory));
  if (!log.ok()) {
    std::fprintf(stderr, "%s\n", log.status().to_string().c_str());
    std::exit(1);
  }
  uint64_t expected = 1;
  const Status status =
      (*log)->read({}, {}, model::Order::kOldestFirst,
                   [&](const model::Labels&, const model::Record& record, model::Position) {
                     const auto number = static_cast<uint64_t>(record.integer("number"));
                     if (number != expected || record.body != body_of(number)) {
                       std::fprintf(stderr, "expected record %llu, found %llu\n",
                                    static_cast<unsigned long long>(expected),
                                    static_cast<unsigned long long>(number));
                       std::exit(1);
                     }
                     ++expected;
                     return true;
                   });
  const auto stats = (*log)->stats();
  if (!status.ok() || expected <= acknowledged || stats.damaged_files > 0) {
    std::fprintf(stderr, "acknowledged %llu, found %llu, damaged files %llu: %s\n",
                 static_cast<unsigned long long>(acknowledged),
                 static_cast<unsigned long long>(expected - 1),
                 static_cast<unsigned long long>(stats.damaged_files), status.to_string().c_str());
    std::exit(1);
  }
  return expected - 1;
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 100;
  set_log_severity(Severity::kError);
  char scratch[] = "/tmp/gatehouse_crash_XXXXXX";
  if (::mkdtemp(scratch) == nullptr) return 1;
  std::mt19937_64 random(20240607);
  uint64_t last = 0;
  uint64_t total = 0;
  for (int round = 0; round < rounds; ++round) {
    // A fresh directory now and then, as reading it all back takes longer each time.
    const std::string directory = std::string(scratch) + "/" + std::to_string(round / 10);
    if (round % 10 == 0) {
      std::filesystem::remove_all(std::string(scratch) + "/" + std::to_string(round / 10 - 1));
      last = 0;
    }
    const uint64_t before = last;
    const auto after_us = static_cast<int64_t>(random() % 30'000);
    const uint64_t acknowledged =
        crash::run_and_kill(after_us, [&](const crash::Acknowledge& acknowledge) {
          write_until_killed(directory, last + 1, acknowledge);
        });
    last = verify(directory, std::max(acknowledged, before));
    total += last - before;
  }
  std::filesystem::remove_all(scratch);
  std::printf("crash_record_log: %d kills, %llu records, none acknowledged lost\n", rounds,
              static_cast<unsigned long long>(total));
}

// crash_metric_store [rounds]: kills a writer of the store of samples at random
// moments, also while it writes snapshots, flushes and compacts, and checks after
// each that every acknowledged sample is there, with its value, and nothing else.
#include "store/metric_store.h"

#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/log.h"
#include "killed.h"

using namespace gatehouse;

namespace {

constexpr size_t kSeries = 40;

// Sample `number` of every series: five minutes after the one before, so that a
// round goes through several blocks.
int64_t time_of(uint64_t number) {
  return 1'600'000'000'000 + static_cast<int64_t>(number) * 300'000;
}
double value_of(size_t series, uint64_t number) {
  const auto steps = static_cast<double>(number * (series + 1));
  return series % 3 == 0 ? std::sqrt(steps) : steps;
}

store::MetricStoreOptions options_of(const std::string& directory) {
  store::MetricStoreOptions options;
  options.directory = directory;
  options.sync_interval_ms = 5;
  options.snapshot_wal_bytes = 16 << 10;
  options.retention_ms = 0;
  options.background = false;
  return options;
}

struct AllLabels {
  AllLabels() {
    for (size_t i = 0; i < kSeries; ++i) ids.push_back(std::to_string(i));
    for (const std::string& id : ids) views.push_back({{"__name__", "crash"}, {"id", id}});
  }
  std::vector<std::string> ids;
  std::vector<std::vector<model::LabelView>> views;
};

void write_until_killed(const std::string& directory, uint64_t next,
                        const crash::Acknowledge& acknowledge) {
  MemoryBudget budget(int64_t{1} << 30);
  auto store = store::MetricStore::open(budget, options_of(directory));
  if (!store.ok()) {
    std::fprintf(stderr, "%s\n", store.status().to_string().c_str());
    return;
  }
  // Upkeep runs beside the appends without a pause, so that most kills fall into it.
  std::thread upkeep([&] {
    for (;;) {
      (void)(*store)->upkeep();
      ::usleep(100);
    }
  });
  const AllLabels labels;
  for (;; ++next) {
    std::vector<model::Sample> samples(kSeries);
    std::vector<model::SeriesAppend> batch(kSeries);
    for (size_t i = 0; i < kSeries; ++i) {
      samples[i] = {time_of(next), value_of(i, next), 0};
      batch[i].labels = labels.views[i];
      batch[i].samples = std::span(&samples[i], 1);
    }
    const auto outcome = (*store)->append(batch, {});
    if (!outcome.ok() || outcome->refused() > 0) break;
    acknowledge(next);
  }
  std::fprintf(stderr, "an append failed\n");
  std::_Exit(1);
}

void fail(const char* what, size_t series, uint64_t number) {
  std::fprintf(stderr, "%s: series %zu, sample %llu\n", what, series,
               static_cast<unsigned long long>(number));
  std::exit(1);
}

// The number of the last sample; ends the program where one is missing or wrong.
uint64_t verify(const std::string& directory, uint64_t acknowledged) {
  MemoryBudget budget(int64_t{1} << 30);
  auto store = store::MetricStore::open(budget, options_of(directory));
  if (!store.ok() || !(*store)->recovery().damaged.empty()) {
    std::fprintf(stderr, "%s %s\n", store.status().to_string().c_str(),
                 store.ok() ? (*store)->problem().c_str() : "");
    std::exit(1);
  }
  model::QueryContext context(budget, INT64_MAX, INT64_MAX);
  const model::Matcher name(model::Matcher::Op::kEqual, "__name__", "crash");
  auto set = (*store)->select(std::span(&name, 1), {}, model::SeriesOrder::kAny, context);
  if (!set.ok()) fail(set.status().to_string().c_str(), 0, 0);
  if (acknowledged > 0 && (*set)->size() != kSeries) fail("series are missing", (*set)->size(), 0);
  uint64_t last = 0;
  model::SampleColumns columns;
  for (size_t i = 0; i < (*set)->size(); ++i) {
    const auto series =
        static_cast<size_t>(std::stoul(std::string(model::find_label((*set)->labels(i), "id"))));
    if (!(*set)->samples(i, columns).ok()) fail("samples cannot be read", series, 0);
    if (columns.size() < acknowledged)
      fail("an acknowledged sample is lost", series, columns.size() + 1);
    for (size_t at = 0; at < columns.size(); ++at) {
      if (columns.times_ms[at] != time_of(at + 1) ||
          columns.values[at] != value_of(series, at + 1)) {
        fail("a wrong sample", series, at + 1);
      }
    }
    if (i > 0 && columns.size() != last) fail("half of a batch", series, columns.size());
    last = columns.size();
  }
  return last;
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
    const std::string directory = std::string(scratch) + "/" + std::to_string(round / 10);
    if (round % 10 == 0) {
      std::filesystem::remove_all(std::string(scratch) + "/" + std::to_string(round / 10 - 1));
      last = 0;
    }
    const uint64_t before = last;
    const auto after_us = static_cast<int64_t>(random() % 40'000);
    const uint64_t acknowledged =
        crash::run_and_kill(after_us, [&](const crash::Acknowledge& acknowledge) {
          write_until_killed(directory, last + 1, acknowledge);
        });
    last = verify(directory, std::max(acknowledged, before));
    total += (last - before) * kSeries;
  }
  std::filesystem::remove_all(scratch);
  std::printf("crash_metric_store: %d kills, %llu samples, none acknowledged lost\n", rounds,
              static_cast<unsigned long long>(total));
}

// metric_store [series] [samples] [batch]: what the store of samples costs: µs a
// sample (CPU) for batches of one sample a series, bytes a live series (resident
// memory), and a start after kill -9 at the end of the load, read by a child of its own.
// Defaults: 200,000 series of some 200 bytes of labels, 40 samples each, batches of 5,000.
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/random.h"
#include "store/metric_store.h"

using namespace gatehouse;

namespace {

double seconds(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

double resident_mib() {
  std::ifstream status("/proc/self/statm");
  double total = 0, resident = 0;
  status >> total >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE)) / (1 << 20);
}

// The labels of series `i`: 100 metrics of each of many pods.
struct SeriesLabels {
  explicit SeriesLabels(size_t i) {
    const size_t pod = i / 100;
    const size_t metric = i % 100;
    texts = {
        "container_memory_metric_" + std::to_string(metric) +
            (metric % 3 == 0 ? "_total" : "_bytes"),
        "cluster-eu-1",
        "app-" + std::to_string(pod % 20),
        "10." + std::to_string(pod % 256) + "." + std::to_string(pod / 256) + ".7:9100",
        "kubernetes-pods",
        "namespace-" + std::to_string(pod % 10),
        "node-" + std::to_string(pod % 50) + ".eu-west.example",
        "app-" + std::to_string(pod % 20) + "-7d9f8b6c5-" + std::to_string(pod * 7919 % 100'000),
        "pool-" + std::to_string(metric % 4),
    };
    static constexpr const char* kNames[] = {"__name__",  "cluster", "container", "instance", "job",
                                             "namespace", "node",    "pod",       "pool"};
    for (size_t label = 0; label < texts.size(); ++label) {
      views.push_back({kNames[label], texts[label]});
    }
  }
  std::vector<std::string> texts;
  std::vector<model::LabelView> views;
};

store::MetricStoreOptions options_for(const std::string& directory) {
  store::MetricStoreOptions options;
  options.directory = directory;
  return options;
}

void load(const std::string& directory, size_t series_count, size_t samples, size_t batch_size) {
  MemoryBudget budget(int64_t{16} << 30);
  auto store = *store::MetricStore::open(budget, options_for(directory));
  store->wait_ready(60'000);
  std::vector<SeriesLabels> labels;
  labels.reserve(batch_size);
  std::vector<model::Sample> values(batch_size);
  std::vector<model::SeriesAppend> batch(batch_size);
  Random random(1);
  const double before_mib = resident_mib();
  const int64_t start_ms =
      model::system_clock().wall_ns() / 1'000'000 - static_cast<int64_t>(samples) * 15'000;
  double cpu = 0, cpu_new = 0, wall = 0;
  for (size_t sample = 0; sample < samples; ++sample) {
    for (size_t first = 0; first < series_count; first += batch_size) {
      labels.clear();
      const size_t count = std::min(batch_size, series_count - first);
      for (size_t i = 0; i < count; ++i) {
        const size_t series = first + i;
        labels.emplace_back(series);
        const auto at = static_cast<double>(sample);
        const auto noise = static_cast<double>(random.below(100));
        double value = 0;
        switch (series % 4) {
          case 0:
            value = std::floor(at * 150 + noise + static_cast<double>(series));
            break;                                                           // counter
          case 1: value = 1e9 + 4096 * noise; break;                         // bytes in use
          case 2: value = std::round(at * 1.5e3 + noise * 10) / 100; break;  // seconds
          default: value = static_cast<double>(series % 7); break;           // constant
        }
        values[i] = {start_ms + static_cast<int64_t>(sample) * 15'000, value, 0};
        batch[i] = {};
        batch[i].labels = labels.back().views;
        batch[i].samples = std::span(&values[i], 1);
      }
      const double cpu_before = seconds(CLOCK_PROCESS_CPUTIME_ID);
      const double wall_before = seconds(CLOCK_MONOTONIC);
      const auto outcome = store->append(std::span(batch).first(count), {});
      if (!outcome.ok() || outcome->refused() > 0) {
        std::fprintf(stderr, "append: %s %s\n", outcome.status().to_string().c_str(),
                     outcome.ok() ? outcome->first_refusal.c_str() : "");
        std::exit(1);
      }
      (sample == 0 ? cpu_new : cpu) += seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_before;
      wall += seconds(CLOCK_MONOTONIC) - wall_before;
    }
  }
  const double total = static_cast<double>(series_count * (samples - 1));
  const double used_mib = resident_mib() - before_mib;
  const store::MetricStoreStats stats = store->stats(0);
  std::printf(
      "%zu series x %zu, batches of %zu: %.3f us a sample, %.2f us a new series (CPU); "
      "%.3f s in append\n",
      series_count, samples, batch_size, cpu / total * 1e6,
      cpu_new / static_cast<double>(series_count) * 1e6, wall);
  std::printf(
      "memory: %.1f MiB resident, %.0f B a series (%.1f MiB charged); log %.1f MiB, %llu "
      "snapshots\n",
      used_mib, used_mib * (1 << 20) / static_cast<double>(series_count),
      static_cast<double>(budget.used_bytes()) / (1 << 20),
      static_cast<double>(stats.wal_bytes) / (1 << 20),
      static_cast<unsigned long long>(stats.snapshots));
  std::fflush(stdout);
  ::kill(::getpid(), SIGKILL);
}

void start_again(const std::string& directory, size_t series_count, size_t samples) {
  MemoryBudget budget(int64_t{16} << 30);
  const double begin = seconds(CLOCK_MONOTONIC);
  const double cpu_begin = seconds(CLOCK_PROCESS_CPUTIME_ID);
  auto store = *store::MetricStore::open(budget, options_for(directory));
  store->wait_ready(60'000);
  const double ready = seconds(CLOCK_MONOTONIC) - begin;
  const double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_begin;
  model::QueryContext context(budget, INT64_MAX, INT64_MAX);
  const model::Matcher all = *model::Matcher::create(model::Matcher::Op::kRegex, "__name__", ".+");
  auto set = *store->select(std::span(&all, 1), {}, model::SeriesOrder::kAny, context);
  uint64_t found = 0;
  model::SampleColumns columns;
  for (size_t i = 0; i < set->size(); ++i) {
    if (set->samples(i, columns).ok()) found += columns.size();
  }
  const double read = seconds(CLOCK_MONOTONIC) - begin - ready;
  std::printf(
      "start after kill -9: %.3f s (%.3f s CPU), %llu samples replayed; all read in %.3f s: "
      "%zu series, %llu samples%s; %.1f MiB resident\n",
      ready, cpu, static_cast<unsigned long long>(store->recovery().samples), read, set->size(),
      static_cast<unsigned long long>(found),
      found == series_count * samples ? "" : " (SOME ARE MISSING)", resident_mib());
  set.reset();
  store->finish();
}

}  // namespace

int main(int count, char** arguments) {
  set_log_severity(Severity::kWarning);
  const auto argument = [&](int index, size_t otherwise) {
    return count > index ? static_cast<size_t>(std::atoll(arguments[index])) : otherwise;
  };
  const size_t series = argument(1, 200'000);
  const size_t samples = argument(2, 40);
  const size_t batch = argument(3, 5'000);
  const std::string directory =
      (std::filesystem::temp_directory_path() / ("gatehouse-bench-" + std::to_string(::getpid())))
          .string();
  for (const bool loading : {true, false}) {
    const pid_t child = ::fork();
    if (child == 0) {
      loading ? load(directory, series, samples, batch) : start_again(directory, series, samples);
      std::fflush(stdout);
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) != 0) return 1;
  }
  std::filesystem::remove_all(directory);
  return 0;
}

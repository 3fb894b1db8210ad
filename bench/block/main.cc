// A block as compaction makes it and queries read it: two loads of realistic values
// under 200 bytes of labels a series, written to a real disk, opened, selected from
// and read. Ends with a line a load.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "base/random.h"
#include "store/block/block.h"
#include "store/block/block_writer.h"
#include "store/real_disk.h"

namespace {

using namespace gatehouse;
using namespace gatehouse::store;
using model::LabelView;
using model::Matcher;

constexpr int64_t kStartMs = 1'700'000'000'000;

double now_ms() {
  return std::chrono::duration<double, std::milli>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// Anonymous memory of the process, from the kernel.
double anonymous_mib() {
  std::ifstream status("/proc/self/status");
  std::string line;
  while (std::getline(status, line)) {
    if (line.starts_with("RssAnon:")) return std::stod(line.substr(8)) / 1024;
  }
  return 0;
}

double normal(Random& random) {
  return std::sqrt(-2 * std::log(1 - random.uniform())) * std::cos(6.283185307 * random.uniform());
}
double poisson(Random& random, double mean) {
  return std::max(0.0, std::round(mean + std::sqrt(mean) * normal(random)));
}

struct Load {
  const char* name;
  int targets;
  size_t rows;
};

// A target: 12 histograms of 12 buckets with a count, 20 counters, 24 gauges: 200 series.
class Target {
 public:
  static constexpr int kHistograms = 12;
  static constexpr int kBuckets = 12;
  static constexpr int kCounters = 20;
  static constexpr int kGauges = 24;

  Target(uint64_t seed, size_t rows) : random_(seed), rows_(rows) {}

  struct Series {
    std::string name;
    std::string bound;
    int path;
    std::vector<double> values;
  };

  std::vector<Series> series() {
    std::vector<Series> out;
    for (int h = 0; h < kHistograms; ++h) add_histogram(h, out);
    for (int c = 0; c < kCounters; ++c) {
      const double rate = std::exp(random_.uniform() * 8 - 1);
      double total = std::floor(random_.uniform() * 1e6);
      Series one{"requests_" + std::to_string(c) + "_total", "", c % 5, {}};
      for (size_t i = 0; i < rows_; ++i) one.values.push_back(total += poisson(random_, rate));
      out.push_back(std::move(one));
    }
    for (int g = 0; g < kGauges; ++g) {
      const double unit = std::pow(10.0, g % 4);
      double value = random_.uniform() * 100;
      Series one{"gauge_" + std::to_string(g), "", g % 5, {}};
      for (size_t i = 0; i < rows_; ++i) {
        value += normal(random_) * 0.3;
        one.values.push_back(std::round(value * unit) / unit);
      }
      out.push_back(std::move(one));
    }
    return out;
  }

 private:
  void add_histogram(int h, std::vector<Series>& out) {
    static const char* const kBounds[kBuckets] = {"0.005", "0.01", "0.025", "0.05", "0.1", "0.25",
                                                  "0.5",   "1",    "2.5",   "5",    "10",  "+Inf"};
    const double rate = std::exp(random_.uniform() * 5);
    std::vector<Series> buckets;
    for (const char* bound : kBounds) buckets.push_back({"latency_seconds_bucket", bound, h, {}});
    Series count{"latency_seconds_count", "", h, {}};
    std::vector<double> totals(kBuckets);
    for (size_t i = 0; i < rows_; ++i) {
      double sum = 0;
      for (int b = 0; b < kBuckets; ++b) {
        const double off = (b - 5) / 1.8;
        totals[static_cast<size_t>(b)] += poisson(random_, rate * 0.22 * std::exp(-off * off / 2));
        sum += totals[static_cast<size_t>(b)];
        buckets[static_cast<size_t>(b)].values.push_back(sum);
      }
      count.values.push_back(sum);
    }
    for (Series& bucket : buckets) out.push_back(std::move(bucket));
    out.push_back(std::move(count));
  }

  Random random_;
  size_t rows_;
};

struct Labelled {
  std::vector<std::string> texts;
  std::vector<LabelView> labels;
  int target;
  size_t series;
};

[[noreturn]] void fail(const Status& status) {
  std::fprintf(stderr, "block: %s\n", status.to_string().c_str());
  std::exit(1);
}

std::vector<Labelled> labels_of(const Load& load) {
  std::vector<Labelled> all;
  Target sample(0, 1);
  const std::vector<Target::Series> series = sample.series();
  for (int target = 0; target < load.targets; ++target) {
    const std::string number = std::to_string(target);
    for (size_t s = 0; s < series.size(); ++s) {
      Labelled one;
      one.target = target;
      one.series = s;
      one.texts = {"__name__",  series[s].name,
                   "cluster",   "production-eu-west-1",
                   "container", "inference-gateway",
                   "instance",  "10.0." + number + ":9090",
                   "job",       "kubernetes-pods",
                   "le",        series[s].bound,
                   "namespace", "ml-serving-" + std::to_string(target % 7),
                   "node",      "ip-10-0-" + std::to_string(target % 50) + ".eu-west-1.internal",
                   "path",      "/v1/models/" + std::to_string(series[s].path) + "/infer",
                   "pod",       "inference-gateway-7d9f8b6c5-" + number};
      all.push_back(std::move(one));
    }
  }
  for (Labelled& one : all) {
    for (size_t i = 0; i < one.texts.size(); i += 2) {
      if (!one.texts[i + 1].empty()) one.labels.push_back({one.texts[i], one.texts[i + 1]});
    }
  }
  std::sort(all.begin(), all.end(), [](const Labelled& a, const Labelled& b) {
    return compare_labels(a.labels, b.labels) < 0;
  });
  return all;
}

void query(const Block& block, const char* what, std::vector<Matcher> matchers,
           model::TimeRangeMs range) {
  MemoryBudget budget(int64_t{1} << 32);
  std::vector<double> select_ms;
  std::vector<double> read_ms;
  size_t samples = 0;
  size_t series = 0;
  for (int round = 0; round < 5; ++round) {
    model::QueryContext context(budget, INT64_MAX, INT64_MAX);
    const double began = now_ms();
    const auto set = block.select(matchers, range, model::SeriesOrder::kAny, context);
    if (!set.ok()) fail(set.status());
    const double selected = now_ms();
    model::SampleColumns out;
    samples = 0;
    series = (*set)->size();
    for (size_t i = 0; i < series; ++i) {
      if (const Status status = (*set)->samples(i, out); !status.ok()) fail(status);
      samples += out.size();
    }
    select_ms.push_back(selected - began);
    read_ms.push_back(now_ms() - selected);
  }
  std::sort(select_ms.begin(), select_ms.end());
  std::sort(read_ms.begin(), read_ms.end());
  std::printf(
      "  %-28s %7zu series, %9zu samples: select %7.2f ms, read %8.2f ms (%.2f ns/sample)\n", what,
      series, samples, select_ms[2], read_ms[2],
      read_ms[2] * 1e6 / static_cast<double>(std::max<size_t>(samples, 1)));
}

void run(const Load& load, const std::string& directory) {
  std::vector<std::vector<Target::Series>> targets;
  for (int t = 0; t < load.targets; ++t) {
    targets.push_back(Target(static_cast<uint64_t>(t) + 1, load.rows).series());
  }
  const std::vector<Labelled> all = labels_of(load);
  model::Disk& disk = real_disk();
  MemoryBudget budget(int64_t{1} << 32);
  BlockWriter::Options options;
  Random random(9);
  options.id = new_block_id(kStartMs, random);
  const double memory = anonymous_mib();
  double began = now_ms();
  auto writer = BlockWriter::create(disk, budget, directory, options);
  if (!writer.ok()) fail(writer.status());
  model::SampleColumns columns;
  for (const Labelled& one : all) {
    columns.clear();
    columns.values = targets[static_cast<size_t>(one.target)][one.series].values;
    for (size_t i = 0; i < load.rows; ++i) {
      columns.times_ms.push_back(kStartMs + one.target * 137 + static_cast<int64_t>(i) * 15000);
    }
    if (const Status status = (*writer)->add(one.labels, columns); !status.ok()) fail(status);
  }
  const auto meta = (*writer)->finish();
  if (!meta.ok()) fail(meta.status());
  const double write_ms = now_ms() - began;
  const double writing = anonymous_mib() - memory;
  const int64_t charged = budget.used_bytes();
  writer->reset();
  const double before = anonymous_mib();
  began = now_ms();
  const auto block = Block::open(disk, directory, options.id);
  if (!block.ok()) fail(block.status());
  const double open_ms = now_ms() - began;
  const double opened = anonymous_mib() - before;
  const auto samples = static_cast<double>(meta->samples);
  std::printf(
      "%s: wrote at %.0f ns/sample, %.1f MiB more memory (%.1f MiB charged), opened in "
      "%.1f ms with %.2f MiB\n",
      load.name, write_ms * 1e6 / samples, writing, static_cast<double>(charged) / (1 << 20),
      open_ms, opened);
  const model::TimeRangeMs whole{};
  const int64_t middle = kStartMs + static_cast<int64_t>(load.rows) * 7500;
  const auto equal = [](const char* name, const char* value) {
    return Matcher(Matcher::Op::kEqual, name, value);
  };
  query(**block, "buckets, all", {equal("__name__", "latency_seconds_bucket")}, whole);
  query(**block, "buckets, 5 minutes", {equal("__name__", "latency_seconds_bucket")},
        {middle, middle + 300'000});
  query(**block, "a counter, all", {equal("__name__", "requests_3_total")}, whole);
  query(**block, "by pattern",
        {*Matcher::create(Matcher::Op::kRegex, "__name__", "gauge_.*"),
         *Matcher::create(Matcher::Op::kRegex, "pod", ".*-1[0-9]")},
        whole);
  std::printf("block: %s %.3f B/sample of the whole file\n", load.name,
              static_cast<double>(meta->bytes) / samples);
  if (const Status status = remove_block(disk, directory, options.id); !status.ok()) fail(status);
}

}  // namespace

int main() {
  const std::string directory = "/tmp/gatehouse-bench-block-" + std::to_string(::getpid());
  if (const Status status = real_disk().make_directory(directory); !status.ok()) fail(status);
  run({"20,000 series x 8 h", 100, 1920}, directory);
  run({"100,000 series x 40", 500, 40}, directory);
  ::rmdir(directory.c_str());
  return 0;
}

// How long the evaluator of PromQL takes by itself: the queries of `bench/run
// metrics` over series that are made up while they are read, so that no store is
// measured. Prints the median of several runs of each, by the clock and in CPU time.
//
//   promql [SERIES [TEXT]]   20,000 series of 8 hours at 15 s unless said otherwise;
//                            the queries that contain TEXT alone
#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "base/budget.h"
#include "lang/promql/engine.h"
#include "lang/promql/parser.h"
#include "model/series.h"

namespace {

using namespace gatehouse;

constexpr int64_t kEndMs = 1'700'000'000'000;
constexpr int64_t kSpanMs = 8 * 3600 * 1000;
constexpr int64_t kScrapeMs = 15'000;
constexpr int kRuns = 5;

struct MadeUp {
  std::vector<std::string> texts;  // names and values, one after the other
  std::vector<model::LabelView> labels;
  bool counter = true;
  double slope = 1;
};

class Reader : public model::SampleReader {
 public:
  explicit Reader(size_t series) {
    static const char* const kBounds[] = {"0.005", "0.01", "0.025", "0.05", "0.1",
                                          "0.25",  "0.5",  "1",     "2.5",  "+Inf"};
    for (size_t i = 0; i < series; ++i) add("requests_total", i, nullptr, true);
    for (size_t i = 0; i < series; ++i) add("memory_bytes", i, nullptr, false);
    for (size_t i = 0; i < 2000; ++i) add("latency_seconds_bucket", i / 10, kBounds[i % 10], true);
  }

  class Set : public model::SeriesSet {
   public:
    std::vector<const MadeUp*> series;
    model::TimeRangeMs range;
    size_t size() const override { return series.size(); }
    model::LabelsView labels(size_t i) const override { return series[i]->labels; }
    Status samples(size_t i, model::SampleColumns& out) const override {
      out.clear();
      const int64_t first = std::max(range.begin_ms, kEndMs - kSpanMs);
      const int64_t last = std::min(range.end_ms, kEndMs);
      const int64_t begin = (first + kScrapeMs - 1) / kScrapeMs * kScrapeMs;
      const auto count = last < begin ? 0 : static_cast<size_t>((last - begin) / kScrapeMs) + 1;
      out.times_ms.resize(count);
      out.values.resize(count);
      const MadeUp& one = *series[i];
      for (size_t k = 0; k < count; ++k) {
        const int64_t time = begin + static_cast<int64_t>(k) * kScrapeMs;
        out.times_ms[k] = time;
        const auto tick = static_cast<double>((time - (kEndMs - kSpanMs)) / kScrapeMs);
        out.values[k] = one.counter ? tick * one.slope : static_cast<double>((time >> 10) & 0x3ff);
      }
      return {};
    }
  };

  Result<std::unique_ptr<model::SeriesSet>> select(std::span<const model::Matcher> matchers,
                                                   model::TimeRangeMs range, model::SeriesOrder,
                                                   model::QueryContext&) const override {
    auto set = std::make_unique<Set>();
    set->range = range;
    for (const auto& one : series_) {
      bool wanted = true;
      for (const model::Matcher& matcher : matchers) {
        wanted = wanted && matcher.matches(model::find_label(one->labels, matcher.name()));
      }
      if (wanted) set->series.push_back(one.get());
    }
    return std::unique_ptr<model::SeriesSet>(std::move(set));
  }
  Result<std::vector<std::string>> label_names(std::span<const model::Matcher>, model::TimeRangeMs,
                                               size_t, model::QueryContext&) const override {
    return std::vector<std::string>();
  }
  Result<std::vector<std::string>> label_values(std::string_view, std::span<const model::Matcher>,
                                                model::TimeRangeMs, size_t,
                                                model::QueryContext&) const override {
    return std::vector<std::string>();
  }
  std::vector<std::pair<std::string, model::MetricMetadata>> metadata(std::string_view,
                                                                      size_t) const override {
    return {};
  }
  Result<std::vector<SeriesExemplars>> exemplars(std::span<const model::Selector>,
                                                 model::TimeRangeMs) const override {
    return std::vector<SeriesExemplars>();
  }

 private:
  void add(const char* metric, size_t i, const char* bound, bool counter) {
    auto one = std::make_unique<MadeUp>();
    one->counter = counter;
    one->slope = 1 + static_cast<double>(i % 97);
    const auto label = [&one](std::string name, std::string value) {
      one->texts.push_back(std::move(name));
      one->texts.push_back(std::move(value));
    };
    label("__name__", metric);
    label("cluster", "production-europe-west-1");
    label("container", "application-server");
    label("instance", "10.0." + std::to_string(i / 250) + "." + std::to_string(i % 250) + ":8080");
    label("job", "job-" + std::to_string(i % 20));
    if (bound != nullptr) label("le", bound);
    label("namespace", "team-" + std::to_string(i % 50));
    label("pod", "application-server-7d9f8b6c5-" + std::to_string(i));
    for (size_t at = 0; at < one->texts.size(); at += 2) {
      one->labels.push_back({one->texts[at], one->texts[at + 1]});
    }
    series_.push_back(std::move(one));
  }

  std::vector<std::unique_ptr<MadeUp>> series_;
};

class Threads : public promql::Parallel {
 public:
  void run(size_t parts, const std::function<void(size_t)>& work) override {
    std::vector<std::thread> threads;
    for (size_t part = 1; part < parts; ++part) threads.emplace_back(work, part);
    work(0);
    for (std::thread& thread : threads) thread.join();
  }
};

struct Cost {
  double wall_ms = 0;
  double cpu_ms = 0;
};

double cpu_ms() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

Cost once(const Reader& reader, const std::string& query, int64_t span_ms, int64_t step_ms,
          int threads) {
  MemoryBudget budget(int64_t{16} << 30);
  model::QueryContext context(budget, INT64_MAX, INT64_MAX);
  promql::QueryOptions options;
  options.threads = threads;
  Threads parallel;
  const double cpu_begin = cpu_ms();
  const auto begin = std::chrono::steady_clock::now();
  const auto expr = promql::parse(query);
  if (!expr.ok()) {
    std::fprintf(stderr, "%s: %s\n", query.c_str(), expr.status().message().c_str());
    std::exit(1);
  }
  const auto value =
      span_ms == 0
          ? promql::evaluate_instant(**expr, query, kEndMs, options, reader, context, &parallel)
          : promql::evaluate_range(**expr, query, kEndMs - span_ms, kEndMs, step_ms, options,
                                   reader, context, &parallel);
  const auto end = std::chrono::steady_clock::now();
  if (!value.ok() || value->series.empty()) {
    std::fprintf(stderr, "%s: %s\n", query.c_str(), value.status().message().c_str());
    std::exit(1);
  }
  return {std::chrono::duration<double, std::milli>(end - begin).count(), cpu_ms() - cpu_begin};
}

}  // namespace

int main(int argc, char** argv) {
  const size_t series = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 20'000;
  const Reader reader(series);
  struct Query {
    const char* text;
    int64_t span_ms;
    int64_t step_ms;
  };
  constexpr int64_t kHour = 3'600'000;
  const Query queries[] = {
      {"histogram_quantile(0.99, sum by (le, job) (rate(latency_seconds_bucket[5m])))", 0, 0},
      {"histogram_quantile(0.99, sum by (le, job) (rate(latency_seconds_bucket[5m])))", kHour,
       15'000},
      {"sum by (job) (rate(requests_total[5m]))", 8 * kHour - 300'000, 60'000},
      {"count by (__name__) ({__name__=~\"requests_total|memory_bytes\"})", 0, 0},
      {"topk(10, rate(requests_total[5m]))", 0, 0},
      {"topk(10, rate(requests_total[5m]))", kHour, 60'000},
      {"max(max_over_time(memory_bytes[8h]))", 0, 0},
      {"max(max_over_time(memory_bytes[1h]))", 4 * kHour, 60'000},
      {"max(sum_over_time(memory_bytes[1h]))", 4 * kHour, 60'000},
      {"max_over_time(sum by (job) (rate(requests_total[5m]))[1h:1m])", 0, 0},
      {"sum(requests_total / on (instance, pod) memory_bytes)", kHour, 60'000},
  };
  for (const Query& query : queries) {
    if (argc > 2 && std::string_view(query.text).find(argv[2]) == std::string_view::npos) continue;
    for (const int threads : {1, 2}) {
      std::vector<double> walls;
      std::vector<double> cpus;
      for (int run = 0; run < kRuns; ++run) {
        const Cost cost = once(reader, query.text, query.span_ms, query.step_ms, threads);
        walls.push_back(cost.wall_ms);
        cpus.push_back(cost.cpu_ms);
      }
      std::sort(walls.begin(), walls.end());
      std::sort(cpus.begin(), cpus.end());
      std::printf("%9.2f ms  cpu %8.2f ms  %d thread%s  %s%s\n", walls[kRuns / 2], cpus[kRuns / 2],
                  threads, threads == 1 ? " " : "s", query.span_ms == 0 ? "" : "range ",
                  query.text);
    }
  }
  return 0;
}

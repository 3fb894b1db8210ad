// How fast scraped text is read: 100,000 samples as node_exporter and services with
// histograms write them. Prints the best of some rounds, in megabytes a second.
#include <chrono>
#include <cstdio>
#include <string>

#include "wire/exposition_text.h"

using namespace gatehouse;        // NOLINT: a program of one file
using namespace gatehouse::wire;  // NOLINT

namespace {

struct Count : MetricSink {
  size_t samples = 0;
  size_t labels = 0;
  bool metadata(const ScrapedMetadata&) override { return true; }
  bool sample(const ScrapedSample& sample) override {
    ++samples;
    labels += sample.labels.size();
    return true;
  }
};

std::string body(bool open) {
  std::string out =
      "# HELP http_request_duration_seconds How long.\n"
      "# TYPE http_request_duration_seconds histogram\n";
  const char* bounds[] = {"0.005", "0.01", "0.025", "0.05", "0.1",
                          "0.25",  "0.5",  "1",     "2.5",  "+Inf"};
  for (int i = 0; i < 10000; ++i) {
    for (int b = 0; b < 10; ++b) {
      out += "http_request_duration_seconds_bucket{handler=\"/api/v1/query_" + std::to_string(i) +
             "\",method=\"POST\",code=\"200\",le=\"" + bounds[b] + "\"} " +
             std::to_string(i * 131 + b * 7) + (i % 3 == 0 ? ".25\n" : "\n");
    }
  }
  if (open) out += "# EOF\n";
  return out;
}

}  // namespace

int main() {
  for (const bool open : {false, true}) {
    const std::string text = body(open);
    double best = 0;
    Count count;
    for (int round = 0; round < 20; ++round) {
      const auto begin = std::chrono::steady_clock::now();
      const Status status = parse_exposition_text(
          open ? ExpositionDialect::kOpenMetrics : ExpositionDialect::kPrometheus, text, {}, count);
      const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - begin;
      if (!status.ok()) return std::puts(status.message().c_str()), 1;
      best = std::max(best, static_cast<double>(text.size()) / 1e6 / spent.count());
    }
    std::printf("%-14s %6.0f MB/s, %zu bytes, %zu samples\n", open ? "OpenMetrics" : "text 0.0.4",
                best, text.size(), count.samples / 20);
  }
}

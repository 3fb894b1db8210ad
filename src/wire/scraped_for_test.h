// A MetricSink that writes down what it is given, a line each, for tests to compare.
#pragma once

#include <string>
#include <vector>

#include "wire/float_text.h"
#include "wire/metric_sink.h"

namespace gatehouse::wire {

struct ScrapedLines : MetricSink {
  std::vector<std::string> lines;
  size_t wanted = SIZE_MAX;

  bool metadata(const ScrapedMetadata& metadata) override {
    std::string line = "family " + std::string(metadata.family) + " ";
    line += name(metadata.type);
    if (!metadata.help.empty()) line += " help=" + std::string(metadata.help);
    if (!metadata.unit.empty()) line += " unit=" + std::string(metadata.unit);
    lines.push_back(line);
    return lines.size() < wanted;
  }

  bool sample(const ScrapedSample& sample) override {
    std::string line;
    for (const auto& [name, value] : sample.labels) {
      line += std::string(name) + "=" + std::string(value) + " ";
    }
    if (sample.histogram != nullptr) {
      write(line, *sample.histogram);
    } else {
      append_float(line, sample.value);
    }
    if (sample.time_ms) line += " @" + std::to_string(*sample.time_ms);
    if (sample.start_ms != 0) line += " start=" + std::to_string(sample.start_ms);
    for (const model::Exemplar& exemplar : sample.exemplars) {
      line += " exemplar={";
      for (const auto& [name, value] : exemplar.labels) {
        if (line.back() != '{') line += ",";
        line += name + "=" + value;
      }
      line += "} ";
      append_float(line, exemplar.value);
      if (exemplar.time_ms != 0) line += " @" + std::to_string(exemplar.time_ms);
    }
    lines.push_back(line);
    return lines.size() < wanted;
  }

 private:
  static void write(std::string& line, const model::NativeHistogram& histogram) {
    const auto number = [&](const char* what, double value) {
      line += what;
      append_float(line, value);
    };
    line += histogram.whole ? "{whole" : "{float";
    line += " schema:" + std::to_string(histogram.schema);
    number(" count:", histogram.count);
    number(" sum:", histogram.sum);
    number(" zero:", histogram.zero_count);
    number("/", histogram.zero_threshold);
    const auto side = [&](const char* what, const auto& spans, const auto& buckets) {
      if (spans.empty() && buckets.empty()) return;
      line += what;
      for (const auto& span : spans) {
        line += "(" + std::to_string(span.offset) + "," + std::to_string(span.length) + ")";
      }
      for (const double count : buckets) number(" ", count);
    };
    side(" positive:", histogram.positive_spans, histogram.positive_buckets);
    side(" negative:", histogram.negative_spans, histogram.negative_buckets);
    if (!histogram.bounds.empty()) line += " bounds:";
    for (const double bound : histogram.bounds) number(" ", bound);
    line += "}";
  }
};

}  // namespace gatehouse::wire

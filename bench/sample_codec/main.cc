// What samples take, in the head and in a block, and how long it takes to code them:
// a table of kinds of series, 1,920 samples each (8 h at 15 s), values made from a
// fixed seed. Ends with the mean over the kinds that real targets have.
#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "store/codec/sample_chunk.h"
#include "store/codec/sealed_chunk.h"
#include "store/codec/value_column.h"

namespace {

using namespace gatehouse;
using store::decode_sample_chunk;
using store::decode_values;
using store::SampleChunk;
using store::WholeColumn;

constexpr size_t kRows = 1920;
constexpr size_t kSeries = 120;
constexpr int64_t kStartMs = 1'700'000'000'000;

using Column = std::vector<double>;
struct Kind {
  const char* name;
  bool usual;  // counts towards the mean
  std::vector<Column> series;
};

std::mt19937_64 g_random(7);  // NOLINT: a benchmark repeats itself

double uniform(double low, double high) {
  return std::uniform_real_distribution<double>(low, high)(g_random);
}
double normal(double spread) { return std::normal_distribution<double>(0, spread)(g_random); }
double poisson(double mean) {
  return static_cast<double>(std::poisson_distribution<int64_t>(mean)(g_random));
}
double rounded(double value, int digits) {
  const double unit = std::pow(10.0, digits);
  return std::round(value * unit) / unit;
}

template <typename Make>
std::vector<Column> many(Make make) {
  std::vector<Column> series;
  for (size_t i = 0; i < kSeries; ++i) series.push_back(make());
  return series;
}

Column request_counter() {
  const double rate = std::exp(uniform(std::log(0.1), std::log(2000)));
  Column out;
  double total = std::floor(uniform(0, 1e7));
  for (size_t i = 0; i < kRows; ++i) out.push_back(total += poisson(rate));
  return out;
}

Column walk(int digits, double spread) {
  Column out;
  const double level = uniform(10, 100);
  double value = level;
  for (size_t i = 0; i < kRows; ++i) {
    value += normal(spread) + (level - value) * 0.02;
    out.push_back(rounded(value, digits));
  }
  return out;
}

Column memory() {
  Column out;
  double pages = std::floor(uniform(2000, 500000));
  for (size_t i = 0; i < kRows; ++i) {
    if (uniform(0, 1) < 0.6) pages = std::max(100.0, pages + std::round(normal(40)));
    out.push_back(pages * 4096);
  }
  return out;
}

Column cpu_seconds(int digits) {
  Column out;
  double value = uniform(0, 1e5);
  const double busy = uniform(0.01, 1);
  for (size_t i = 0; i < kRows; ++i) {
    value += 15 * std::clamp(busy + normal(0.05), 0.0, 1.0);
    out.push_back(rounded(value, digits));
  }
  return out;
}

// Twelve buckets of one histogram after another, as the block has them side by side.
std::vector<Column> buckets() {
  std::vector<Column> series;
  const double bounds[] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 1e9};
  while (series.size() < kSeries) {
    const double rate = std::exp(uniform(std::log(1), std::log(300)));
    const double middle = uniform(-4, -1);
    double below = 0;
    std::vector<double> share;
    for (const double bound : bounds) {
      const double upto = 0.5 * std::erfc(-(std::log(bound) - middle) / 0.8 / std::sqrt(2.0));
      share.push_back(upto - below);
      below = upto;
    }
    std::vector<Column> one(12, Column(kRows));
    std::vector<double> totals(12, 0);
    for (size_t i = 0; i < kRows; ++i) {
      double sum = 0;
      for (size_t b = 0; b < 12; ++b) {
        totals[b] += rate * share[b] > 1e-9 ? poisson(rate * share[b]) : 0;
        sum += totals[b];
        one[b][i] = sum;
      }
    }
    for (Column& column : one) series.push_back(std::move(column));
  }
  return series;
}

Column steady() { return Column(kRows, std::floor(uniform(0, 100))); }

Column seldom() {
  Column out;
  double value = std::floor(uniform(0, 50));
  for (size_t i = 0; i < kRows; ++i) {
    if (uniform(0, 1) < 0.02) value = std::floor(uniform(0, 50));
    out.push_back(value);
  }
  return out;
}

Column float_sum() {
  Column out;
  double value = 0;
  for (size_t i = 0; i < kRows; ++i) out.push_back(value += std::exp(normal(1)) * 0.1);
  return out;
}

double now_ns() {
  return static_cast<double>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                 std::chrono::steady_clock::now().time_since_epoch())
                                 .count());
}

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "sample_codec: %s differs\n", what);
  std::exit(1);
}

struct Measure {
  double block_bytes, encode_ns, decode_ns, head_bytes, append_ns, read_ns, sealed_bytes, seal_ns;
};

Measure measure(const Kind& kind) {
  Measure m{};
  const double samples = static_cast<double>(kind.series.size() * kRows);
  std::vector<std::string> coded(kind.series.size());
  std::vector<bool> referred(kind.series.size());
  double began = now_ns();
  WholeColumn columns[2];
  size_t depth = 0;
  for (size_t i = 0; i < kind.series.size(); ++i) {
    WholeColumn& column = columns[i % 2];
    to_whole_column(kind.series[i], column);
    const bool chain = i > 0 && depth < 15;
    referred[i] = encode_values(column, chain ? &columns[(i + 1) % 2] : nullptr, coded[i]);
    depth = referred[i] ? depth + 1 : 0;
    m.block_bytes += static_cast<double>(coded[i].size()) / samples;
  }
  m.encode_ns = (now_ns() - began) / samples;
  m.decode_ns = 1e9;
  std::vector<int64_t> whole[2];
  for (auto& each : whole) each.resize(kRows);
  Column back(kRows);
  for (int round = 0; round < 5; ++round) {
    began = now_ns();
    for (size_t i = 0; i < kind.series.size(); ++i) {
      std::string_view in = coded[i];
      const std::span<const int64_t> reference =
          referred[i] ? std::span<const int64_t>(whole[(i + 1) % 2]) : std::span<const int64_t>();
      if (!decode_values(in, reference, whole[i % 2], back)) {
        fail(kind.name);
      }
      if (round == 0 && std::memcmp(back.data(), kind.series[i].data(), kRows * 8) != 0) {
        fail(kind.name);
      }
    }
    m.decode_ns = std::min(m.decode_ns, (now_ns() - began) / samples);
  }
  std::vector<SampleChunk> chunks;
  chunks.reserve(kind.series.size() * kRows / SampleChunk::kSamplesMax);
  began = now_ns();
  for (const Column& column : kind.series) {
    for (size_t i = 0; i < column.size(); ++i) {
      if (i % SampleChunk::kSamplesMax == 0) chunks.emplace_back();
      chunks.back().append(kStartMs + static_cast<int64_t>(i) * 15000, column[i]);
    }
  }
  m.append_ns = (now_ns() - began) / samples;
  began = now_ns();
  model::SampleColumns out;
  for (SampleChunk& chunk : chunks) {
    out.clear();
    if (!decode_sample_chunk(chunk.bytes(), INT64_MIN, INT64_MAX, out).ok()) fail(kind.name);
    m.head_bytes += static_cast<double>(chunk.bytes().size()) / samples;
  }
  m.read_ns = (now_ns() - began) / samples;
  // As a head may keep them: two hours, four chunks, as one.
  began = now_ns();
  for (size_t i = 0; i < chunks.size(); i += 4) {
    const std::string_view four[] = {chunks[i].bytes(), chunks[i + 1].bytes(),
                                     chunks[i + 2].bytes(), chunks[i + 3].bytes()};
    std::string sealed;
    if (!store::seal_chunks(four, sealed).ok()) fail(kind.name);
    m.sealed_bytes += static_cast<double>(sealed.size()) / samples;
  }
  m.seal_ns = (now_ns() - began) / samples;
  return m;
}

}  // namespace

int main() {
  std::vector<Kind> kinds;
  kinds.push_back({"requests, counted", true, many(request_counter)});
  kinds.push_back({"gauge, 1 decimal", true, many([] { return walk(1, 0.5); })});
  kinds.push_back({"gauge, 2 decimals", true, many([] { return walk(2, 0.3); })});
  kinds.push_back({"gauge, 3 decimals", true, many([] { return walk(3, 0.2); })});
  kinds.push_back({"memory, bytes", true, many(memory)});
  kinds.push_back({"cpu seconds, 2 decimals", true, many([] { return cpu_seconds(2); })});
  kinds.push_back({"cpu seconds, nanoseconds", false, many([] { return cpu_seconds(9); })});
  kinds.push_back({"buckets of histograms", true, buckets()});
  kinds.push_back({"steady", true, many(steady)});
  kinds.push_back({"seldom changing", true, many(seldom)});
  kinds.push_back({"sum of floats", false, many(float_sum)});
  std::printf("%-26s %26s   %26s   %17s\n%-26s %8s %8s %8s   %8s %8s %8s   %8s %8s\n", "", "block",
              "head", "sealed", "kind", "B/sample", "ns in", "ns out", "B/sample", "ns in",
              "ns out", "B/sample", "ns in");
  Measure mean{};
  double usual = 0;
  for (const Kind& kind : kinds) {
    const Measure m = measure(kind);
    std::printf("%-26s %8.3f %8.1f %8.2f   %8.3f %8.1f %8.2f   %8.3f %8.1f\n", kind.name,
                m.block_bytes, m.encode_ns, m.decode_ns, m.head_bytes, m.append_ns, m.read_ns,
                m.sealed_bytes, m.seal_ns);
    if (!kind.usual) continue;
    ++usual;
    mean.block_bytes += m.block_bytes;
    mean.decode_ns += m.decode_ns;
    mean.head_bytes += m.head_bytes;
    mean.append_ns += m.append_ns;
  }
  std::printf("sample_codec: block %.3f B/sample, %.2f ns out; head %.3f B/sample, %.1f ns in\n",
              mean.block_bytes / usual, mean.decode_ns / usual, mean.head_bytes / usual,
              mean.append_ns / usual);
  return 0;
}

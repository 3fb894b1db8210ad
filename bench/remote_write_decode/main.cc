// How long decoding a remote-write request takes: 10,000 series with a sample
// each and ten labels of some 200 bytes together, as an agent sends them.
// Prints the best of some rounds, in nanoseconds a sample.
#include <chrono>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "wire/remote_write.h"
#include "wire/remote_write_encode.h"
#include "wire/snappy.h"

using namespace gatehouse;        // NOLINT: a program of one file
using namespace gatehouse::wire;  // NOLINT

namespace {

constexpr int kSeries = 10000;
constexpr int kRounds = 60;

double best_ns(const std::function<void()>& work) {
  double best = 1e18;
  for (int round = 0; round < kRounds; ++round) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double, std::nano> spent = std::chrono::steady_clock::now() - begin;
    best = std::min(best, spent.count() / kSeries);
  }
  return best;
}

struct Requests {
  std::vector<std::string> texts;
  std::vector<model::LabelView> labels;
  std::vector<model::Sample> samples;
  std::vector<model::SeriesAppend> series;

  Requests() {
    texts.reserve(kSeries * 3);
    labels.reserve(kSeries * 10);
    samples.reserve(kSeries);
    series.resize(kSeries);
    const auto keep = [&](std::string text) -> std::string_view {
      return texts.emplace_back(std::move(text));
    };
    for (int i = 0; i < kSeries; ++i) {
      const size_t begin = labels.size();
      labels.push_back({"__name__", "http_request_duration_seconds_bucket"});
      labels.push_back({"cluster", "production-eu-1"});
      labels.push_back({"container", "checkout"});
      labels.push_back({"instance", keep("10.12." + std::to_string(i % 250) + ".7:8080")});
      labels.push_back({"job", "checkout"});
      labels.push_back({"le", keep(std::to_string(i % 12) + ".5")});
      labels.push_back({"method", "POST"});
      labels.push_back({"namespace", "payments"});
      labels.push_back({"pod", keep("checkout-7d9f8b6c5-" + std::to_string(10000 + i))});
      labels.push_back({"status", "200"});
      samples.push_back({1760000000000, 12345.0 + i, 0});
      series[static_cast<size_t>(i)].labels = {labels.data() + begin, 10};
      series[static_cast<size_t>(i)].samples = {&samples[static_cast<size_t>(i)], 1};
    }
  }
};

}  // namespace

int main() {
  const Requests requests;
  std::string v1, v2, block, contents;
  encode_remote_write_v1(requests.series, {}, v1);
  RemoteWriteV2Encoder encoder;
  encoder.encode(requests.series, v2);
  RemoteWriteDecoder decoder;
  uint64_t seen = 0;
  const auto report = [](const char* what, size_t bytes, double ns) {
    std::printf("%-20s %6.1f bytes %8.1f ns a sample\n", what, static_cast<double>(bytes) / kSeries,
                ns);
  };
  report("decode 1.0", v1.size(),
         best_ns([&] { seen += decoder.decode(RemoteWriteVersion::kV1, v1).value().samples; }));
  report("decode 2.0", v2.size(),
         best_ns([&] { seen += decoder.decode(RemoteWriteVersion::kV2, v2).value().samples; }));
  snappy_compress(v1, block);
  report("snappy 1.0", block.size(), best_ns([&] {
           seen += snappy_decompress(block, v1.size(), contents).ok() ? contents.size() : 0;
         }));
  report("encode 1.0", v1.size(), best_ns([&] {
           contents.clear();
           encode_remote_write_v1(requests.series, {}, contents);
         }));
  report("encode 2.0", v2.size(), best_ns([&] {
           contents.clear();
           encoder.encode(requests.series, contents);
         }));
  return seen == 0;
}

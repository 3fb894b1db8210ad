#include "metric-stream/stream.h"

#include <snappy.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

namespace gatehouse::bench {

namespace {

constexpr int kBuckets = 10;
constexpr int kNamedBucketSeries = 2000;
constexpr const char* kBounds[kBuckets] = {"0.005", "0.01", "0.025", "0.05", "0.1",
                                           "0.25",  "0.5",  "1",     "2.5",  "+Inf"};

using Random = std::minstd_rand;

void put_varint(std::string& out, uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

void put_bytes(std::string& out, int field, const std::string& bytes) {
  put_varint(out, static_cast<uint64_t>(field << 3 | 2));
  put_varint(out, bytes.size());
  out += bytes;
}

void put_label(std::string& out, const char* name, const std::string& value) {
  std::string label;
  put_bytes(label, 1, name);
  put_bytes(label, 2, value);
  put_bytes(out, 1, label);
}

enum class Kind { kBucket, kRequests, kCpuSeconds, kMemory, kReading, kRatio, kConstant };

struct Series {
  std::string labels;  // encoded fields of a TimeSeries
  Kind kind = Kind::kConstant;
  double rate = 1;  // of a counter, or the size of a gauge's steps
  double value = 0;
};

Kind kind_of(int i) {
  const int place = i / kBuckets % 10;  // a histogram's buckets lie together
  if (place < 4) return Kind::kBucket;
  if (place < 6) return Kind::kRequests;
  switch (place) {
    case 6: return Kind::kCpuSeconds;
    case 7: return Kind::kMemory;
    case 8: return Kind::kReading;
    default: return i % kBuckets < 5 ? Kind::kRatio : Kind::kConstant;
  }
}

std::string metric_name(Kind kind, int group) {
  const std::string number = std::to_string(group);
  switch (kind) {
    case Kind::kBucket: return "bench_rpc_" + number + "_duration_seconds_bucket";
    case Kind::kRequests: return "bench_service_" + number + "_requests_total";
    case Kind::kCpuSeconds: return "bench_service_" + number + "_cpu_seconds_total";
    case Kind::kMemory: return "bench_service_" + number + "_memory_bytes";
    case Kind::kReading: return "bench_service_" + number + "_queue_seconds";
    case Kind::kRatio: return "bench_service_" + number + "_usage_ratio";
    case Kind::kConstant: return "bench_service_" + number + "_replicas";
  }
  return {};
}

// Labels in the order of their names, as remote write asks.
Series make_series(int i, Random& random) {
  Series made;
  const bool named = i < kNamedBucketSeries;
  made.kind = named ? Kind::kBucket : kind_of(i);
  const int instance = i / kBuckets;
  const int group = instance % 1000 / 10 % 20;  // twenty services
  const std::string pod = "service-" + std::to_string(group) + "-7d9c8b6f5-" +
                          std::to_string(100000 + instance) + "-" + std::to_string(i % 7);
  put_label(made.labels, "__name__",
            named ? "bench_request_duration_seconds_bucket" : metric_name(made.kind, group));
  put_label(made.labels, "cluster", "production-westeurope-1");
  put_label(made.labels, "container", "service-" + std::to_string(group));
  put_label(made.labels, "instance",
            "10." + std::to_string(instance / 65536 % 256) + "." +
                std::to_string(instance / 256 % 256) + "." + std::to_string(instance % 256) +
                ":9090");
  put_label(made.labels, "job", "kubernetes-pods");
  if (made.kind == Kind::kBucket) put_label(made.labels, "le", kBounds[i % kBuckets]);
  put_label(made.labels, "namespace", "team-" + std::to_string(group % 5));
  put_label(made.labels, "node", "aks-pool-3-vmss" + std::to_string(100000 + instance % 500));
  put_label(made.labels, "pod", pod);
  if (made.kind != Kind::kBucket) put_label(made.labels, "slot", std::to_string(i % kBuckets));
  std::uniform_real_distribution<double> unit(0, 1);
  // Few are busy, most are not.
  const double busy = std::pow(unit(random), 3);
  switch (made.kind) {
    case Kind::kBucket:
      made.rate = 60 * busy * (i % kBuckets + 1) / kBuckets;
      made.value = std::floor(1e5 * busy * (i % kBuckets + 1));
      break;
    case Kind::kRequests:
      made.rate = 300 * busy;
      made.value = std::floor(1e6 * busy);
      break;
    case Kind::kCpuSeconds:
      made.rate = 15 * busy;
      made.value = std::round(1e7 * busy) / 100;
      break;
    case Kind::kMemory:
      made.rate = 64;
      made.value = 4096 * std::floor(1e5 * (busy + 0.1));
      break;
    case Kind::kReading: made.value = std::round(1000 * busy) / 10; break;
    case Kind::kRatio: made.value = unit(random); break;
    case Kind::kConstant: made.value = std::floor(10 * busy); break;
  }
  return made;
}

void advance(Series& series, Random& random) {
  std::uniform_real_distribution<double> unit(0, 1);
  switch (series.kind) {
    case Kind::kBucket:
    case Kind::kRequests: {
      std::poisson_distribution<int> arrivals(std::max(series.rate, 1e-9));
      series.value += arrivals(random);
      break;
    }
    case Kind::kCpuSeconds:
      series.value = std::round(100 * (series.value + series.rate * unit(random) * 2)) / 100;
      break;
    case Kind::kMemory:
      if (unit(random) < 0.6) {
        series.value = std::max(
            4096.0, series.value + 4096 * std::floor(series.rate * (2 * unit(random) - 1)));
      }
      break;
    case Kind::kReading:
      series.value = std::max(0.0, std::round(10 * (series.value + 2 * unit(random) - 1)) / 10);
      break;
    case Kind::kRatio: series.value = unit(random); break;
    case Kind::kConstant: break;
  }
}

bool write_request(std::FILE* file, uint32_t lane, const std::string& request,
                   std::string& packed) {
  snappy::Compress(request.data(), request.size(), &packed);
  const uint32_t head[] = {lane, static_cast<uint32_t>(packed.size())};
  return std::fwrite(head, sizeof head, 1, file) == 1 &&
         std::fwrite(packed.data(), 1, packed.size(), file) == packed.size();
}

}  // namespace

bool make_stream(const std::string& path, const StreamShape& shape) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "wb"),
                                                       &std::fclose);
  if (file == nullptr) {
    std::perror(path.c_str());
    return false;
  }
  Random random(42);  // the same stream every time
  std::vector<Series> series;
  for (int i = 0; i < shape.series; ++i) series.push_back(make_series(i, random));
  std::string request, packed, fields, sample;
  const int64_t begin_ms = shape.end_ms - (shape.samples - 1) * shape.interval_ms;
  for (int round = 0; round < shape.samples; round += shape.samples_together) {
    const int rounds = std::min(shape.samples_together, shape.samples - round);
    for (int first = 0; first < shape.series; first += shape.series_per_request) {
      request.clear();
      const int last = std::min(first + shape.series_per_request, shape.series);
      for (int i = first; i < last; ++i) {
        fields = series[static_cast<size_t>(i)].labels;
        for (int k = 0; k < rounds; ++k) {
          sample.assign(1, '\x09');  // field 1, a double
          sample.append(reinterpret_cast<const char*>(&series[static_cast<size_t>(i)].value), 8);
          sample += '\x10';  // field 2, milliseconds
          put_varint(sample, static_cast<uint64_t>(begin_ms + (round + k) * shape.interval_ms));
          put_bytes(fields, 2, sample);
          advance(series[static_cast<size_t>(i)], random);
        }
        put_bytes(request, 1, fields);
      }
      const auto lane = static_cast<uint32_t>(first / shape.series_per_request);
      if (!write_request(file.get(), lane, request, packed)) {
        std::perror(path.c_str());
        return false;
      }
    }
  }
  return std::fflush(file.get()) == 0;
}

}  // namespace gatehouse::bench

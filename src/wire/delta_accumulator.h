// Makes cumulative points of delta points: remembers, for each stream of points,
// what its differences add up to (OpenTelemetry data model, "Sums: Delta-to-
// Cumulative"). Sums, explicit and exponential histograms. The state is this
// process's: after a restart, streams begin anew, as counters do.
//
// Bounded: a stream that has not spoken for a while is forgotten when room is
// wanted; where there is none, new streams are refused, never old ones. One thread
// at a time.
#pragma once

#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/result.h"
#include "wire/otlp_metrics.h"

namespace gatehouse::wire {

class DeltaAccumulator {
 public:
  struct Limits {
    // A stream takes some 500 bytes, one of a histogram some 2 KiB.
    size_t streams = 100'000;
    size_t memory_bytes = 64 << 20;
    uint64_t idle_ns = 300'000'000'000;  // five minutes: five exports as SDKs do them
  };
  DeltaAccumulator() : DeltaAccumulator(Limits{}) {}
  explicit DeltaAccumulator(const Limits& limits) : limits_(limits) {}

  // Adds the point to the stream that `key` names and makes it the sum of all so
  // far, since the stream's start. kInvalidArgument: it is older than the last, or
  // of other bounds. kResourceExhausted: no room for another stream.
  Status accumulate(std::string_view key, OtlpKind kind, OtlpPoint& point);

  size_t streams() const { return index_.size(); }
  size_t held_bytes() const { return held_; }

 private:
  struct Stream {
    std::string key;
    OtlpPoint total;  // without attributes and exemplars
    size_t bytes = 0;
  };
  using Streams = std::list<Stream>;  // the one longest silent at the front

  bool make_room(size_t bytes, uint64_t now_ns);
  void account(Stream& stream);

  Limits limits_;
  Streams streams_;
  std::unordered_map<std::string_view, Streams::iterator> index_;
  size_t held_ = 0;
};

// Merges 2^by buckets into one.
void downscale(OtlpBuckets& buckets, int32_t by);
// Adds counts of the same scale. False, and nothing changed: they would span more
// than `width_max` buckets.
bool merge(OtlpBuckets& into, const OtlpBuckets& other, size_t width_max);

}  // namespace gatehouse::wire

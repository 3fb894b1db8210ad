// Native histograms as remote write (both versions) and remote read carry them:
// prompb/types.proto and prompb/io/prometheus/write/v2/types.proto number the
// fields alike. And whether a histogram may be at all, which every format asks.
#pragma once

#include <string_view>

#include "model/sample.h"
#include "wire/protobuf.h"

namespace gatehouse::wire {

// Buckets, spans or bounds of one histogram. Client libraries keep 160 buckets; a byte
// of a message can ask for eight of memory, so there is an end.
inline constexpr size_t kHistogramPartsMax = 65'536;

// What is wrong with a histogram, or "": spans and buckets that do not belong
// together, counts that contradict each other (Prometheus's Histogram.Validate).
std::string_view check_histogram(const model::NativeHistogram& histogram);

// Empties a histogram, keeping what its vectors hold.
void clear(model::NativeHistogram& histogram);

// Collects buckets as exposition and remote write give them: spans, and either the
// difference of each count to the one before (whole counts) or the counts.
struct BucketReader {
  std::vector<model::BucketSpan>& spans;
  std::vector<double>& buckets;
  int64_t count = 0;

  void span(std::string_view message, ProtoReader& outer);
  // False where a count would be negative, or cannot be told from its neighbour.
  bool delta(int64_t difference, ProtoReader& element);
  void absolute(double value, ProtoReader& element);
};

enum class HistogramRead { kGood, kInvalid, kMalformed };

// Writes the histogram over `out`, whose vectors are used again. kInvalid: it can
// be read, but may not be; `why` says so. kMalformed: it is not the wire format.
HistogramRead read_histogram(std::string_view message, model::HistogramSample& out,
                             std::string_view& why);

// `with_start`: the field start_timestamp is known to remote write v2 alone.
void write_histogram(ProtoWriter& writer, const model::HistogramSample& sample, bool with_start);

}  // namespace gatehouse::wire

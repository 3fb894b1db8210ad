// Prometheus remote write, both ways: the messages prometheus.WriteRequest (1.0)
// and io.prometheus.write.v2.Request (2.0), already out of their snappy block
// (prometheus.io/docs/specs/prw). HTTP headers and status codes are the caller's.
//
// Decoding is the hot path of ingestion: labels are views into the request's
// bytes, everything else lies in arenas that the next request uses again. A series
// that may not be (unsorted, duplicate or empty names, bad UTF-8, a histogram that
// contradicts itself) is left out and counted; only bytes that are not the message
// at all refuse a request whole.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/budget.h"
#include "base/result.h"
#include "model/series.h"
#include "wire/label_check.h"
#include "wire/protobuf.h"

namespace gatehouse::wire {

enum class RemoteWriteVersion { kV1, kV2 };

// From a Content-Type: "application/x-protobuf" and "...;proto=prometheus.WriteRequest"
// are version 1, "...;proto=io.prometheus.write.v2.Request" is 2. None: another type.
std::optional<RemoteWriteVersion> remote_write_version(std::string_view content_type);
std::string_view content_type(RemoteWriteVersion version);

struct RemoteWriteLimits {
  LabelLimits labels;
  // What arenas hold for one request. Two bytes of a message can ask for forty of
  // memory. Agents send some thousand series at once, 500 bytes each in memory; this
  // is room for half a million.
  size_t memory_bytes = 256 << 20;
};

struct FamilyMetadata {
  std::string_view family;  // the name of the metric
  model::MetricMetadata metadata;
};

// What was in a request. Lives until the decoder's next call, and no longer than
// the request's bytes.
struct DecodedWrite {
  std::span<model::SeriesAppend> series;
  std::span<const FamilyMetadata> metadata;  // version 1 alone; 2 has it with the series
  // Counts of all that is in `series`.
  uint64_t samples = 0;
  uint64_t histograms = 0;
  uint64_t exemplars = 0;
  // What was left out, in samples and histograms (a series without any counts as
  // one), and why the first was.
  uint64_t invalid = 0;
  std::string first_invalid;
};

class RemoteWriteDecoder {
 public:
  explicit RemoteWriteDecoder(const RemoteWriteLimits& limits = {}) : limits_(limits) {}

  // kInvalidArgument: not the message. kResourceExhausted: more than the limit on
  // memory. kUnavailable: `charge`, where there is one, was refused what the arenas
  // need; it is asked step by step, as they grow. What comes is valid until the next call.
  Result<DecodedWrite> decode(RemoteWriteVersion version, std::string_view request,
                              MemoryCharge* charge = nullptr);

  // Of the requests to come: RemoteWriteLimits::memory_bytes.
  void set_memory_max(size_t bytes) { limits_.memory_bytes = bytes; }

  // What the arenas hold on to between requests; and giving it back, which is worth
  // it after an unusually large one.
  size_t held_bytes() const;
  void shrink();

 private:
  struct Ends {  // of a series, in the arenas
    uint32_t labels, samples, histograms, exemplars;
    int32_t metadata;
  };
  struct Symbol {
    std::string_view text;
    uint64_t order;
    bool valid;
  };

  void reset(std::string_view request);
  bool decode_v1(std::string_view request);
  bool series_v1(std::string_view message);
  bool fits(size_t bytes) { return bytes <= room_ || make_room(bytes); }
  bool make_room(size_t bytes);
  bool label_v1(std::string_view message);
  bool decode_v2(std::string_view request);
  bool series_v2(std::string_view message);
  void symbol(std::string_view text);
  bool labels_v2(ProtoReader& reader);
  bool sample(std::string_view message, bool with_start);
  bool histogram(std::string_view message);
  bool exemplar(std::string_view message, RemoteWriteVersion version);
  bool metadata_v1(std::string_view message);
  bool metadata_v2(std::string_view message);
  void add_label(model::LabelView label, uint64_t order);
  void finish_series();
  void refuse(std::string_view why);
  void link();

  RemoteWriteLimits limits_;
  std::vector<model::SeriesAppend> series_;
  std::vector<Ends> ends_;
  std::vector<model::LabelView> labels_;
  std::vector<model::Sample> samples_;
  // Used up to a count, not emptied: what the elements hold is used again.
  std::vector<model::HistogramSample> histograms_;
  std::vector<model::Exemplar> exemplars_;
  std::vector<FamilyMetadata> families_;
  std::vector<model::MetricMetadata> metadata_;
  size_t histograms_used_ = 0;
  size_t exemplars_used_ = 0;

  std::vector<Symbol> symbols_;
  std::unordered_map<std::string, int32_t> metadata_index_;
  DecodedWrite decoded_;
  const char* request_end_ = nullptr;
  size_t extra_bytes_ = 0;  // what the arenas hold of whole series, and of what is copied
  MemoryCharge* charge_ = nullptr;
  size_t room_ = 0;  // charged; what fits without asking
  enum class Full { kNo, kTooLarge, kRefused } full_ = Full::kNo;

  // Of the series at hand.
  Ends begin_{0, 0, 0, 0, -1};
  int32_t series_metadata_ = -1;
  std::string_view wrong_;  // why it may not be
  std::string_view name_before_;
  uint64_t order_before_ = 0;
  bool ascii_ = false;  // all of its labels are known to be
  bool long_ = false;   // one may be longer than it may
  bool named_ = false;
};

}  // namespace gatehouse::wire

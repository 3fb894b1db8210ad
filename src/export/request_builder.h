// From entries of the queue to the body of a request of remote write
// (prometheus.io/docs/specs/prw): a series' samples together, in their order, under
// the labels they leave with.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "export/send_queue.h"
#include "export/series_labels.h"
#include "wire/remote_write_encode.h"

namespace gatehouse::exporting {

struct WriteRequest {
  std::string body;             // protobuf in a snappy block
  EntryCounts counts;           // in the body
  uint64_t dropped = 0;         // by relabelling
  uint64_t unknown = 0;         // of series that the head does not know
  uint64_t lone_exemplars = 0;  // without a sample beside them, which version 2 asks for
  int64_t highest_ms = INT64_MIN;
};

class RequestBuilder {
 public:
  RequestBuilder(const store::Head& head, SeriesLabels& labels, int version)
      : head_(head), labels_(labels), version_(version) {}

  // Writes over `request`. The entries stay as they are.
  void build(std::span<const Entry> entries, WriteRequest& request);

  // Version 1: metadata of metrics.
  using Described = std::pair<std::string, model::MetricMetadata>;
  static void build_metadata(std::span<const Described> metrics, std::string& body);

 private:
  // One message TimeSeries, while the arrays may still move.
  struct Part {
    size_t labels, labels_end;
    size_t samples, samples_end;
    size_t histograms, histograms_end;
    size_t exemplars, exemplars_end;
    const model::MetricMetadata* metadata;
  };
  void add_series(std::span<const Entry> entries, std::span<const uint32_t> of_series,
                  WriteRequest& request);
  const model::MetricMetadata* metadata_of(std::string_view metric);

  const store::Head& head_;
  SeriesLabels& labels_;
  const int version_;
  wire::RemoteWriteV2Encoder encoder_;
  std::string raw_;
  std::vector<uint32_t> order_;
  std::vector<model::LabelView> label_views_;
  std::vector<model::Sample> samples_;
  std::vector<model::HistogramSample> histograms_;
  std::vector<model::Exemplar> exemplars_;
  std::vector<Part> parts_;
  std::vector<model::SeriesAppend> series_;
  std::unordered_map<std::string, model::MetricMetadata> metadata_;
  SeriesLabels::Storage storage_;
};

}  // namespace gatehouse::exporting

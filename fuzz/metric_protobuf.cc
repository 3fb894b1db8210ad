// Exposition as protobuf: what comes out is sound, whatever goes in.
#include "wire/metric_protobuf.h"

#include "fuzz.h"
#include "wire/label_check.h"
#include "wire/native_histogram_proto.h"

using namespace gatehouse;        // NOLINT: a program of one file
using namespace gatehouse::wire;  // NOLINT

namespace {

struct Checks : MetricSink {
  bool metadata(const ScrapedMetadata& metadata) override {
    fuzz::require(!metadata.family.empty() && is_utf8(metadata.family), "a family has a name");
    return true;
  }
  bool sample(const ScrapedSample& sample) override {
    fuzz::require(check_labels(sample.labels, {}).empty(), "labels are sound");
    if (sample.histogram != nullptr) {
      fuzz::require(check_histogram(*sample.histogram).empty(), "histograms are sound");
    }
    return true;
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  for (const bool classic_too : {false, true}) {
    Checks sink;
    ScrapeOptions options;
    options.classic_too = classic_too;
    (void)parse_metric_protobuf(fuzz::text_of(bytes, size), options, sink).ok();
  }
  return 0;
}

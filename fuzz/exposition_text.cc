// Exposition text in both dialects: labels that come out are labels that may be,
// and the text alone decides what comes out.
#include "wire/exposition_text.h"

#include "fuzz.h"
#include "wire/label_check.h"

using namespace gatehouse;        // NOLINT: a program of one file
using namespace gatehouse::wire;  // NOLINT

namespace {

struct Checks : MetricSink {
  std::string_view text;
  size_t samples = 0;

  bool metadata(const ScrapedMetadata& metadata) override {
    fuzz::require(!metadata.family.empty(), "a family has a name");
    fuzz::require(is_utf8(metadata.family) && is_utf8(metadata.help), "metadata is UTF-8");
    return true;
  }
  bool sample(const ScrapedSample& sample) override {
    ++samples;
    fuzz::require(check_labels(sample.labels, {}).empty(), "labels are sound");
    for (const model::LabelView& label : sample.labels) {
      fuzz::require(!label.value.empty(), "no label is empty");
    }
    fuzz::require(sample.text.data() >= text.data() &&
                      sample.text.data() + sample.text.size() <= text.data() + text.size(),
                  "a series' text is the target's");
    fuzz::require(!model::is_stale(sample.value), "text cannot state staleness");
    return true;
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text = fuzz::text_of(bytes, size);
  for (const auto dialect : {ExpositionDialect::kPrometheus, ExpositionDialect::kOpenMetrics}) {
    Checks first, second;
    first.text = second.text = text;
    const bool good = parse_exposition_text(dialect, text, {}, first).ok();
    fuzz::require(parse_exposition_text(dialect, text, {}, second).ok() == good, "the same again");
    fuzz::require(first.samples == second.samples, "the same samples again");
  }
  return 0;
}

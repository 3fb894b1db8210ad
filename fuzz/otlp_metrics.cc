// OTLP metrics in protobuf and JSON, through the translation to series: what comes
// out is sound, and every point is either there or rejected.
#include "wire/otlp_metrics.h"

#include "fuzz.h"
#include "wire/delta_accumulator.h"
#include "wire/escaped_name.h"
#include "wire/native_histogram_proto.h"
#include "wire/otlp_metrics_json.h"
#include "wire/otlp_translate.h"

using namespace gatehouse;        // NOLINT: a program of one file
using namespace gatehouse::wire;  // NOLINT

namespace {

void check(OtlpTranslator& translator) {
  for (const model::SeriesAppend& series : translator.series()) {
    fuzz::require(check_labels(series.labels, {}).empty(), "labels are sound");
    fuzz::require(series.samples.size() + series.histograms.size() == 1, "one sample a series");
    for (const model::HistogramSample& histogram : series.histograms) {
      fuzz::require(check_histogram(histogram.histogram).empty(), "histograms are sound");
    }
  }
  fuzz::require(translator.rejected() <= translator.points(), "points are rejected once");
  fuzz::require(translator.first_rejection().empty() == (translator.rejected() == 0),
                "a rejection says why");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text = fuzz::text_of(bytes, size);
  for (int round = 0; round < 2; ++round) {
    OtlpTranslateOptions options;
    options.promote_all_resource_attributes = options.promote_scope = round == 1;
    if (round == 1) options.translation = OtlpTranslation::kNoUtf8EscapingWithSuffixes;
    DeltaAccumulator deltas({8, 64 << 10, 1000});
    OtlpTranslator translator(options, round == 1 ? &deltas : nullptr);
    for (int again = 0; again < 2; ++again) {
      (void)decode_otlp_metrics(text, translator).ok();
      (void)decode_otlp_metrics_json(text, translator).ok();
    }
    check(translator);
    fuzz::require(deltas.held_bytes() <= 1 << 20, "the table is bounded");
  }
  const std::string escaped = escape_name(text, NameEscaping::kValues);
  if (!text.starts_with("U__")) {
    fuzz::require(unescape_name(escaped, NameEscaping::kValues) == text, "names come back");
  }
  return 0;
}

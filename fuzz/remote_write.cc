// Remote write, both versions: what is taken in is sound, and survives being written
// and read again. The snappy block around it, too.
#include "wire/remote_write.h"

#include <algorithm>

#include "fuzz.h"
#include "wire/native_histogram_proto.h"
#include "wire/remote_write_encode.h"
#include "wire/snappy.h"

using namespace gatehouse;        // NOLINT: a program of one file
using namespace gatehouse::wire;  // NOLINT

namespace {

void check(const DecodedWrite& decoded) {
  uint64_t samples = 0;
  for (const model::SeriesAppend& series : decoded.series) {
    fuzz::require(check_labels(series.labels, {}).empty(), "labels are sound");
    for (const model::LabelView& label : series.labels) {
      fuzz::require(!label.value.empty(), "no label is empty");
    }
    for (const model::HistogramSample& histogram : series.histograms) {
      fuzz::require(check_histogram(histogram.histogram).empty(), "histograms are sound");
    }
    samples += series.samples.size();
  }
  fuzz::require(samples == decoded.samples, "samples are counted");
  fuzz::require(decoded.first_invalid.empty() == (decoded.invalid == 0), "a refusal says why");
}

void round_trip(const DecodedWrite& decoded, RemoteWriteVersion version) {
  std::string again;
  if (version == RemoteWriteVersion::kV1) {
    encode_remote_write_v1(decoded.series, decoded.metadata, again);
  } else {
    RemoteWriteV2Encoder().encode(decoded.series, again);
  }
  RemoteWriteDecoder decoder;
  const auto reread = decoder.decode(version, again);
  if (!reread.ok()) {  // the same labels take more room once each is written out
    fuzz::require(reread.status().code() == Code::kResourceExhausted, "what is written is read");
    return;
  }
  fuzz::require(reread->invalid == 0 && reread->series.size() == decoded.series.size(),
                "every series is read again");
  for (size_t i = 0; i < reread->series.size(); ++i) {
    const model::SeriesAppend& a = decoded.series[i];
    const model::SeriesAppend& b = reread->series[i];
    fuzz::require(std::equal(a.labels.begin(), a.labels.end(), b.labels.begin(), b.labels.end()),
                  "labels stay");
    fuzz::require(a.samples.size() == b.samples.size(), "samples stay");
    fuzz::require(a.histograms.size() == b.histograms.size(), "histograms stay");
    fuzz::require(a.exemplars.size() == b.exemplars.size(), "exemplars stay");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text = fuzz::text_of(bytes, size);
  static RemoteWriteDecoder decoder;  // its arenas are used again, as in life
  for (const auto version : {RemoteWriteVersion::kV1, RemoteWriteVersion::kV2}) {
    const auto decoded = decoder.decode(version, text);
    if (!decoded.ok()) continue;
    check(*decoded);
    round_trip(*decoded, version);
  }
  std::string contents;
  if (snappy_decompress(text, 1 << 20, contents).ok()) {
    fuzz::require(contents.size() <= 1 << 20, "the bound holds");
  }
  return 0;
}

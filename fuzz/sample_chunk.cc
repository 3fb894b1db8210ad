// Arbitrary bytes as the chunks of the head and the columns of a block: decoding
// must not crash, read past them, or take memory out of proportion; and a chunk
// that was accepted can be gone on with, and then says the same and more.
#include "store/codec/sample_chunk.h"

#include <string>
#include <vector>

#include "fuzz.h"
#include "store/codec/histogram_chunk.h"
#include "store/codec/histogram_column.h"
#include "store/codec/int_column.h"
#include "store/codec/sealed_chunk.h"
#include "store/codec/value_column.h"

namespace {

using namespace gatehouse;
using namespace gatehouse::store;

void read_sample_chunk(std::string_view bytes) {
  model::SampleColumns all;
  const bool decoded = decode_sample_chunk(bytes, INT64_MIN, INT64_MAX, all).ok();
  fuzz::require(all.times_ms.size() == all.values.size(), "columns are of one length");
  Result<SampleChunk> resumed = SampleChunk::resume(bytes);
  if (!resumed.ok()) return;
  fuzz::require(decoded, "what is resumed is decoded");
  fuzz::require(resumed->size() == all.size(), "as many samples");
  if (resumed->full() || all.times_ms.back() > INT64_MAX - 100) return;
  resumed->append(all.times_ms.back() + 100, 42.5, 7);
  model::SampleColumns more;
  fuzz::require(decode_sample_chunk(resumed->bytes(), INT64_MIN, INT64_MAX, more).ok(), "goes on");
  fuzz::require(more.size() == all.size() + 1, "one more");
  fuzz::require(more.times_ms.back() == all.times_ms.back() + 100, "its time");
  fuzz::require(more.values.back() == 42.5 && more.starts_ms.back() == 7, "its value");
}

void read_histogram_chunk(std::string_view bytes) {
  model::SampleColumns all;
  const bool decoded = decode_histogram_chunk(bytes, INT64_MIN, INT64_MAX, all).ok();
  Result<HistogramChunk> resumed = HistogramChunk::resume(bytes);
  if (!resumed.ok()) return;
  fuzz::require(decoded && resumed->size() == all.size(), "as many histograms");
  if (all.times_ms.back() > INT64_MAX - 100) return;
  model::NativeHistogram next = resumed->last();
  next.count = 17;
  next.sum = 2.5;
  resumed->append(all.times_ms.back() + 100, next);
  model::SampleColumns more;
  fuzz::require(decode_histogram_chunk(resumed->bytes(), INT64_MIN, INT64_MAX, more).ok(),
                "goes on");
  fuzz::require(more.size() == all.size() + 1 && more.histograms.back()->count == 17, "one more");
}

void read_columns(std::string_view bytes, size_t rows) {
  std::vector<int64_t> whole(rows);
  std::vector<int64_t> reference(rows, 5);
  std::vector<double> doubles(rows);
  std::string_view in = bytes;
  if (decode_ints(in, reference, whole)) {
    // What was decoded is encoded again to the same numbers.
    std::string again;
    encode_ints(whole, {}, again);
    std::vector<int64_t> back(rows);
    std::string_view rest = again;
    fuzz::require(decode_ints(rest, {}, back) && back == whole, "the same numbers");
  }
  in = bytes;
  (void)decode_values(in, reference, whole, doubles);
  model::SampleColumns sealed;
  (void)decode_sealed_chunk(bytes, INT64_MIN, INT64_MAX, sealed);
  fuzz::require(sealed.times_ms.size() == sealed.values.size(), "columns are of one length");
  in = bytes;
  std::vector<HistogramRow> histograms;
  (void)decode_histograms(in, rows, histograms);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  const std::string_view bytes = fuzz::text_of(data + 3, size - 3);
  switch (data[0] % 3) {
    case 0: read_sample_chunk(bytes); break;
    case 1: read_histogram_chunk(bytes); break;
    default: read_columns(bytes, 1 + (data[1] + 256u * data[2]) % kColumnRowsMax);
  }
  return 0;
}

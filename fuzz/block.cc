// Arbitrary bytes as a block file: opening it, selecting from it and reading all of
// its samples must not crash, read past it, or take memory out of proportion. The
// input is taken as it is, and then again with its checksums made right, as
// otherwise nearly no input would reach past them.
#include <algorithm>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "fuzz.h"
#include "store/block/block_index.h"
#include "store/block/block_samples.h"

namespace {

using namespace gatehouse;
using namespace gatehouse::store;
using model::Matcher;

// Little inputs can ask for much: each chunk gives up to 2,048 samples.
constexpr size_t kChunksMax = 64;

void put_crc(std::string& bytes, size_t at, std::string_view covered) {
  std::string crc;
  put_le<uint32_t>(crc, crc32c(covered));
  bytes.replace(at, 4, crc);
}

// Follows the records from the first on, then the table of contents.
void correct_checksums(std::string& bytes) {
  if (bytes.size() < kBlockHeaderBytes + kContentsBytes) return;
  bytes.replace(0, kBlockHeaderBytes, block_header());
  const size_t contents = bytes.size() - kContentsBytes;
  bytes.replace(bytes.size() - 8, 8, kBlockEnd);
  size_t records_end = contents;
  for (size_t i = 0; i < kSections; ++i) {
    const size_t place = contents + i * 20;
    const auto offset = get_le<uint64_t>(bytes.data() + place);
    const auto length = get_le<uint64_t>(bytes.data() + place + 8);
    if (offset > contents || length > contents - offset) return;
    records_end = std::min<size_t>(records_end, offset);
    put_crc(bytes, place + 16, std::string_view(bytes).substr(offset, length));
  }
  put_crc(bytes, contents + kSections * 20,
          std::string_view(bytes).substr(contents, kSections * 20));
  for (size_t at = kBlockHeaderBytes; at + 4 < records_end;) {
    std::string_view in = std::string_view(bytes).substr(at + 4, records_end - at - 4);
    const size_t before = in.size();
    uint64_t length = 0;
    if (!get_varint(in, length) || length > in.size()) return;
    const size_t whole = before - in.size() + length;
    put_crc(bytes, at, std::string_view(bytes).substr(at + 4, whole));
    at += 4 + whole;
  }
}

void read_all(std::string_view file) {
  const auto index = BlockIndex::open(file);
  if (!index.ok()) return;
  const Matcher matchers[] = {
      *Matcher::create(Matcher::Op::kEqual, "__name__", "up"),
      *Matcher::create(Matcher::Op::kNotEqual, "instance", "a"),
      *Matcher::create(Matcher::Op::kRegex, "le", "1.*|5"),
      *Matcher::create(Matcher::Op::kNotRegex, "method", "G.+"),
  };
  for (size_t i = 0; i < std::size(matchers); ++i) {
    (void)(*index)->select(std::span(matchers).subspan(i));
    (void)(*index)->select(std::span(matchers).subspan(i, 1));
  }
  for (uint32_t i = 0; i < (*index)->names(); ++i) {
    const auto values = (*index)->values_of((*index)->symbol((*index)->name(i)));
    for (uint32_t k = 0; k < std::min(values.count, 100u); ++k) {
      (void)(*index)->symbol((*index)->value(values, k));
    }
  }
  const uint64_t key = new_cache_key();
  RowCursor cursor(**index);
  size_t chunks = 0;
  for (uint32_t series = 0; series < (*index)->series() && cursor.seek(series); ++series) {
    model::SampleColumns out;
    for (const ChunkPlace& chunk : cursor.row().chunks) {
      if (++chunks > kChunksMax) return;
      if (!read_chunk(file, key, chunk, chunk.begin_ms, chunk.end_ms, out).ok()) break;
      fuzz::require(out.times_ms.size() == out.values.size(), "columns are of one length");
      fuzz::require(out.histograms.empty() || out.histograms.size() == out.size(), "histograms");
      fuzz::require(out.starts_ms.empty() || out.starts_ms.size() == out.size(), "starts");
      fuzz::require(std::is_sorted(out.times_ms.begin(), out.times_ms.end()), "times ascend");
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string bytes(fuzz::text_of(data, size));
  read_all(bytes);
  correct_checksums(bytes);
  read_all(bytes);
  return 0;
}

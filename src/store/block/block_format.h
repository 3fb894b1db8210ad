// The bytes of a block file, after docs/format/block.md: records of chunks, then
// the sections of the index, then where they are. Pure functions; they take any
// bytes at all and never read past them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/sample.h"
#include "store/block/meta.h"
#include "store/codec/value_column.h"

namespace gatehouse::store {

inline constexpr std::string_view kBlockMagic = "GHBLOCK1";
inline constexpr std::string_view kBlockEnd = "GHBLKEND";
inline constexpr uint32_t kBlockVersion = 1;
inline constexpr size_t kBlockHeaderBytes = 16;

// Series between two places where a reader can begin.
inline constexpr uint32_t kRowsPerRestart = 16;
// A chunk refers to one that refers to one ...: as many must be decoded for one
// that is asked for, and a histogram of 16 buckets stays below it.
inline constexpr uint32_t kReferenceDepthMax = 16;

enum class Section : uint32_t { kSymbols, kSeries, kPostings, kLabels, kMeta };
inline constexpr size_t kSections = 5;

struct SectionPlace {
  uint64_t offset = 0;
  uint64_t length = 0;
  uint32_t crc = 0;
};
using Contents = std::array<SectionPlace, kSections>;
inline constexpr size_t kContentsBytes = kSections * 20 + 4 + 8;

std::string block_header();
std::string encode_contents(const Contents& contents);
// Checks the header too. kDataLoss: no block, or a damaged one; kUnimplemented: of
// another version.
Result<Contents> parse_contents(std::string_view file);

std::string encode_meta(const BlockMeta& meta);
Result<BlockMeta> parse_meta(std::string_view section);

// Where a part of a series' samples lies.
struct ChunkPlace {
  uint64_t offset = 0;  // of its record in the file
  uint64_t times = 0;   // of the record of its times
  int64_t begin_ms = 0;
  int64_t end_ms = 0;
  uint32_t rows = 0;
  friend bool operator==(const ChunkPlace&, const ChunkPlace&) = default;
};

// A series as the index has it: ids of symbols, name and value by turns.
struct SeriesRow {
  std::vector<uint32_t> labels;
  std::vector<ChunkPlace> chunks;
};
// Rows are coded by their difference from the row before; a restart's from an empty one.
void put_row(std::string& out, const SeriesRow& row, const SeriesRow& before);
// `row` is the row before, and becomes the next. False: damage.
bool take_row(std::string_view& in, SeriesRow& row);

// Ascending ids as runs.
void put_postings(std::string& out, std::span<const uint32_t> ids);
// Adds them to `out`; each below `end`. False: damage.
bool take_postings(std::string_view in, uint32_t end, std::vector<uint32_t>& out);

enum class RecordKind : uint8_t { kTimes = 1, kFloats = 2, kHistograms = 3 };

// A record: CRC, length, kind, rows, and the columns.
std::string seal_record(RecordKind kind, size_t rows, std::string_view columns);
struct Record {
  RecordKind kind = RecordKind::kTimes;
  uint32_t rows = 0;
  std::string_view columns;
};
// None: no record lies there, or it is damaged.
std::optional<Record> open_record(std::string_view file, uint64_t offset);

}  // namespace gatehouse::store

// The bytes of a segment file, after docs/format/record-log.md: file header,
// frame header, definitions and footer. Pure functions; nothing here touches a
// disk. Parsers take any bytes at all and never read past them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/labels.h"
#include "model/stream.h"
#include "store/codec/wrapping.h"

namespace gatehouse::store {

using model::Position;

constexpr size_t kFileHeaderBytes = 48;
constexpr size_t kFrameHeaderBytes = 20;
constexpr size_t kTrailerBytes = 24;
// A batch of the largest size, 500 records with kept bodies, stays below it; a
// reader must hold a whole frame in memory.
constexpr size_t kPayloadBytesMax = size_t{16} << 20;
constexpr size_t kChunkBytes = size_t{64} << 10;
constexpr size_t kNamesMax = 4096;
constexpr size_t kNameBytesMax = 128;
constexpr size_t kStreamsMax = 10'000;

enum class FrameType : uint8_t {
  kNames = 1,
  kStreams = 2,
  kBatch = 3,
  // Of the log of samples (docs/format/wal.md); a reader of records skips them.
  kSamples = 4,
  kLabels = 5,
  kMetadata = 6,
  kDeletion = 7,
  kSnapshotSeries = 8,
  kSnapshotExemplars = 9,
  kSnapshotEnd = 10,
  kSnapshotLiveSeries = 11,
  kReservedLast = 31,
  kFooter = 126,
};

struct FileHeader {
  Position first_position = 1;
  int64_t created_ns = 0;
  uint64_t salt = 0;
};
std::string encode(const FileHeader& header);
Result<FileHeader> parse_file_header(std::string_view bytes);

struct FrameHeader {
  uint32_t crc = 0;
  uint32_t length = 0;
  Position position = 0;
  FrameType type = FrameType::kNames;
};
// None: these 20 bytes cannot be the head of a frame.
std::optional<FrameHeader> parse_frame_header(std::string_view bytes);
// REQUIRES: `frame` is a whole frame with this header.
bool frame_is_valid(std::string_view frame, const FrameHeader& header, uint64_t salt);
// Fills in the first kFrameHeaderBytes of `frame`, whose payload follows them and
// has `payload_crc`.
void finish_frame(std::string& frame, uint32_t payload_crc, Position position, FrameType type,
                  uint64_t salt);
void finish_frame(char* frame, size_t size, uint32_t payload_crc, Position position, FrameType type,
                  uint64_t salt);

// A run of frames that a reader can start at.
struct Chunk {
  uint64_t offset = 0;
  Position first_position = 0;
  int64_t min_ns = INT64_MAX;
  int64_t max_ns = INT64_MIN;
};

// What is known of a segment without reading its records. Ids start at 1: the
// entry of id i is at i - 1.
struct SegmentIndex {
  std::vector<std::string> names;  // empty: not defined (its frame was damaged)
  std::vector<model::Labels> streams;
  std::vector<bool> stream_defined;
  std::vector<uint64_t> stream_batches;  // that have its records; may be shorter than streams
  Position last_position = 0;            // 0: no records
  int64_t min_ns = INT64_MAX;
  int64_t max_ns = INT64_MIN;
  std::vector<Chunk> chunks;
  uint64_t end = kFileHeaderBytes;  // of the last frame that is not the footer

  // Takes in a frame at `offset` of `bytes` bytes. REQUIRES: in the file's order.
  void add_frame(uint64_t offset, uint64_t bytes, Position position);
  // Widens the index by a batch in the frame last added. The stream ids are those it has.
  void add_records(Position first, uint64_t count, int64_t batch_min_ns, int64_t batch_max_ns);
  void use_stream(uint64_t stream_id);
};

// Definition payloads. `first_id` is the id of the first of them.
void put_names(std::string& out, size_t first_id, const std::vector<std::string_view>& names);
void put_streams(std::string& out, size_t first_id,
                 const std::vector<const model::Labels*>& streams);
// Move `in` past what they read, and add to the index.
Status take_names(std::string_view& in, SegmentIndex& index);
Status take_streams(std::string_view& in, SegmentIndex& index);

std::string encode_footer(const SegmentIndex& index);
Result<SegmentIndex> parse_footer(std::string_view payload, uint64_t footer_offset);

std::string encode_trailer(uint64_t footer_offset, uint64_t salt);
// The footer's offset; none: not a trailer.
std::optional<uint64_t> parse_trailer(std::string_view bytes, uint64_t salt);

}  // namespace gatehouse::store

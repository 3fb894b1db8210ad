// One segment file: walking its frames, indexing it when its footer is missing,
// sealing it. What a damaged file gives up is decided here alone.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/disk.h"
#include "store/batch.h"
#include "store/format.h"

namespace gatehouse::store {

// Walks the frames between two offsets, with one buffer that holds a frame at least.
class FrameCursor {
 public:
  FrameCursor(const model::File& file, uint64_t salt, uint64_t offset, uint64_t end)
      : file_(file), salt_(salt), offset_(offset), next_(offset), end_(end) {}

  enum class Step { kFrame, kEnd, kBad };
  // kBad: what lies at offset() is no whole frame; resync() may find the next one.
  Result<Step> next();
  // Moves to the first whole frame after offset() whose position is at least
  // `position`; false: there is none.
  Result<bool> resync(Position position);

  const FrameHeader& header() const { return header_; }
  uint64_t offset() const { return offset_; }
  uint64_t frame_bytes() const { return kFrameHeaderBytes + header_.length; }
  // Valid until the next call.
  std::string_view frame() const { return frame_; }
  std::string_view payload() const { return frame_.substr(kFrameHeaderBytes); }

 private:
  // The bytes from `offset`, `size` of them or as many as there are before end_.
  Result<std::string_view> bytes_at(uint64_t offset, size_t size);
  Result<bool> try_frame(uint64_t offset);

  const model::File& file_;
  const uint64_t salt_;
  uint64_t offset_;
  uint64_t next_;
  const uint64_t end_;
  std::string buffer_;
  uint64_t buffer_offset_ = 0;
  FrameHeader header_;
  std::string_view frame_;
};

struct ScanResult {
  SegmentIndex index;       // of the whole frames; index.end is where the last one ends
  bool sealed = false;      // read from a valid footer, without looking at the frames
  bool damaged = false;     // not valid in the middle
  uint64_t torn_bytes = 0;  // after the last whole frame, where not damaged
  uint64_t lost_bytes = 0;  // unreadable, where damaged
};

Result<FileHeader> read_file_header(const model::File& file);

// The index from the footer, or else from all the frames.
Result<ScanResult> index_segment(const model::File& file, const FileHeader& header);

// Indexes by reading every frame. `definitions` are known from elsewhere (a footer
// of the same file) or null. `visit` gets each frame worth keeping.
using FrameVisit = std::function<Status(std::string_view frame, const FrameHeader& header)>;
Result<ScanResult> scan_segment(const model::File& file, const FileHeader& header,
                                const SegmentIndex* definitions, const FrameVisit& visit);

// Writes footer and trailer after index.end, and syncs. Returns the file's size.
Result<uint64_t> seal_segment(model::File& file, const FileHeader& header,
                              const SegmentIndex& index);

// Copies what is whole of the damaged file at `path` into path + ".repair", puts
// that in its place and the damaged one aside as path + ".damaged". A file whose
// header is damaged is only set aside: the result is empty then.
struct Repair {
  FileHeader header;
  ScanResult scan;
  uint64_t bytes = 0;  // of the repaired file
};
Result<std::unique_ptr<Repair>> repair_segment(model::Disk& disk, const std::string& directory,
                                               const std::string& name);

IdTables tables_of(const SegmentIndex& index);
std::string segment_name(Position first_position);

}  // namespace gatehouse::store

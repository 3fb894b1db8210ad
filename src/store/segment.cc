#include "store/segment.h"

#include <algorithm>
#include <cstdio>

#include "base/bytes.h"

namespace gatehouse::store {
namespace {

constexpr size_t kReadAheadBytes = size_t{256} << 10;
// What resync() may checksum in all: a body full of forged frame heads must not
// turn a repair into hours. Eight times a segment of the usual size.
constexpr uint64_t kResyncBytesMax = uint64_t{512} << 20;

// The footer's index, where the trailer and the footer are valid.
Result<std::unique_ptr<SegmentIndex>> read_footer(const model::File& file, const FileHeader& header,
                                                  uint64_t size) {
  if (size < kFileHeaderBytes + kFrameHeaderBytes + kTrailerBytes) {
    return std::unique_ptr<SegmentIndex>();
  }
  char trailer[kTrailerBytes];
  ASSIGN_OR_RETURN(const size_t got, file.read_at(size - kTrailerBytes, trailer, kTrailerBytes));
  const auto offset = parse_trailer({trailer, got}, header.salt);
  if (!offset || *offset < kFileHeaderBytes || *offset > size - kTrailerBytes) {
    return std::unique_ptr<SegmentIndex>();
  }
  FrameCursor cursor(file, header.salt, *offset, size - kTrailerBytes);
  ASSIGN_OR_RETURN(const FrameCursor::Step step, cursor.next());
  if (step != FrameCursor::Step::kFrame || cursor.header().type != FrameType::kFooter ||
      cursor.offset() + cursor.frame_bytes() != size - kTrailerBytes) {
    return std::unique_ptr<SegmentIndex>();
  }
  Result<SegmentIndex> index = parse_footer(cursor.payload(), *offset);
  if (!index.ok()) return std::unique_ptr<SegmentIndex>();
  return std::make_unique<SegmentIndex>(std::move(*index));
}

// Takes a valid frame into the index; false: it refers to what is not defined,
// or its content makes no sense.
bool index_frame(const FrameCursor& cursor, bool check_all, DecodedBatch& decoded,
                 SegmentIndex& index) {
  std::string_view payload = cursor.payload();
  switch (cursor.header().type) {
    case FrameType::kNames:
      if (!take_names(payload, index).ok()) return false;
      break;
    case FrameType::kStreams:
      if (!take_streams(payload, index).ok()) return false;
      break;
    case FrameType::kBatch: {
      const IdTables tables = check_all ? tables_of(index) : IdTables{};
      if (check_all && !decode_batch(payload, tables, decoded).ok()) return false;
      if (!check_all && !take_batch_head(payload, decoded.head).ok()) return false;
      for (const uint64_t id : decoded.head.stream_ids) {
        if (id > index.streams.size() || !index.stream_defined[id - 1]) return false;
      }
      break;
    }
    default: break;
  }
  index.add_frame(cursor.offset(), cursor.frame_bytes(), cursor.header().position);
  if (cursor.header().type == FrameType::kBatch) {
    const BatchHead& head = decoded.head;
    index.add_records(cursor.header().position, head.records, head.min_ns, head.max_ns);
    for (const uint64_t id : head.stream_ids) index.use_stream(id);
  }
  return true;
}

}  // namespace

Result<std::string_view> FrameCursor::bytes_at(uint64_t offset, size_t size) {
  if (offset >= end_) return std::string_view();
  size = static_cast<size_t>(std::min<uint64_t>(size, end_ - offset));
  if (offset < buffer_offset_ || offset + size > buffer_offset_ + buffer_.size()) {
    const auto want =
        static_cast<size_t>(std::min<uint64_t>(std::max(size, kReadAheadBytes), end_ - offset));
    buffer_.resize(want);
    Result<size_t> got = file_.read_at(offset, buffer_.data(), want);
    if (!got.ok()) {
      buffer_.clear();
      return got.status();
    }
    buffer_.resize(*got);
    buffer_offset_ = offset;
  }
  return std::string_view(buffer_).substr(offset - buffer_offset_, size);
}

Result<bool> FrameCursor::try_frame(uint64_t offset) {
  ASSIGN_OR_RETURN(const std::string_view head, bytes_at(offset, kFrameHeaderBytes));
  const auto header = parse_frame_header(head);
  if (!header || header->length > end_ - offset - kFrameHeaderBytes) return false;
  const size_t size = kFrameHeaderBytes + header->length;
  ASSIGN_OR_RETURN(const std::string_view frame, bytes_at(offset, size));
  if (frame.size() != size || !frame_is_valid(frame, *header, salt_)) return false;
  header_ = *header;
  frame_ = frame;
  return true;
}

Result<FrameCursor::Step> FrameCursor::next() {
  offset_ = next_;
  if (offset_ >= end_) return Step::kEnd;
  ASSIGN_OR_RETURN(const bool whole, try_frame(offset_));
  if (!whole) return Step::kBad;
  next_ = offset_ + frame_bytes();
  return Step::kFrame;
}

Result<bool> FrameCursor::resync(Position position) {
  uint64_t checked_bytes = 0;
  for (uint64_t at = offset_ + 1; at + kFrameHeaderBytes <= end_; ++at) {
    ASSIGN_OR_RETURN(const std::string_view head, bytes_at(at, kFrameHeaderBytes));
    const auto header = parse_frame_header(head);
    if (!header || header->position < position) continue;
    checked_bytes += header->length;
    if (checked_bytes > kResyncBytesMax) return false;
    ASSIGN_OR_RETURN(const bool whole, try_frame(at));
    if (!whole) continue;
    next_ = at;
    return true;
  }
  return false;
}

Result<FileHeader> read_file_header(const model::File& file) {
  char bytes[kFileHeaderBytes];
  ASSIGN_OR_RETURN(const size_t got, file.read_at(0, bytes, sizeof bytes));
  return parse_file_header({bytes, got});
}

Result<ScanResult> scan_segment(const model::File& file, const FileHeader& header,
                                const SegmentIndex* definitions, const FrameVisit& visit) {
  ASSIGN_OR_RETURN(const uint64_t size, file.size());
  ScanResult result;
  if (definitions != nullptr) {
    result.index.names = definitions->names;
    result.index.streams = definitions->streams;
    result.index.stream_defined = definitions->stream_defined;
  }
  DecodedBatch decoded;
  FrameCursor cursor(file, header.salt, kFileHeaderBytes, size);
  Position position = header.first_position;
  for (;;) {
    ASSIGN_OR_RETURN(const FrameCursor::Step step, cursor.next());
    if (step == FrameCursor::Step::kEnd) return result;
    if (step == FrameCursor::Step::kBad) {
      const uint64_t bad_at = cursor.offset();
      ASSIGN_OR_RETURN(const bool found, cursor.resync(position));
      if (!found) {
        (result.damaged ? result.lost_bytes : result.torn_bytes) += size - bad_at;
        return result;
      }
      result.damaged = true;
      ASSIGN_OR_RETURN(const FrameCursor::Step again, cursor.next());
      if (again != FrameCursor::Step::kFrame) return internal_error("a found frame is gone");
      result.lost_bytes += cursor.offset() - bad_at;
    }
    if (cursor.header().type == FrameType::kFooter) return result;
    // In a whole file, a definition precedes its use; after damage, that is to be seen.
    if (!index_frame(cursor, result.damaged || definitions != nullptr, decoded, result.index)) {
      result.damaged = true;
      result.lost_bytes += cursor.frame_bytes();
      continue;
    }
    position = std::max(position, cursor.header().position);
    if (visit) RETURN_IF_ERROR(visit(cursor.frame(), cursor.header()));
  }
}

Result<ScanResult> index_segment(const model::File& file, const FileHeader& header) {
  ASSIGN_OR_RETURN(const uint64_t size, file.size());
  ASSIGN_OR_RETURN(std::unique_ptr<SegmentIndex> footer, read_footer(file, header, size));
  if (footer != nullptr) {
    ScanResult result;
    result.index = std::move(*footer);
    result.sealed = true;
    return result;
  }
  return scan_segment(file, header, nullptr, {});
}

Result<uint64_t> seal_segment(model::File& file, const FileHeader& header,
                              const SegmentIndex& index) {
  std::string footer = encode_footer(index);
  const std::string_view payload = std::string_view(footer).substr(kFrameHeaderBytes);
  finish_frame(footer, crc32c(payload), index.last_position + 1, FrameType::kFooter, header.salt);
  footer += encode_trailer(index.end, header.salt);
  RETURN_IF_ERROR(file.write_at(index.end, footer));
  const uint64_t size = index.end + footer.size();
  RETURN_IF_ERROR(file.truncate(size));
  RETURN_IF_ERROR(file.sync());
  return size;
}

Result<std::unique_ptr<Repair>> repair_segment(model::Disk& disk, const std::string& directory,
                                               const std::string& name) {
  const std::string path = directory + "/" + name;
  ASSIGN_OR_RETURN(std::unique_ptr<model::File> damaged, disk.open(path, model::Disk::Open::kRead));
  auto repair = std::make_unique<Repair>();
  const Result<FileHeader> header = read_file_header(*damaged);
  if (!header.ok()) {
    RETURN_IF_ERROR(disk.rename(path, path + ".damaged"));
    RETURN_IF_ERROR(disk.sync_directory(directory));
    return std::unique_ptr<Repair>();
  }
  repair->header = *header;
  ASSIGN_OR_RETURN(const uint64_t size, damaged->size());
  ASSIGN_OR_RETURN(const std::unique_ptr<SegmentIndex> footer,
                   read_footer(*damaged, *header, size));
  ASSIGN_OR_RETURN(std::unique_ptr<model::File> fresh,
                   disk.open(path + ".repair", model::Disk::Open::kCreate));
  RETURN_IF_ERROR(fresh->write_at(0, encode(*header)));
  uint64_t end = kFileHeaderBytes;
  // Definitions from the footer stand at the front, so that no damage to their
  // frames matters.
  if (footer != nullptr) {
    std::string names(kFrameHeaderBytes, '\0');
    put_names(names, 1, {footer->names.begin(), footer->names.end()});
    finish_frame(names, crc32c(std::string_view(names).substr(kFrameHeaderBytes)),
                 header->first_position, FrameType::kNames, header->salt);
    std::string streams(kFrameHeaderBytes, '\0');
    std::vector<const model::Labels*> labels;
    for (const model::Labels& stream : footer->streams) labels.push_back(&stream);
    put_streams(streams, 1, labels);
    finish_frame(streams, crc32c(std::string_view(streams).substr(kFrameHeaderBytes)),
                 header->first_position, FrameType::kStreams, header->salt);
    RETURN_IF_ERROR(fresh->write_at(end, names + streams));
    end += names.size() + streams.size();
  }
  const auto copy = [&](std::string_view frame, const FrameHeader&) -> Status {
    RETURN_IF_ERROR(fresh->write_at(end, frame));
    end += frame.size();
    return {};
  };
  ASSIGN_OR_RETURN(const ScanResult scan, scan_segment(*damaged, *header, footer.get(), copy));
  ASSIGN_OR_RETURN(repair->scan, scan_segment(*fresh, *header, nullptr, {}));
  repair->scan.damaged = scan.damaged;
  repair->scan.lost_bytes = scan.lost_bytes + scan.torn_bytes;
  ASSIGN_OR_RETURN(repair->bytes, seal_segment(*fresh, *header, repair->scan.index));
  RETURN_IF_ERROR(disk.rename(path, path + ".damaged"));
  RETURN_IF_ERROR(disk.rename(path + ".repair", path));
  RETURN_IF_ERROR(disk.sync_directory(directory));
  return repair;
}

IdTables tables_of(const SegmentIndex& index) {
  IdTables tables;
  tables.names.assign(index.names.begin(), index.names.end());
  for (size_t i = 0; i < index.streams.size(); ++i) {
    tables.streams.push_back(index.stream_defined[i] ? &index.streams[i] : nullptr);
  }
  return tables;
}

std::string segment_name(Position first_position) {
  char name[32];
  std::snprintf(name, sizeof name, "%016llx.log", static_cast<unsigned long long>(first_position));
  return name;
}

}  // namespace gatehouse::store

// Arbitrary bytes as a segment file: opening, reading both ways and repairing must
// not crash, hang, or take memory out of proportion. The input is taken as it is,
// and then again behind a valid file header with its frames' checksums made right,
// as otherwise nearly no input would reach past them.
#include <cstring>
#include <map>
#include <string>

#include "base/bytes.h"
#include "base/log.h"
#include "store/segment.h"

namespace {

using namespace gatehouse;
using namespace gatehouse::store;

class Bytes : public model::File {
 public:
  explicit Bytes(std::string bytes) : bytes_(std::move(bytes)) {}
  Result<size_t> read_at(uint64_t offset, char* out, size_t size) const override {
    if (offset >= bytes_.size()) return size_t{0};
    const size_t got = std::min<size_t>(size, bytes_.size() - offset);
    std::memcpy(out, bytes_.data() + offset, got);
    return got;
  }
  Status write_at(uint64_t offset, std::string_view bytes) override {
    if (bytes_.size() < offset + bytes.size()) bytes_.resize(offset + bytes.size());
    std::memcpy(bytes_.data() + offset, bytes.data(), bytes.size());
    return {};
  }
  Status sync() override { return {}; }
  Status truncate(uint64_t size) override {
    bytes_.resize(size);
    return {};
  }
  Result<uint64_t> size() const override { return uint64_t{bytes_.size()}; }

 private:
  std::string bytes_;
};

// Gives each frame the checksum of its bytes, following the lengths.
void correct_checksums(std::string& bytes, uint64_t salt) {
  for (size_t at = kFileHeaderBytes; at + kFrameHeaderBytes <= bytes.size();) {
    const auto header = parse_frame_header(std::string_view(bytes).substr(at));
    if (!header || header->length > bytes.size() - at - kFrameHeaderBytes) return;
    std::string frame = bytes.substr(at, kFrameHeaderBytes + header->length);
    finish_frame(frame, crc32c(std::string_view(frame).substr(kFrameHeaderBytes)), header->position,
                 header->type, salt);
    bytes.replace(at, frame.size(), frame);
    at += frame.size();
  }
}

void read_all(const std::string& bytes) {
  Bytes file(bytes);
  const Result<FileHeader> header = read_file_header(file);
  if (!header.ok()) return;
  const Result<ScanResult> scan = index_segment(file, *header);
  if (!scan.ok()) return;
  const IdTables tables = tables_of(scan->index);
  DecodedBatch decoded;
  FrameCursor cursor(file, header->salt, kFileHeaderBytes, scan->index.end);
  for (;;) {
    const auto step = cursor.next();
    if (!step.ok() || *step == FrameCursor::Step::kEnd) break;
    if (*step == FrameCursor::Step::kBad) {
      const auto found = cursor.resync(0);
      if (!found.ok() || !*found) break;
      continue;
    }
    if (cursor.header().type == FrameType::kBatch) {
      (void)decode_batch(cursor.payload(), tables, decoded);
    }
    if (cursor.header().type == FrameType::kFooter) {
      (void)parse_footer(cursor.payload(), cursor.offset());
    }
  }
  // What was indexed can be sealed, and the footer says the same.
  if (scan->sealed || scan->damaged) return;
  if (!seal_segment(file, *header, scan->index).ok()) __builtin_trap();
  const Result<ScanResult> again = index_segment(file, *header);
  if (!again.ok() || !again->sealed || again->index.end != scan->index.end ||
      again->index.last_position != scan->index.last_position) {
    __builtin_trap();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  set_log_severity(Severity::kError);
  const std::string input(reinterpret_cast<const char*>(data), size);
  read_all(input);
  const FileHeader header{1, 2, 3};
  std::string framed = encode(header) + input;
  read_all(framed);
  correct_checksums(framed, header.salt);
  read_all(framed);
  return 0;
}

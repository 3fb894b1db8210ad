#include "store/format.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"

namespace gatehouse::store {
namespace {

constexpr std::string_view kFileMagic = "GHRECLOG";
constexpr std::string_view kTrailerMagic = "GHRECEND";
constexpr uint32_t kVersion = 1;

template <typename T>
void store_le(char* out, T value) {
  for (size_t i = 0; i < sizeof(T); ++i) {
    out[i] = static_cast<char>(static_cast<uint64_t>(value) >> (8 * i));
  }
}

Status cut_short(std::string_view what) {
  return data_loss("a " + std::string(what) + " ends early");
}

bool get_string(std::string_view& in, std::string_view& out) {
  uint64_t size = 0;
  if (!get_varint(in, size) || size > in.size()) return false;
  out = in.substr(0, size);
  in.remove_prefix(size);
  return true;
}

void put_string(std::string& out, std::string_view text) {
  put_varint(out, text.size());
  out.append(text);
}

// Reads "first id, count" and checks that they go on from, or fall within, what
// a segment may define. The bound keeps a forged id from growing the table.
bool get_id_run(std::string_view& in, size_t ids_max, uint64_t& first, uint64_t& count) {
  return get_varint(in, first) && get_varint(in, count) && first >= 1 && first <= ids_max + 1 &&
         count <= ids_max + 1 - first && count <= in.size();
}

uint32_t header_crc(const char* frame, uint32_t payload_crc, uint64_t salt) {
  char tail[kFrameHeaderBytes - 4 + 8];
  std::memcpy(tail, frame + 4, kFrameHeaderBytes - 4);
  store_le(tail + kFrameHeaderBytes - 4, salt);
  return crc32c({tail, sizeof tail}, payload_crc);
}

}  // namespace

std::string encode(const FileHeader& header) {
  std::string out(kFileMagic);
  put_le<uint32_t>(out, kVersion);
  put_le<uint32_t>(out, 0);
  put_le<uint64_t>(out, header.first_position);
  put_le<int64_t>(out, header.created_ns);
  put_le<uint64_t>(out, header.salt);
  put_le<uint32_t>(out, 0);
  put_le<uint32_t>(out, crc32c(out));
  return out;
}

Result<FileHeader> parse_file_header(std::string_view bytes) {
  if (bytes.size() < kFileHeaderBytes) return data_loss("the file header is cut short");
  if (bytes.substr(0, 8) != kFileMagic) return data_loss("this is no record log segment");
  if (get_le<uint32_t>(bytes.data() + 44) != crc32c(bytes.substr(0, 44))) {
    return data_loss("the file header's checksum does not match");
  }
  const auto version = get_le<uint32_t>(bytes.data() + 8);
  if (version != kVersion) {
    return Status(Code::kUnimplemented, "record log version " + std::to_string(version) +
                                            " was written by a newer gatehouse; start that one, "
                                            "or give this one another directory");
  }
  FileHeader header;
  header.first_position = get_le<uint64_t>(bytes.data() + 16);
  header.created_ns = get_le<int64_t>(bytes.data() + 24);
  header.salt = get_le<uint64_t>(bytes.data() + 32);
  return header;
}

std::optional<FrameHeader> parse_frame_header(std::string_view bytes) {
  if (bytes.size() < kFrameHeaderBytes) return std::nullopt;
  const auto type = static_cast<uint8_t>(bytes[16]);
  const bool known = (type >= static_cast<uint8_t>(FrameType::kNames) &&
                      type <= static_cast<uint8_t>(FrameType::kReservedLast)) ||
                     type == static_cast<uint8_t>(FrameType::kFooter);
  if (!known || bytes[17] != 0 || bytes[18] != 0 || bytes[19] != 0) return std::nullopt;
  FrameHeader header;
  header.crc = get_le<uint32_t>(bytes.data());
  header.length = get_le<uint32_t>(bytes.data() + 4);
  header.position = get_le<uint64_t>(bytes.data() + 8);
  header.type = static_cast<FrameType>(type);
  if (header.length > kPayloadBytesMax) return std::nullopt;
  return header;
}

bool frame_is_valid(std::string_view frame, const FrameHeader& header, uint64_t salt) {
  return header_crc(frame.data(), crc32c(frame.substr(kFrameHeaderBytes)), salt) == header.crc;
}

void finish_frame(std::string& frame, uint32_t payload_crc, Position position, FrameType type,
                  uint64_t salt) {
  finish_frame(frame.data(), frame.size(), payload_crc, position, type, salt);
}

void finish_frame(char* head, size_t size, uint32_t payload_crc, Position position, FrameType type,
                  uint64_t salt) {
  store_le(head + 4, static_cast<uint32_t>(size - kFrameHeaderBytes));
  store_le(head + 8, position);
  head[16] = static_cast<char>(type);
  head[17] = head[18] = head[19] = 0;
  store_le(head, header_crc(head, payload_crc, salt));
}

void SegmentIndex::add_frame(uint64_t offset, uint64_t bytes, Position position) {
  if (chunks.empty() || offset - chunks.back().offset >= kChunkBytes) {
    chunks.push_back({offset, position});
  }
  end = offset + bytes;
}

void SegmentIndex::add_records(Position first, uint64_t count, int64_t batch_min_ns,
                               int64_t batch_max_ns) {
  Chunk& chunk = chunks.back();
  chunk.min_ns = std::min(chunk.min_ns, batch_min_ns);
  chunk.max_ns = std::max(chunk.max_ns, batch_max_ns);
  min_ns = std::min(min_ns, batch_min_ns);
  max_ns = std::max(max_ns, batch_max_ns);
  last_position = first + count - 1;
}

void SegmentIndex::use_stream(uint64_t stream_id) {
  if (stream_batches.size() < stream_id) stream_batches.resize(stream_id);
  ++stream_batches[stream_id - 1];
}

void put_names(std::string& out, size_t first_id, const std::vector<std::string_view>& names) {
  put_varint(out, first_id);
  put_varint(out, names.size());
  for (const std::string_view name : names) put_string(out, name);
}

void put_streams(std::string& out, size_t first_id,
                 const std::vector<const model::Labels*>& streams) {
  put_varint(out, first_id);
  put_varint(out, streams.size());
  for (const model::Labels* labels : streams) {
    put_varint(out, labels->pairs().size());
    for (const auto& [name, value] : labels->pairs()) {
      put_string(out, name);
      put_string(out, value);
    }
  }
}

Status take_names(std::string_view& in, SegmentIndex& index) {
  uint64_t first = 0;
  uint64_t count = 0;
  if (!get_id_run(in, kNamesMax, first, count)) return cut_short("definition of names");
  if (index.names.size() < first - 1 + count) index.names.resize(first - 1 + count);
  for (uint64_t i = 0; i < count; ++i) {
    std::string_view name;
    if (!get_string(in, name)) return cut_short("definition of names");
    index.names[first - 1 + i] = name;
  }
  return {};
}

Status take_streams(std::string_view& in, SegmentIndex& index) {
  uint64_t first = 0;
  uint64_t count = 0;
  if (!get_id_run(in, kStreamsMax, first, count)) return cut_short("definition of streams");
  if (index.streams.size() < first - 1 + count) {
    index.streams.resize(first - 1 + count);
    index.stream_defined.resize(first - 1 + count);
  }
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t pairs = 0;
    if (!get_varint(in, pairs) || pairs > in.size()) return cut_short("definition of streams");
    std::vector<model::Labels::Pair> labels;
    for (uint64_t j = 0; j < pairs; ++j) {
      std::string_view name;
      std::string_view value;
      if (!get_string(in, name) || !get_string(in, value))
        return cut_short("definition of streams");
      labels.emplace_back(name, value);
    }
    index.streams[first - 1 + i] = model::Labels(std::move(labels));
    index.stream_defined[first - 1 + i] = true;
  }
  return {};
}

std::string encode_footer(const SegmentIndex& index) {
  std::string out(kFrameHeaderBytes, '\0');
  put_names(out, 1, {index.names.begin(), index.names.end()});
  std::vector<const model::Labels*> streams;
  for (const model::Labels& labels : index.streams) streams.push_back(&labels);
  put_streams(out, 1, streams);
  for (size_t i = 0; i < index.streams.size(); ++i) {
    put_varint(out, i < index.stream_batches.size() ? index.stream_batches[i] : 0);
  }
  put_varint(out, index.last_position);
  put_varint(out, zigzag(index.min_ns));
  put_varint(out, zigzag(index.max_ns));
  put_varint(out, index.chunks.size());
  Chunk before;
  for (const Chunk& chunk : index.chunks) {
    put_varint(out, chunk.offset - before.offset);
    put_varint(out, chunk.first_position - before.first_position);
    put_varint(out, zigzag(chunk.min_ns));
    put_varint(out, static_cast<uint64_t>(chunk.max_ns) - static_cast<uint64_t>(chunk.min_ns));
    before = chunk;
  }
  return out;
}

Result<SegmentIndex> parse_footer(std::string_view payload, uint64_t footer_offset) {
  SegmentIndex index;
  RETURN_IF_ERROR(take_names(payload, index));
  RETURN_IF_ERROR(take_streams(payload, index));
  index.stream_batches.resize(index.streams.size());
  for (uint64_t& batches : index.stream_batches) {
    if (!get_varint(payload, batches)) return cut_short("footer");
  }
  uint64_t min_ns = 0;
  uint64_t max_ns = 0;
  uint64_t chunks = 0;
  if (!get_varint(payload, index.last_position) || !get_varint(payload, min_ns) ||
      !get_varint(payload, max_ns) || !get_varint(payload, chunks) || chunks > payload.size()) {
    return cut_short("footer");
  }
  index.min_ns = unzigzag(min_ns);
  index.max_ns = unzigzag(max_ns);
  index.chunks.reserve(chunks);
  Chunk chunk;
  for (uint64_t i = 0; i < chunks; ++i) {
    uint64_t offset = 0;
    uint64_t position = 0;
    uint64_t span_ns = 0;
    if (!get_varint(payload, offset) || !get_varint(payload, position) ||
        !get_varint(payload, min_ns) || !get_varint(payload, span_ns)) {
      return cut_short("footer");
    }
    if (offset > footer_offset || chunk.offset + offset > footer_offset ||
        chunk.offset + offset < kFileHeaderBytes || (i > 0 && offset == 0)) {
      return data_loss("a footer points outside its segment");
    }
    chunk.offset += offset;
    chunk.first_position += position;
    chunk.min_ns = unzigzag(min_ns);
    chunk.max_ns = static_cast<int64_t>(static_cast<uint64_t>(chunk.min_ns) + span_ns);
    index.chunks.push_back(chunk);
  }
  index.end = footer_offset;
  return index;
}

std::string encode_trailer(uint64_t footer_offset, uint64_t salt) {
  std::string out(kTrailerMagic);
  put_le<uint64_t>(out, footer_offset);
  put_le<uint32_t>(out, 0);
  std::string salt_bytes;
  put_le(salt_bytes, salt);
  put_le<uint32_t>(out, crc32c(salt_bytes, crc32c(out)));
  return out;
}

std::optional<uint64_t> parse_trailer(std::string_view bytes, uint64_t salt) {
  if (bytes.size() != kTrailerBytes) return std::nullopt;
  const auto offset = get_le<uint64_t>(bytes.data() + 8);
  if (bytes != encode_trailer(offset, salt)) return std::nullopt;
  return offset;
}

}  // namespace gatehouse::store

#include "store/block/block_format.h"

#include <algorithm>

#include "base/bytes.h"
#include "store/codec/int_column.h"
#include "store/codec/wrapping.h"

namespace gatehouse::store {
namespace {

// A CRC and a varint of up to 5 bytes.
constexpr size_t kRecordHeadMax = 9;

bool take_signed(std::string_view& in, int64_t& value) {
  uint64_t raw = 0;
  if (!get_varint(in, raw)) return false;
  value = unzigzag(raw);
  return true;
}

void put_difference(std::string& out, uint64_t now, uint64_t before) {
  put_varint(out, zigzag(static_cast<int64_t>(now - before)));
}
bool take_difference(std::string_view& in, uint64_t& value) {
  int64_t off = 0;
  if (!take_signed(in, off)) return false;
  value += static_cast<uint64_t>(off);
  return true;
}

void put_string(std::string& out, std::string_view text) {
  put_varint(out, text.size());
  out += text;
}
bool take_string(std::string_view& in, std::string& text) {
  uint64_t size = 0;
  if (!get_varint(in, size) || size > in.size()) return false;
  text = in.substr(0, size);
  in.remove_prefix(size);
  return true;
}

bool take_meta(std::string_view in, BlockMeta& meta) {
  uint64_t level = 0;
  uint64_t parents = 0;
  if (!take_string(in, meta.id) || !take_signed(in, meta.begin_ms) ||
      !take_signed(in, meta.end_ms) || !get_varint(in, meta.series) ||
      !get_varint(in, meta.samples) || !get_varint(in, meta.histograms) || !get_varint(in, level) ||
      !get_varint(in, parents) || parents > in.size() || level > UINT32_MAX) {
    return false;
  }
  meta.level = static_cast<uint32_t>(level);
  meta.parents.resize(parents);
  for (std::string& parent : meta.parents) {
    if (!take_string(in, parent)) return false;
  }
  return in.empty() && is_block_id(meta.id);
}

}  // namespace

std::string block_header() {
  std::string out(kBlockMagic);
  put_le<uint32_t>(out, kBlockVersion);
  put_le<uint32_t>(out, 0);
  return out;
}

std::string encode_contents(const Contents& contents) {
  std::string out;
  for (const SectionPlace& place : contents) {
    put_le<uint64_t>(out, place.offset);
    put_le<uint64_t>(out, place.length);
    put_le<uint32_t>(out, place.crc);
  }
  put_le<uint32_t>(out, crc32c(out));
  out += kBlockEnd;
  return out;
}

Result<Contents> parse_contents(std::string_view file) {
  if (file.size() < kBlockHeaderBytes + kContentsBytes || !file.starts_with(kBlockMagic)) {
    return data_loss("the file is no block");
  }
  if (get_le<uint32_t>(file.data() + kBlockMagic.size()) != kBlockVersion) {
    return {Status(Code::kUnimplemented, "the block was written by another version")};
  }
  const std::string_view end = file.substr(file.size() - kContentsBytes);
  const std::string_view places = end.substr(0, kSections * 20);
  if (!end.ends_with(kBlockEnd) || get_le<uint32_t>(end.data() + places.size()) != crc32c(places)) {
    return data_loss("the block ends before its table of contents");
  }
  Contents contents;
  const uint64_t limit = file.size() - kContentsBytes;
  for (size_t i = 0; i < kSections; ++i) {
    const char* at = places.data() + i * 20;
    contents[i] = {get_le<uint64_t>(at), get_le<uint64_t>(at + 8), get_le<uint32_t>(at + 16)};
    if (contents[i].offset > limit || contents[i].length > limit - contents[i].offset) {
      return data_loss("the block's table of contents is damaged");
    }
  }
  return contents;
}

std::string encode_meta(const BlockMeta& meta) {
  std::string out;
  put_string(out, meta.id);
  put_varint(out, zigzag(meta.begin_ms));
  put_varint(out, zigzag(meta.end_ms));
  put_varint(out, meta.series);
  put_varint(out, meta.samples);
  put_varint(out, meta.histograms);
  put_varint(out, meta.level);
  put_varint(out, meta.parents.size());
  for (const std::string& parent : meta.parents) put_string(out, parent);
  return out;
}

Result<BlockMeta> parse_meta(std::string_view section) {
  BlockMeta meta;
  if (!take_meta(section, meta)) return data_loss("what the block says of itself is damaged");
  return meta;
}

void put_row(std::string& out, const SeriesRow& row, const SeriesRow& before) {
  size_t same = 0;
  const size_t both = std::min(row.labels.size(), before.labels.size());
  while (same < both && row.labels[same] == before.labels[same] &&
         row.labels[same + 1] == before.labels[same + 1]) {
    same += 2;
  }
  put_varint(out, same / 2);
  put_varint(out, (row.labels.size() - same) / 2);
  for (size_t i = same; i < row.labels.size(); i += 2) {
    if (i < both && row.labels[i] == before.labels[i]) {
      const int64_t off = int64_t{row.labels[i + 1]} - int64_t{before.labels[i + 1]};
      put_varint(out, zigzag(off) << 1);
    } else {
      put_varint(out, uint64_t{row.labels[i]} << 1 | 1);
      put_varint(out, row.labels[i + 1]);
    }
  }
  put_varint(out, row.chunks.size());
  ChunkPlace last;
  for (size_t i = 0; i < row.chunks.size(); ++i) {
    const ChunkPlace& chunk = row.chunks[i];
    if (i < before.chunks.size()) last = before.chunks[i];
    put_difference(out, chunk.offset, last.offset);
    put_difference(out, chunk.times, last.times);
    put_difference(out, static_cast<uint64_t>(chunk.begin_ms),
                   static_cast<uint64_t>(last.begin_ms));
    put_difference(out, static_cast<uint64_t>(chunk.end_ms), static_cast<uint64_t>(last.end_ms));
    put_difference(out, chunk.rows, last.rows);
    last = chunk;
  }
}

bool take_row(std::string_view& in, SeriesRow& row) {
  uint64_t same = 0;
  uint64_t more = 0;
  if (!get_varint(in, same) || !get_varint(in, more)) return false;
  // A label takes a byte at least.
  if (same > row.labels.size() / 2 || more > in.size()) return false;
  const size_t before = row.labels.size();
  row.labels.resize(2 * (same + more));
  for (size_t i = 2 * same; i < row.labels.size(); i += 2) {
    uint64_t code = 0;
    uint64_t value = 0;
    if (!get_varint(in, code)) return false;
    if ((code & 1) == 0) {
      if (i >= before) return false;
      value = row.labels[i + 1] + static_cast<uint64_t>(unzigzag(code >> 1));
    } else {
      if (code >> 1 > UINT32_MAX || !get_varint(in, value)) return false;
      row.labels[i] = static_cast<uint32_t>(code >> 1);
    }
    if (value > UINT32_MAX) return false;
    row.labels[i + 1] = static_cast<uint32_t>(value);
  }
  uint64_t chunks = 0;
  // A chunk takes five bytes at least.
  if (!get_varint(in, chunks) || chunks > in.size() / 5) return false;
  const size_t chunks_before = row.chunks.size();
  row.chunks.resize(chunks);
  ChunkPlace last;
  for (size_t i = 0; i < chunks; ++i) {
    ChunkPlace& chunk = row.chunks[i];
    if (i >= chunks_before) chunk = last;
    uint64_t begin = static_cast<uint64_t>(chunk.begin_ms);
    uint64_t end = static_cast<uint64_t>(chunk.end_ms);
    uint64_t rows = chunk.rows;
    if (!take_difference(in, chunk.offset) || !take_difference(in, chunk.times) ||
        !take_difference(in, begin) || !take_difference(in, end) || !take_difference(in, rows) ||
        rows == 0 || rows > kColumnRowsMax) {
      return false;
    }
    chunk.begin_ms = static_cast<int64_t>(begin);
    chunk.end_ms = static_cast<int64_t>(end);
    chunk.rows = static_cast<uint32_t>(rows);
    last = chunk;
  }
  return true;
}

void put_postings(std::string& out, std::span<const uint32_t> ids) {
  put_varint(out, ids.size());
  uint32_t next = 0;
  for (size_t i = 0; i < ids.size();) {
    size_t end = i + 1;
    while (end < ids.size() && ids[end] == ids[end - 1] + 1) ++end;
    const uint64_t gap = ids[i] - next;
    put_varint(out, gap << 1 | (end - i > 1 ? 1 : 0));
    if (end - i > 1) put_varint(out, end - i - 2);
    next = ids[end - 1] + 1;
    i = end;
  }
}

bool take_postings(std::string_view in, uint32_t end, std::vector<uint32_t>& out) {
  uint64_t count = 0;
  if (!get_varint(in, count) || count > end) return false;
  out.reserve(out.size() + count);
  uint64_t next = 0;
  while (count > 0) {
    uint64_t code = 0;
    uint64_t run = 0;
    if (!get_varint(in, code)) return false;
    if ((code & 1) != 0) {
      if (!get_varint(in, run) || run >= count) return false;
      ++run;
    }
    if (run + 1 > count || code >> 1 > end) return false;
    next += code >> 1;
    if (next + run >= end) return false;
    for (uint64_t i = 0; i <= run; ++i) out.push_back(static_cast<uint32_t>(next + i));
    next += run + 1;
    count -= run + 1;
  }
  return true;
}

std::string seal_record(RecordKind kind, size_t rows, std::string_view columns) {
  std::string body;
  body.push_back(static_cast<char>(kind));
  put_varint(body, rows);
  std::string out(4, '\0');
  put_varint(out, body.size() + columns.size());
  out += body;
  out += columns;
  std::string crc;
  put_le<uint32_t>(crc, crc32c(std::string_view(out).substr(4)));
  return out.replace(0, 4, crc);
}

std::optional<Record> open_record(std::string_view file, uint64_t offset) {
  if (offset < kBlockHeaderBytes || offset > file.size() || file.size() - offset < kRecordHeadMax) {
    return std::nullopt;
  }
  const char* start = file.data() + offset;
  std::string_view in = file.substr(offset + 4);
  uint64_t length = 0;
  if (!get_varint(in, length) || length < 2 || length > in.size()) return std::nullopt;
  in = in.substr(0, length);
  const std::string_view covered(start + 4, static_cast<size_t>(in.data() + in.size() - start - 4));
  if (crc32c(covered) != get_le<uint32_t>(start)) return std::nullopt;
  Record record;
  const auto kind = static_cast<uint8_t>(in[0]);
  uint64_t rows = 0;
  in.remove_prefix(1);
  if (kind == 0 || kind > static_cast<uint8_t>(RecordKind::kHistograms)) return std::nullopt;
  if (!get_varint(in, rows) || rows == 0 || rows > kColumnRowsMax) return std::nullopt;
  record.kind = static_cast<RecordKind>(kind);
  record.rows = static_cast<uint32_t>(rows);
  record.columns = in;
  return record;
}

}  // namespace gatehouse::store

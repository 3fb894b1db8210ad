#include "store/batch.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/bytes.h"

namespace gatehouse::store {
namespace {

using model::Attribute;
using model::Record;
using model::StreamRecord;

enum ValueType : uint64_t { kText = 0, kInteger = 1, kDouble = 2, kFalse = 3, kTrue = 4 };

constexpr size_t kVarintBytesMax = 10;

// Writes into room that was made beforehand: the bound on an encoded record is
// cheap to compute, and checking at each byte is not.
class RoomWriter {
 public:
  explicit RoomWriter(char* at) : at_(at) {}
  void varint(uint64_t value) {
    while (value >= 0x80) {
      *at_++ = static_cast<char>(value | 0x80);
      value >>= 7;
    }
    *at_++ = static_cast<char>(value);
  }
  void byte(uint8_t value) { *at_++ = static_cast<char>(value); }
  void string(std::string_view text) {
    varint(text.size());
    if (!text.empty()) std::memcpy(at_, text.data(), text.size());  // empty: may be null
    at_ += text.size();
  }
  void eight(uint64_t value) {
    for (int i = 0; i < 8; ++i) *at_++ = static_cast<char>(value >> (8 * i));
  }
  char* at() const { return at_; }

 private:
  char* at_;
};

size_t room_for(const Record& record) {
  size_t room = 4 * kVarintBytesMax + 1 + record.body.size();
  for (const Attribute& attribute : record.attributes) {
    room += 3 * kVarintBytesMax + attribute.name.size();
    if (const auto* text = std::get_if<std::string_view>(&attribute.value)) room += text->size();
  }
  return room;
}

void write_attribute(RoomWriter& out, const Attribute& attribute, uint64_t id) {
  const auto key = [&](ValueType type) {
    out.varint(id << 3 | type);
    if (id == 0) out.string(attribute.name);
  };
  if (const auto* text = std::get_if<std::string_view>(&attribute.value)) {
    key(kText);
    out.string(*text);
  } else if (const auto* integer = std::get_if<int64_t>(&attribute.value)) {
    key(kInteger);
    out.varint(zigzag(*integer));
  } else if (const auto* number = std::get_if<double>(&attribute.value)) {
    key(kDouble);
    out.eight(std::bit_cast<uint64_t>(*number));
  } else {
    key(std::get<bool>(attribute.value) ? kTrue : kFalse);
  }
}

// The streams of the batch in the order of their first record, and its times.
size_t summarize(std::span<const StreamRecord> records, EncodedBatch& out) {
  out.records = records.size();
  out.min_ns = INT64_MAX;
  out.max_ns = INT64_MIN;
  out.stream_ids.clear();
  size_t room = 0;
  for (const StreamRecord& item : records) {
    out.min_ns = std::min(out.min_ns, item.record.time_ns);
    out.max_ns = std::max(out.max_ns, item.record.time_ns);
    room += room_for(item.record);
    if ((out.stream_ids.empty() || out.stream_ids.back() != item.stream) &&
        std::find(out.stream_ids.begin(), out.stream_ids.end(), item.stream) ==
            out.stream_ids.end()) {
      out.stream_ids.push_back(item.stream);
    }
  }
  return room + (4 + out.stream_ids.size()) * kVarintBytesMax;
}

size_t stream_index(const EncodedBatch& batch, uint64_t stream) {
  size_t i = 0;
  while (batch.stream_ids[i] != stream) ++i;
  return i;
}

Status malformed() { return data_loss("a batch of records is malformed"); }

bool take_string(std::string_view& in, std::string_view& out) {
  uint64_t size = 0;
  if (!get_varint(in, size) || size > in.size()) return false;
  out = in.substr(0, size);
  in.remove_prefix(size);
  return true;
}

bool take_attribute(std::string_view& in, const IdTables& tables, Attribute& out) {
  uint64_t key = 0;
  if (!get_varint(in, key)) return false;
  const uint64_t id = key >> 3;
  if (id == 0) {
    if (!take_string(in, out.name)) return false;
  } else {
    if (id > tables.names.size() || tables.names[id - 1].empty()) return false;
    out.name = tables.names[id - 1];
  }
  switch (key & 7) {
    case kText: {
      std::string_view text;
      if (!take_string(in, text)) return false;
      out.value = text;
      return true;
    }
    case kInteger: {
      uint64_t value = 0;
      if (!get_varint(in, value)) return false;
      out.value = unzigzag(value);
      return true;
    }
    case kDouble:
      if (in.size() < 8) return false;
      out.value = std::bit_cast<double>(get_le<uint64_t>(in.data()));
      in.remove_prefix(8);
      return true;
    case kFalse: out.value = false; return true;
    case kTrue: out.value = true; return true;
    default: return false;
  }
}

}  // namespace

Status encode_batch(std::span<const StreamRecord> records, Dictionary& dictionary,
                    EncodedBatch& out) {
  if (records.empty() || records.size() > kBatchRecordsMax) {
    return invalid_argument("a batch holds 1 to " + std::to_string(kBatchRecordsMax) + " records");
  }
  const size_t room = kFrameHeaderBytes + summarize(records, out);
  if (out.frame.size() < room) out.frame.resize(room);
  out.name_id_max = 0;
  RoomWriter write(out.frame.data() + kFrameHeaderBytes);
  write.varint(records.size());
  write.varint(zigzag(out.min_ns));
  write.varint(static_cast<uint64_t>(out.max_ns) - static_cast<uint64_t>(out.min_ns));
  write.varint(out.stream_ids.size());
  for (const uint64_t id : out.stream_ids) write.varint(id);
  size_t attributes = 0;
  for (const StreamRecord& item : records) {
    const Record& record = item.record;
    write.varint(stream_index(out, item.stream));
    write.varint(static_cast<uint64_t>(record.time_ns) - static_cast<uint64_t>(out.min_ns));
    write.byte(static_cast<uint8_t>(record.severity));
    write.string(record.body);
    write.varint(record.attributes.size());
    attributes += record.attributes.size();
    for (const Attribute& attribute : record.attributes) {
      const uint64_t id = dictionary.name_id(attribute.name);
      out.name_id_max = std::max(out.name_id_max, id);
      write_attribute(write, attribute, id);
    }
  }
  out.frame.resize(static_cast<size_t>(write.at() - out.frame.data()));
  if (attributes > kBatchAttributesMax) {
    return invalid_argument("a batch holds at most " + std::to_string(kBatchAttributesMax) +
                            " attributes");
  }
  if (out.frame.size() > kFrameHeaderBytes + kPayloadBytesMax) {
    return invalid_argument("a batch takes at most 16 MiB; append its records in several");
  }
  out.payload_crc = crc32c(std::string_view(out.frame).substr(kFrameHeaderBytes));
  return {};
}

Status take_batch_head(std::string_view& in, BatchHead& head) {
  uint64_t min_ns = 0;
  uint64_t span_ns = 0;
  uint64_t streams = 0;
  if (!get_varint(in, head.records) || !get_varint(in, min_ns) || !get_varint(in, span_ns) ||
      !get_varint(in, streams)) {
    return malformed();
  }
  if (head.records == 0 || head.records > kBatchRecordsMax || head.records > in.size() ||
      streams == 0 || streams > head.records) {
    return malformed();
  }
  head.min_ns = unzigzag(min_ns);
  head.max_ns = static_cast<int64_t>(static_cast<uint64_t>(head.min_ns) + span_ns);
  if (head.max_ns < head.min_ns) return malformed();
  head.stream_ids.resize(streams);
  for (uint64_t& id : head.stream_ids) {
    if (!get_varint(in, id) || id == 0 || id > kStreamsMax) return malformed();
  }
  return {};
}

Status decode_batch(std::string_view payload, const IdTables& tables, DecodedBatch& out) {
  RETURN_IF_ERROR(take_batch_head(payload, out.head));
  for (const uint64_t id : out.head.stream_ids) {
    if (id > tables.streams.size() || tables.streams[id - 1] == nullptr) return malformed();
  }
  out.records.clear();
  out.stream_of.clear();
  out.first_attribute.clear();
  out.attributes.clear();
  for (uint64_t i = 0; i < out.head.records; ++i) {
    Record record;
    uint64_t stream = 0;
    uint64_t delta_ns = 0;
    if (!get_varint(payload, stream) || stream >= out.head.stream_ids.size() ||
        !get_varint(payload, delta_ns) || payload.empty()) {
      return malformed();
    }
    record.time_ns = static_cast<int64_t>(static_cast<uint64_t>(out.head.min_ns) + delta_ns);
    const auto severity = static_cast<uint8_t>(payload.front());
    payload.remove_prefix(1);
    if (record.time_ns < out.head.min_ns || record.time_ns > out.head.max_ns || severity > 3) {
      return malformed();
    }
    record.severity = static_cast<Severity>(severity);
    uint64_t attributes = 0;
    if (!take_string(payload, record.body) || !get_varint(payload, attributes) ||
        attributes > payload.size() || out.attributes.size() + attributes > kBatchAttributesMax) {
      return malformed();
    }
    const size_t first = out.attributes.size();
    out.attributes.resize(first + attributes);
    for (size_t j = first; j < out.attributes.size(); ++j) {
      if (!take_attribute(payload, tables, out.attributes[j])) return malformed();
    }
    out.records.push_back(record);
    out.stream_of.push_back(static_cast<uint32_t>(stream));
    out.first_attribute.push_back(first);
  }
  if (!payload.empty()) return malformed();
  // Only now: the vector of attributes moves while it grows.
  for (size_t i = 0; i < out.records.size(); ++i) {
    const size_t first = out.first_attribute[i];
    const size_t end =
        i + 1 < out.records.size() ? out.first_attribute[i + 1] : out.attributes.size();
    out.records[i].attributes = {out.attributes.data() + first, end - first};
  }
  return {};
}

}  // namespace gatehouse::store

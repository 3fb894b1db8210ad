// The payload of a batch frame (docs/format/record-log.md §4), both ways.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/stream.h"
#include "store/dictionary.h"

namespace gatehouse::store {

constexpr size_t kBatchRecordsMax = 65'536;
constexpr size_t kBatchAttributesMax = 262'144;  // 10 MiB decoded

// A batch as it waits for its position: kFrameHeaderBytes of room, then the payload.
struct EncodedBatch {
  std::string frame;
  uint32_t payload_crc = 0;
  uint64_t records = 0;
  int64_t min_ns = 0;
  int64_t max_ns = 0;
  uint64_t name_id_max = 0;  // of those that the payload refers to
  std::vector<uint64_t> stream_ids;
};

// Overwrites `out`, whose room it uses again. kInvalidArgument: no record, too
// many or too large. Stream ids are not checked.
Status encode_batch(std::span<const model::StreamRecord> records, Dictionary& dictionary,
                    EncodedBatch& out);

// The head of a payload: enough to index it.
struct BatchHead {
  uint64_t records = 0;
  int64_t min_ns = 0;
  int64_t max_ns = 0;
  std::vector<uint64_t> stream_ids;
};
// Moves `in` past the head.
Status take_batch_head(std::string_view& in, BatchHead& head);

// A decoded payload; its views live as long as the payload and the tables.
struct DecodedBatch {
  BatchHead head;
  std::vector<model::Record> records;
  std::vector<uint32_t> stream_of;  // index into head.stream_ids, for each record
  std::vector<model::Attribute> attributes;
  std::vector<size_t> first_attribute;  // of each record
};
// kDataLoss: the bytes are no batch, or refer to what the tables do not have.
Status decode_batch(std::string_view payload, const IdTables& tables, DecodedBatch& out);

}  // namespace gatehouse::store

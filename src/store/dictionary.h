// The ids of attribute names and streams, one table for a log's life. A segment
// defines a prefix of it: an id, once given, never changes, so that a batch can
// be encoded before it is known which segment takes it.
#pragma once

#include <cstdint>
#include <deque>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "model/labels.h"
#include "store/format.h"

namespace gatehouse::store {

// What a batch's ids stand for: views into a dictionary or a segment's index,
// whose life they share. The entry of id i is at i - 1.
struct IdTables {
  std::vector<std::string_view> names;        // empty: not defined
  std::vector<const model::Labels*> streams;  // null: not defined
};

class Dictionary {
 public:
  Dictionary();
  Dictionary(const Dictionary&) = delete;
  Dictionary& operator=(const Dictionary&) = delete;

  // The tables of a segment that is to be written on. REQUIRES: nothing was
  // given an id yet, and the index has no gaps.
  void seed(const SegmentIndex& index);

  // The id of an attribute's name; 0: it stands in the record itself. Keeps a
  // cache a thread, as this is called 25 times a record.
  uint64_t name_id(std::string_view name);
  Result<model::StreamId> stream(const model::Labels& labels);

  size_t name_count() const;
  size_t stream_count() const;
  // Ids first to last of each, for a definition; all of them, for decoding.
  std::vector<std::string_view> names(size_t first_id, size_t last_id) const;
  std::vector<const model::Labels*> streams(size_t first_id, size_t last_id) const;
  IdTables tables(size_t names, size_t streams) const;

 private:
  uint64_t find_or_add_name(std::string_view name, const std::string*& kept);

  const uint64_t instance_;  // never reused: a thread's cache outlives a dictionary
  mutable std::shared_mutex mutex_;
  std::deque<std::string> names_;  // addresses stay
  std::deque<model::Labels> streams_;
  std::unordered_map<std::string_view, uint64_t> name_ids_;
  std::unordered_map<model::Labels, model::StreamId, model::LabelsHash> stream_ids_;
};

}  // namespace gatehouse::store

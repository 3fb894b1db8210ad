// LabelTable: every label name, and every pair of a name and a value, once. A pair
// is named by a ref that stays good, and its text stays where it is, for the life
// of the table: a series is a row of refs, and whoever reads one borrows its text.
//
// The records are laid out as the log writes them (docs/format/wal.md §3), so that
// what is new since the last frame is a range of bytes. Reading by ref takes no
// lock: a ref comes to a reader by way of a lock of whoever gives it out.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/sample.h"
#include "store/head/arena.h"

namespace gatehouse::store {

class LabelTable {
 public:
  explicit LabelTable(MemoryBudget& budget) : budget_(budget), arena_(budget) {}
  ~LabelTable();

  // The pair's ref, made where it is not there yet; 0: the table is full. Any thread.
  uint32_t intern(std::string_view name, std::string_view value);
  // 0: not there. Any thread.
  uint32_t find(std::string_view name, std::string_view value) const;

  // REQUIRES: a pair's ref.
  model::LabelView view(uint32_t pair) const { return {text(name_of(pair)), text(pair)}; }
  uint32_t name_of(uint32_t pair) const { return word(pair, 0); }
  std::string_view value(uint32_t pair) const { return text(pair); }
  const char* record(uint32_t ref) const { return arena_.at(ref); }

  struct Name {
    std::string_view name;
    uint32_t values = 0;
    uint32_t newest = 0;  // pair; next_value() gives the others
  };
  // 0 values: not known.
  Name name(std::string_view name) const;
  std::vector<Name> names() const;
  uint32_t next_value(uint32_t pair) const { return word(pair, 1); }
  // All pairs of the name by their values' texts, as of now. Kept from call to call, four bytes
  // a pair, so that asking again costs what came since.
  std::shared_ptr<const std::vector<uint32_t>> sorted_values(std::string_view name) const;

  // For the log: raw bytes of the records from `from` to end(), at most 1 MiB of
  // them; `to` becomes the ref after them.
  uint32_t end() const;
  std::string raw(uint32_t from, uint32_t& to) const;
  // Takes records from the log in. False: they are none.
  bool import_raw(uint32_t from, std::string_view bytes);
  // Whether `ref` can be read as a pair's.
  bool is_pair(uint32_t ref) const;

  size_t memory_bytes() const;
  uint64_t pairs() const;

 private:
  struct NameState {
    uint32_t newest = 0;
    uint32_t values = 0;
  };
  static constexpr size_t kHeadBytes = 12;

  uint32_t word(uint32_t ref, size_t index) const;
  std::string_view text(uint32_t ref) const { return {arena_.at(ref) + kHeadBytes, word(ref, 2)}; }
  static uint32_t tag_of(uint32_t name, std::string_view text);
  uint32_t find_record(uint32_t name, std::string_view text, uint32_t tag) const;
  uint32_t make(uint32_t name, std::string_view text, uint32_t tag);
  void enter(uint32_t ref, uint32_t tag);
  void grow();
  void fill_hole(uint32_t from, uint32_t to);
  // Enters the records between two refs into the table.
  bool index_records(uint32_t from, uint32_t to);
  bool readable(uint32_t ref, uint32_t end) const;

  MemoryBudget& budget_;
  mutable std::mutex mutex_;
  Arena arena_;
  std::vector<uint64_t> table_;  // tag << 32 | ref
  size_t entries_ = 0;
  std::unordered_map<uint32_t, NameState> names_;
  mutable std::mutex sorted_mutex_;
  mutable std::unordered_map<uint32_t, std::shared_ptr<const std::vector<uint32_t>>> sorted_;
  // Before it all records are whole, for those who read without the lock.
  std::atomic<uint32_t> whole_end_{0};
};

}  // namespace gatehouse::store

// Symbols: the strings of a block's labels, each once. While a block is written
// they have ids in the order in which they came; in the file, in their own order,
// so that comparing ids compares strings.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace gatehouse::store {

class SymbolTable {
 public:
  uint32_t id_of(std::string_view text);
  size_t size() const { return texts_.size(); }
  std::string_view text(uint32_t id) const { return texts_[id]; }
  // Roughly what it has allocated.
  size_t memory_bytes() const { return memory_bytes_; }
  // The ids in the order of their strings.
  std::vector<uint32_t> sorted() const;

 private:
  std::deque<std::string> texts_;
  std::unordered_map<std::string_view, uint32_t> ids_;
  size_t memory_bytes_ = 0;
};

}  // namespace gatehouse::store

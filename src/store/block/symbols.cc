#include "store/block/symbols.h"

#include <algorithm>
#include <numeric>

namespace gatehouse::store {

uint32_t SymbolTable::id_of(std::string_view text) {
  const auto found = ids_.find(text);
  if (found != ids_.end()) return found->second;
  const auto id = static_cast<uint32_t>(texts_.size());
  texts_.emplace_back(text);
  ids_.emplace(texts_.back(), id);
  // The string, a node and a bucket of the map.
  memory_bytes_ += sizeof(std::string) + (text.size() > 15 ? text.size() + 9 : 0) + 56;
  return id;
}

std::vector<uint32_t> SymbolTable::sorted() const {
  std::vector<uint32_t> ids(texts_.size());
  std::iota(ids.begin(), ids.end(), 0);
  std::sort(ids.begin(), ids.end(),
            [this](uint32_t a, uint32_t b) { return texts_[a] < texts_[b]; });
  return ids;
}

}  // namespace gatehouse::store

// Texts that stay where they are until all are given up together.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

namespace gatehouse::wire {

class TextArena {
 public:
  std::string_view keep(std::string_view text) {
    if (text.empty()) return {"", 0};
    if (free_ < text.size()) {
      free_ = std::max(kBlockBytes, text.size());
      held_ += free_;
      blocks_.push_back(std::make_unique_for_overwrite<char[]>(free_));
      at_ = blocks_.back().get();
    }
    std::memcpy(at_, text.data(), text.size());
    const std::string_view kept(at_, text.size());
    at_ += text.size();
    free_ -= text.size();
    return kept;
  }
  size_t held_bytes() const { return held_; }
  void clear() {
    blocks_.clear();
    free_ = held_ = 0;
  }

 private:
  static constexpr size_t kBlockBytes = 16 << 10;  // some hundred labels
  std::vector<std::unique_ptr<char[]>> blocks_;
  char* at_ = nullptr;
  size_t free_ = 0;
  size_t held_ = 0;
};

}  // namespace gatehouse::wire

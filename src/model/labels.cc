#include "model/labels.h"

#include <algorithm>

namespace gatehouse::model {

Labels::Labels(std::vector<Pair> pairs) {
  std::stable_sort(pairs.begin(), pairs.end(),
                   [](const Pair& a, const Pair& b) { return a.first < b.first; });
  for (Pair& pair : pairs) {
    if (!pairs_.empty() && pairs_.back().first == pair.first) {
      pairs_.back().second = std::move(pair.second);
    } else {
      pairs_.push_back(std::move(pair));
    }
  }
  std::erase_if(pairs_, [](const Pair& pair) { return pair.second.empty(); });
}

std::string_view Labels::get(std::string_view name) const {
  const auto at =
      std::lower_bound(pairs_.begin(), pairs_.end(), name,
                       [](const Pair& pair, std::string_view n) { return pair.first < n; });
  return at != pairs_.end() && at->first == name ? std::string_view(at->second)
                                                 : std::string_view();
}

Labels Labels::with(std::string_view name, std::string_view value) const {
  std::vector<Pair> pairs = pairs_;
  pairs.emplace_back(name, value);
  return Labels(std::move(pairs));
}

std::string Labels::to_string() const {
  std::string out = "{";
  for (const auto& [name, value] : pairs_) {
    if (out.size() > 1) out += ", ";
    out += name;
    out += "=\"";
    for (char c : value) {
      if (c == '\n') {
        out += "\\n";
        continue;
      }
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
    out += '"';
  }
  return out + "}";
}

uint64_t Labels::hash() const {
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a; 0xff separates, as no UTF-8 text holds it
  const auto mix = [&hash](std::string_view text) {
    for (char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    hash = (hash ^ 0xff) * 0x100000001b3;
  };
  for (const auto& [name, value] : pairs_) {
    mix(name);
    mix(value);
  }
  return hash;
}

}  // namespace gatehouse::model

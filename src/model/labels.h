// Labels: a sorted set of name=value pairs that names a stream. Low
// cardinality: ids (trace, request, user) are attributes of a Record, never
// labels.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gatehouse::model {

class Labels {
 public:
  using Pair = std::pair<std::string, std::string>;

  Labels() = default;
  // Sorts by name; of two pairs with one name the later wins; a pair with an
  // empty value is left out, as it equals the label's absence (Prometheus).
  Labels(std::initializer_list<Pair> pairs) : Labels(std::vector<Pair>(pairs)) {}
  explicit Labels(std::vector<Pair> pairs);

  const std::vector<Pair>& pairs() const { return pairs_; }
  bool empty() const { return pairs_.empty(); }
  // The value, or "" where there is none.
  std::string_view get(std::string_view name) const;
  Labels with(std::string_view name, std::string_view value) const;

  // {a="1", b="2"}, as Prometheus writes them.
  std::string to_string() const;
  uint64_t hash() const;

  friend bool operator==(const Labels&, const Labels&) = default;
  friend auto operator<=>(const Labels&, const Labels&) = default;

 private:
  std::vector<Pair> pairs_;
};

struct LabelsHash {
  size_t operator()(const Labels& labels) const { return labels.hash(); }
};

}  // namespace gatehouse::model

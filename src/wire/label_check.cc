#include "wire/label_check.h"

#include "base/text.h"

namespace gatehouse::wire {

bool is_ascii(std::string_view bytes) {
  constexpr uint64_t kHigh = 0x8080808080808080;
  const char* at = bytes.data();
  size_t left = bytes.size();
  uint64_t seen = 0;
  for (; left >= 32; left -= 32, at += 32) {
    uint64_t words[4];
    std::memcpy(words, at, 32);
    seen |= words[0] | words[1] | words[2] | words[3];
  }
  for (; left >= 8; left -= 8, at += 8) {
    uint64_t word = 0;
    std::memcpy(&word, at, 8);
    seen |= word;
  }
  for (; left > 0; --left, ++at) seen |= static_cast<unsigned char>(*at);
  return (seen & kHigh) == 0;
}

bool is_utf8(std::string_view text) { return is_ascii(text) || valid_utf8(text); }

std::string_view check_labels(model::LabelsView labels, const LabelLimits& limits) {
  if (labels.size() > limits.labels) return "too many labels";
  std::string_view before;
  bool named = false;
  for (const model::LabelView& label : labels) {
    if (label.name.empty()) return "a label's name is empty";
    if (label.name.size() > limits.name_bytes) return "a label's name is too long";
    if (label.value.size() > limits.value_bytes) return "a label's value is too long";
    if (label.name == before) return "a label's name is there twice";
    if (label.name < before) return "labels are not sorted by name";
    if (!is_utf8(label.name) || !is_utf8(label.value)) return "a label is not valid UTF-8";
    named |= label.name == model::kMetricName && !label.value.empty();
    before = label.name;
  }
  return named ? "" : "the label __name__ is missing";
}

}  // namespace gatehouse::wire

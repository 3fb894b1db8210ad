#include "alerts/packed_alert.h"

namespace gatehouse::alerts {

namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

void put_pairs(std::string& out, const Pairs& pairs) {
  put_varint(out, pairs.size());
  for (const auto& [name, value] : pairs) {
    put_text(out, name);
    put_text(out, value);
  }
}

bool take_pairs(std::string_view& bytes, Pairs& pairs) {
  uint64_t count = 0;
  if (!take_varint(bytes, count) || count > bytes.size()) return false;
  pairs.clear();
  pairs.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    std::string_view name, value;
    if (!take_text(bytes, name) || !take_text(bytes, value)) return false;
    pairs.emplace_back(name, value);
  }
  return true;
}

}  // namespace

void put_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>((value & 0x7F) | 0x80);
  out += static_cast<char>(value);
}

void put_text(std::string& out, std::string_view text) {
  put_varint(out, text.size());
  out += text;
}

bool take_varint(std::string_view& bytes, uint64_t& value) {
  value = 0;
  for (unsigned shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    value |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

bool take_text(std::string_view& bytes, std::string_view& text) {
  uint64_t size = 0;
  if (!take_varint(bytes, size) || size > bytes.size()) return false;
  text = bytes.substr(0, size);
  bytes.remove_prefix(size);
  return true;
}

std::string pack_texts(const model::Alert& alert) {
  std::string out;
  put_pairs(out, alert.labels.pairs());
  put_pairs(out, alert.annotations);
  put_text(out, alert.generator_url);
  out.shrink_to_fit();
  return out;
}

model::Labels unpack_labels(std::string_view packed) {
  Pairs pairs;
  take_pairs(packed, pairs);
  return model::Labels(std::move(pairs));
}

bool unpack_texts(std::string_view packed, model::Alert& alert) {
  Pairs pairs;
  std::string_view url;
  if (!take_pairs(packed, pairs)) return false;
  alert.labels = model::Labels(std::move(pairs));
  if (!take_pairs(packed, alert.annotations) || !take_text(packed, url)) return false;
  alert.generator_url = url;
  return true;
}

}  // namespace gatehouse::alerts

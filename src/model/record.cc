#include "model/record.h"

namespace gatehouse::model {

const Value* Record::find(std::string_view name) const {
  for (const Attribute& attribute : attributes) {
    if (attribute.name == name) return &attribute.value;
  }
  return nullptr;
}

std::string_view Record::text(std::string_view name, std::string_view fallback) const {
  const Value* value = find(name);
  const auto* text = value != nullptr ? std::get_if<std::string_view>(value) : nullptr;
  return text != nullptr ? *text : fallback;
}

double Record::number(std::string_view name, double fallback) const {
  const Value* value = find(name);
  if (value == nullptr) return fallback;
  if (const auto* number = std::get_if<double>(value)) return *number;
  if (const auto* integer = std::get_if<int64_t>(value)) return static_cast<double>(*integer);
  return fallback;
}

int64_t Record::integer(std::string_view name, int64_t fallback) const {
  const Value* value = find(name);
  const auto* integer = value != nullptr ? std::get_if<int64_t>(value) : nullptr;
  return integer != nullptr ? *integer : fallback;
}

bool Record::boolean(std::string_view name, bool fallback) const {
  const Value* value = find(name);
  const auto* boolean = value != nullptr ? std::get_if<bool>(value) : nullptr;
  return boolean != nullptr ? *boolean : fallback;
}

OwnedRecord::OwnedRecord(const Record& record)
    : time_ns_(record.time_ns), severity_(record.severity) {
  size_t size = record.body.size();
  for (const Attribute& attribute : record.attributes) {
    size += attribute.name.size();
    if (const auto* text = std::get_if<std::string_view>(&attribute.value)) size += text->size();
  }
  bytes_.reserve(size);  // the views stay valid: it never grows past this
  const auto keep = [this](std::string_view text) {
    const size_t at = bytes_.size();
    bytes_.insert(bytes_.end(), text.begin(), text.end());
    return std::string_view(bytes_.data() + at, text.size());
  };
  body_ = keep(record.body);
  attributes_.reserve(record.attributes.size());
  for (const Attribute& attribute : record.attributes) {
    Attribute own{keep(attribute.name), attribute.value};
    if (auto* text = std::get_if<std::string_view>(&own.value)) *text = keep(*text);
    attributes_.push_back(own);
  }
}

size_t OwnedRecord::memory_bytes() const {
  return sizeof *this + bytes_.capacity() + attributes_.capacity() * sizeof(Attribute);
}

}  // namespace gatehouse::model

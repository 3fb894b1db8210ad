// Record: (time, body, typed attributes). A log line, a span, a model call, a
// prediction, a verdict, a detection, an audit entry.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/log.h"

namespace gatehouse::model {

using Value = std::variant<std::string_view, int64_t, double, bool>;

struct Attribute {
  std::string_view name;
  Value value;
};

// A view: whoever hands one out says how long its bytes live.
struct Record {
  int64_t time_ns = 0;  // Unix time
  Severity severity = Severity::kInfo;
  std::string_view body;
  std::span<const Attribute> attributes;

  // The attribute's value, or null.
  const Value* find(std::string_view name) const;
  // The attribute as text, number or integer; the fallback where it is absent
  // or of another type (an integer reads as a number too).
  std::string_view text(std::string_view name, std::string_view fallback = {}) const;
  double number(std::string_view name, double fallback = 0) const;
  int64_t integer(std::string_view name, int64_t fallback = 0) const;
  bool boolean(std::string_view name, bool fallback = false) const;
};

// A Record that owns its bytes.
class OwnedRecord {
 public:
  explicit OwnedRecord(const Record& record);
  OwnedRecord(const OwnedRecord& other) : OwnedRecord(other.view()) {}
  OwnedRecord(OwnedRecord&&) noexcept = default;
  OwnedRecord& operator=(OwnedRecord&&) noexcept = default;
  OwnedRecord& operator=(const OwnedRecord& other) { return *this = OwnedRecord(other); }

  Record view() const { return {time_ns_, severity_, body_, attributes_}; }
  size_t memory_bytes() const;

 private:
  int64_t time_ns_;
  Severity severity_;
  std::vector<char> bytes_;  // what the views below point into
  std::string_view body_;
  std::vector<Attribute> attributes_;
};

}  // namespace gatehouse::model

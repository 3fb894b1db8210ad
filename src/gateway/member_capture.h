// MemberCapture: finds the values of a few top-level members in a JSON object
// that passes by in pieces, without holding the object. A reply of any length
// goes to the client untouched while the gateway learns its usage from it.
//
// It is no validator: on text that is not a JSON object it captures nothing, or
// something that the parser of the captured value refuses.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace gatehouse::gateway {

class MemberCapture {
 public:
  static constexpr size_t kNamesMax = 6;
  // A usage object is under 1 KiB; names and reasons are shorter still. A value
  // that is longer is given up, not cut.
  static constexpr size_t kValueBytesMax = 16 << 10;

  // REQUIRES: the names outlive this; at most kNamesMax.
  MemberCapture(std::initializer_list<std::string_view> names);

  void feed(std::string_view piece);

  // The raw JSON of the last member of that name, or "" where none was seen whole.
  std::string_view value(std::string_view name) const;

 private:
  enum class State { kOutside, kKey, kAfterKey, kBeforeValue, kValue };

  void end_value();
  void keep(std::string_view text);

  std::array<std::string_view, kNamesMax> names_;
  std::array<std::string, kNamesMax> values_;
  size_t count_ = 0;

  State state_ = State::kOutside;
  int depth_ = 0;  // of objects and arrays
  bool in_string_ = false;
  bool escaped_ = false;  // the byte before was a backslash inside a string
  std::string key_;       // the top-level key being read; longer ones are cut, and match nothing
  size_t wanted_ = kNamesMax;  // the name being captured; kNamesMax: none
  std::string current_;
  bool overflow_ = false;
};

}  // namespace gatehouse::gateway

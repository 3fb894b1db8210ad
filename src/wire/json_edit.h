// Reads and edits the top level of a JSON object in place of parsing it: the
// gateway's hot path must know "model" and a few more members of a body and may
// have to change them, while every other byte stays as the client sent it.
//
// One pass validates the whole text as strictly as wire/json.h does (RFC 8259,
// UTF-8, escapes, depth) and reports where the top-level members lie. Keys are
// compared after unescaping, so "mod\u0065l" is "model". A key that is asked
// for and occurs twice is an error: two readers might take different ones, and
// a trust boundary does not choose.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "wire/json.h"

namespace gatehouse::wire {

struct JsonMember {
  std::string_view key;    // raw, between its quotes
  std::string_view value;  // raw text, without white space around it
  size_t key_begin = 0;    // of the opening quote
  size_t value_begin = 0;
  size_t value_end = 0;

  bool present() const { return value_end != 0; }
};

// Valid JSON of any type. The error says what is wrong and at which byte.
Status validate_json(std::string_view json);

// Validates all of `json`, which must be an object, and fills `out` with its
// first out.size() members in order. Returns how many members there are.
Result<size_t> scan_top_level(std::string_view json, std::span<JsonMember> out);

// Validates all of `json`, which must be an object, and sets found[i] to the
// member named keys[i], or to one that is not present().
// kInvalidArgument: not valid, not an object, or one of `keys` occurs twice.
// REQUIRES: found.size() == keys.size().
Status find_top_level(std::string_view json, std::span<const std::string_view> keys,
                      std::span<JsonMember> found);

// The value of a raw member text, none where it is of another type or range.
std::optional<std::string> json_string(std::string_view value);  // unescaped
std::optional<int64_t> json_integer(std::string_view value);
std::optional<bool> json_boolean(std::string_view value);

// One change of a text: [begin, end) becomes `text`.
struct JsonSplice {
  size_t begin = 0;
  size_t end = 0;
  std::string text;
};

// `value` and the key are JSON texts of a value and the unescaped name.
JsonSplice replace_value(const JsonMember& member, std::string value);
// As the first member, where no later duplicate can hide it from a reader.
// REQUIRES: `json` is a valid object.
JsonSplice insert_member(std::string_view json, std::string_view key, std::string_view value);
// The member with the comma that no longer separates anything.
// REQUIRES: `json` is a valid object and `member` one of it.
JsonSplice remove_member(std::string_view json, const JsonMember& member);

// The text after the splices, which must be in ascending order and not overlap.
// Two removals of neighbours, or an insertion with the removal of the only
// member, are applied one after the other instead.
std::string apply_splices(std::string_view json, std::span<const JsonSplice> splices);

}  // namespace gatehouse::wire

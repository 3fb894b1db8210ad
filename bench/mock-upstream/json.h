// JSON as the mock needs it: a cursor that visits the members of one object as
// raw text, without building a tree, and a writer of quoted strings. A request is
// only looked at for a few top-level members, so this stays on the fast path.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mock {

struct Member {
  std::string_view key;    // raw, without its quotes
  std::string_view value;  // raw JSON text of the value
};

// Visits the members of the object that `text` holds. Lenient: it checks only
// what it must to find the members, and stops at the first thing it cannot read.
class Members {
 public:
  explicit Members(std::string_view text);
  bool next(Member& member);
  bool failed() const { return failed_; }

 private:
  std::string_view text_;
  size_t pos_ = 0;
  bool failed_ = false;
  bool done_ = false;
};

// The raw value of a member of the object `text`; empty when absent.
std::string_view json_member(std::string_view text, std::string_view key);
// The text of a JSON string (escapes resolved), or the raw text of another scalar.
std::string json_text(std::string_view raw);
std::optional<double> json_number(std::string_view raw);
inline bool json_true(std::string_view raw) { return raw == "true"; }
inline bool json_is_array(std::string_view raw) { return !raw.empty() && raw[0] == '['; }
// The number of elements of the array `raw`; 0 for `[]` and for what is no array.
size_t json_array_size(std::string_view raw);
// The first element of the array `raw`, raw.
std::string_view json_array_first(std::string_view raw);

// Appends `text` as a JSON string with quotes. Bytes that are not UTF-8 are kept
// as \u00XX of their Latin-1 value, so that a reply is always valid JSON.
void append_quoted(std::string& out, std::string_view text);
void append_number(std::string& out, int64_t value);

}  // namespace mock

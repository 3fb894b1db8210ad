// JSON documents, read and written. Reading is strict RFC 8259 over the whole
// text: no comments, no trailing commas, no byte order mark, valid UTF-8, no
// unpaired surrogate escapes. Members with one name are kept as given; get()
// finds the first. Where only some top-level members of a text matter, or its
// bytes must stay as they are, use wire/json_edit.h.
//
// Numbers beyond 64 bits are read as doubles, and beyond a double's range as
// the largest double (RFC 8259 §6 lets a reader approximate), so that a
// document is never refused for them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace gatehouse::wire {

// Containers within containers, empty ones not counted. The deepest tool schemas met in practice
// have fewer than 30; the bound keeps every later consumer's recursion small.
inline constexpr size_t kJsonDepthMax = 64;

class JsonMembers;
class JsonItems;

// A value within a JsonDocument: two words, copied freely, valid as long as the
// document is neither changed nor destroyed. A default one is "absent": every
// test is false, every accessor none, so that look-ups can be chained.
class JsonView {
 public:
  JsonView() = default;

  bool present() const { return words_[0] != 0; }
  bool is_null() const;
  bool is_bool() const;
  bool is_number() const;  // of any kind
  bool is_string() const;
  bool is_array() const;
  bool is_object() const;

  // None where the value is of another type, or out of the range.
  std::optional<bool> boolean() const;
  std::optional<int64_t> integer() const;  // 1.0 is not an integer
  std::optional<uint64_t> unsigned_integer() const;
  std::optional<double> number() const;
  std::optional<std::string_view> string() const;  // unescaped; lives as the document

  // Absent: no such member or item, or not an object or array.
  JsonView get(std::string_view key) const;
  JsonView at(size_t index) const;
  JsonView operator[](std::string_view key) const { return get(key); }

  // Members or items; 0 for what is neither object nor array.
  size_t size() const;

  // for (auto [key, value] : view.members()); empty where it is no object.
  JsonMembers members() const;
  // for (JsonView item : view.items()); empty where it is no array.
  JsonItems items() const;

 private:
  friend class JsonDocument;
  friend class JsonMembers;
  friend class JsonItems;
  std::array<size_t, 2> words_{};  // the parser's own handle
};

class JsonMembers {
 public:
  class Iterator {
   public:
    using value_type = std::pair<std::string_view, JsonView>;
    using difference_type = std::ptrdiff_t;
    value_type operator*() const;
    Iterator& operator++();
    bool operator==(const Iterator& other) const { return words_ == other.words_; }

   private:
    friend class JsonView;
    std::array<size_t, 2> words_{};
  };
  Iterator begin() const { return begin_; }
  Iterator end() const { return end_; }

 private:
  friend class JsonView;
  Iterator begin_, end_;
};

class JsonItems {
 public:
  class Iterator {
   public:
    using value_type = JsonView;
    using difference_type = std::ptrdiff_t;
    JsonView operator*() const;
    Iterator& operator++();
    bool operator==(const Iterator& other) const { return words_ == other.words_; }

   private:
    friend class JsonView;
    std::array<size_t, 2> words_{};
  };
  Iterator begin() const { return begin_; }
  Iterator end() const { return end_; }

 private:
  friend class JsonView;
  Iterator begin_, end_;
};

class JsonDocument {
 public:
  JsonDocument();
  ~JsonDocument();
  JsonDocument(JsonDocument&&) noexcept;
  JsonDocument& operator=(JsonDocument&&) noexcept;

  // The text is copied; it need not outlive the call. The error says what is
  // wrong and at which byte.
  static Result<JsonDocument> parse(std::string_view text);

  // The same into this document, whose storage is used again: for a reader of
  // many small texts. Views into the old contents end. After an error the
  // document is empty.
  Status read(std::string_view text);

  JsonView root() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Appends JSON to a string, with commas where they belong. The caller keeps the
// nesting right; asserted in debug builds.
class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out) {}

  JsonWriter& begin_object();
  JsonWriter& end_object();
  JsonWriter& begin_array();
  JsonWriter& end_array();
  JsonWriter& key(std::string_view name);

  JsonWriter& string(std::string_view text);
  JsonWriter& integer(int64_t value);
  JsonWriter& unsigned_integer(uint64_t value);
  JsonWriter& number(double value);  // shortest that reads back equal; null where not finite
  JsonWriter& boolean(bool value);
  JsonWriter& null();
  JsonWriter& raw(std::string_view json);  // REQUIRES: valid JSON

  JsonWriter& member(std::string_view name, std::string_view text) {
    return key(name).string(text);
  }
  JsonWriter& member(std::string_view name, const std::string& text) {
    return key(name).string(text);
  }
  JsonWriter& member(std::string_view name, const char* text) { return key(name).string(text); }
  JsonWriter& member(std::string_view name, int64_t value) { return key(name).integer(value); }
  JsonWriter& member(std::string_view name, int value) { return key(name).integer(value); }
  JsonWriter& member(std::string_view name, uint64_t value) {
    return key(name).unsigned_integer(value);
  }
  JsonWriter& member(std::string_view name, double value) { return key(name).number(value); }
  JsonWriter& member(std::string_view name, bool value) { return key(name).boolean(value); }

 private:
  void separate();

  std::string& out_;
  bool comma_ = false;  // the next value or key follows another
  int depth_ = 0;
};

}  // namespace gatehouse::wire

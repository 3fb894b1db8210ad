// JsonSkim: the members of a JSON object, or the items of an array, one after
// the other, as raw text. What lies inside a value is skipped sixteen bytes at a
// time and never looked at, which makes it several times faster than a parse and
// still unable to take a member inside a string or an inner object for one of
// its own.
//
// It is no validator: text that is not JSON ends the walk early, or yields
// values that whoever reads them refuses. It never reads outside the text.
#pragma once

#include <string_view>

namespace gatehouse::gateway {

class JsonSkim {
 public:
  // The text of an object or an array; white space around it is allowed.
  // Anything else has no members.
  explicit JsonSkim(std::string_view json);
  // In the middle of an object: at the value of a member.
  static JsonSkim at_value(std::string_view json, size_t offset);

  bool is_object() const { return kind_ == '{'; }
  bool is_array() const { return kind_ == '['; }
  // The closing bracket was reached: the text is whole.
  bool closed() const { return closed_; }

  // Keys without their quotes, not unescaped; values without white space around.
  bool next(std::string_view& key, std::string_view& value);
  bool next_item(std::string_view& value);
  size_t value_offset() const { return value_offset_; }  // of the last value

  // The same in two steps, so that a value can be walked instead of skipped:
  //   while (outer.next_key(key)) {
  //     if (key == "usage") {
  //       JsonSkim inner = outer.enter();
  //       while (inner.next(k, v)) ...          // to its end
  //       outer.leave(inner);                  // REQUIRES: inner was walked to its end
  //     } else {
  //       outer.skip();                          // or read_value(value)
  //     }
  //   }
  bool next_key(std::string_view& key);
  bool next_place();  // of an array: whether there is another item
  JsonSkim enter();
  void leave(const JsonSkim& inner);
  void skip() {
    std::string_view value;
    (void)read_value(value);
  }
  bool read_value(std::string_view& value);
  void skip_rest();  // of this object or array, to behind its end

 private:
  JsonSkim() = default;
  void skip_space();

  const char* begin_ = nullptr;
  const char* at_ = nullptr;
  const char* end_ = nullptr;
  size_t value_offset_ = 0;
  char kind_ = 0;
  bool closed_ = false;
};

}  // namespace gatehouse::gateway

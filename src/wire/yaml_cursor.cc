#include "wire/yaml_cursor.h"

#include <algorithm>

#include "base/text.h"

namespace gatehouse::wire {

namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

bool continues_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// "" or what is wrong with UTF-16 whose mark says which byte comes first.
std::string from_utf16(std::string_view bytes, bool big_endian, std::string& out) {
  if (bytes.size() % 2 != 0) return "the UTF-16 text ends within a character";
  const auto unit = [&](size_t i) {
    const auto first = static_cast<unsigned char>(bytes[i]);
    const auto second = static_cast<unsigned char>(bytes[i + 1]);
    return static_cast<uint32_t>(big_endian ? first << 8 | second : second << 8 | first);
  };
  for (size_t i = 2; i < bytes.size(); i += 2) {
    uint32_t point = unit(i);
    if (point >= 0xD800 && point < 0xE000) {
      const uint32_t low = i + 2 < bytes.size() ? unit(i + 2) : 0;
      if (point >= 0xDC00 || low < 0xDC00 || low >= 0xE000) {
        return "the text is not UTF-16: half a surrogate pair";
      }
      point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
      i += 2;
    }
    append_utf8(out, point);
  }
  return "";
}

// Whether the character that begins at `i` of valid UTF-8 may stand in a text.
bool is_printable(std::string_view text, size_t i) {
  const auto byte = [&](size_t at) { return static_cast<unsigned char>(text[at]); };
  if (byte(i) < 0x20) return text[i] == '\t' || is_yaml_break(text[i]);
  if (byte(i) == 0x7F) return false;
  if (byte(i) == 0xC2) return byte(i + 1) >= 0xA0 || byte(i + 1) == 0x85;  // C1, but for NEL
  if (byte(i) == 0xEF) return !(byte(i + 1) == 0xBF && byte(i + 2) >= 0xBE);
  return true;
}

}  // namespace

void append_utf8(std::string& out, uint32_t point) {
  const auto put = [&](uint32_t byte) { out += static_cast<char>(byte); };
  if (point < 0x80) return put(point);
  if (point < 0x800) {
    put(0xC0 | point >> 6);
  } else {
    if (point < 0x10000) {
      put(0xE0 | point >> 12);
    } else {
      put(0xF0 | point >> 18);
      put(0x80 | (point >> 12 & 0x3F));
    }
    put(0x80 | (point >> 6 & 0x3F));
  }
  put(0x80 | (point & 0x3F));
}

YamlText decode_yaml(std::string_view bytes) {
  YamlText decoded;
  const bool big_endian = bytes.starts_with("\xFE\xFF");
  if (big_endian || bytes.starts_with("\xFF\xFE")) {
    decoded.error = from_utf16(bytes, big_endian, decoded.text);
    if (!decoded.error.empty()) return decoded;
  } else {
    decoded.text = bytes;
  }
  // Line by line, so that the message names one.
  const std::string_view text = decoded.text;
  for (size_t begin = 0; begin < text.size(); ++decoded.mark.line) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    if (!valid_utf8(line)) {
      decoded.error = "the line is not UTF-8";
      return decoded;
    }
    for (size_t i = 0; i < line.size(); ++i) {
      if (continues_character(line[i])) continue;
      if (!is_printable(line, i)) {
        decoded.error = "a control character; write it as an escape in double quotes";
        return decoded;
      }
      ++decoded.mark.column;
    }
    decoded.mark.column = 1;
    begin = end + 1;
  }
  return decoded;
}

bool YamlCursor::at_marker(char c) const {
  if (position_ != line_start_) return false;
  return at() == c && at(1) == c && at(2) == c && is_yaml_gap(at(3));
}

int YamlCursor::indentation() const {
  size_t end = line_start_;
  while (end < text_.size() && text_[end] == ' ') ++end;
  return static_cast<int>(end - line_start_);
}

bool YamlCursor::first_on_line() const {
  size_t end = line_start_;
  while (end < position_ && is_yaml_blank(text_[end])) ++end;
  return end == position_;
}

YamlMark YamlCursor::mark() const {
  if (marked_ < line_start_ || marked_ > position_) {
    marked_ = line_start_;
    marked_column_ = 1;
  }
  const size_t end = std::min(position_, text_.size());
  for (; marked_ < end; ++marked_) {
    if (!continues_character(text_[marked_])) ++marked_column_;
  }
  return {line_, marked_column_};
}

void YamlCursor::skip_blanks() {
  while (is_yaml_blank(at())) ++position_;
}

void YamlCursor::skip_line() {
  while (!at_line_end()) ++position_;
}

bool YamlCursor::skip_break() {
  if (!is_yaml_break(at())) return false;
  position_ += at() == '\r' && at(1) == '\n' ? 2 : 1;
  line_start_ = position_;
  ++line_;
  return true;
}

void YamlCursor::skip_byte_order_mark() {
  if (position_ != line_start_ || !text_.substr(position_).starts_with(kByteOrderMark)) return;
  position_ += kByteOrderMark.size();
  line_start_ = position_;
}

bool YamlCursor::separate() {
  const uint32_t line = line_;
  do {
    skip_blanks();
    // A comment begins a line, or stands behind a blank.
    const bool apart = position_ == line_start_ || is_yaml_blank(text_[position_ - 1]);
    if (apart && at() == '#') skip_line();
  } while (skip_break());
  return line_ != line;
}

void YamlCursor::go_back(const Place& place) {
  position_ = place.position;
  line_start_ = place.line_start;
  line_ = place.line;
}

}  // namespace gatehouse::wire

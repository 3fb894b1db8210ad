#include "mock-upstream/json.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace mock {
namespace {

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

size_t skip_space(std::string_view text, size_t pos) {
  while (pos < text.size() && is_space(text[pos])) ++pos;
  return pos;
}

// `pos` is at the opening quote; returns the position after the closing one, or npos.
size_t skip_string(std::string_view text, size_t pos) {
  for (++pos; pos < text.size(); ++pos) {
    if (text[pos] == '\\') {
      ++pos;
    } else if (text[pos] == '"') {
      return pos + 1;
    }
  }
  return std::string_view::npos;
}

size_t skip_value(std::string_view text, size_t pos) {
  if (pos >= text.size()) return std::string_view::npos;
  const char first = text[pos];
  if (first == '"') return skip_string(text, pos);
  if (first == '{' || first == '[') {
    size_t depth = 0;
    while (pos < text.size()) {
      const char c = text[pos];
      if (c == '"') {
        pos = skip_string(text, pos);
        if (pos == std::string_view::npos) return pos;
        continue;
      }
      ++pos;
      if (c == '{' || c == '[') ++depth;
      if ((c == '}' || c == ']') && --depth == 0) return pos;
    }
    return std::string_view::npos;
  }
  const size_t start = pos;
  while (pos < text.size() && text[pos] != ',' && text[pos] != '}' && text[pos] != ']' &&
         !is_space(text[pos])) {
    ++pos;
  }
  return pos == start ? std::string_view::npos : pos;
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

void append_utf8(std::string& out, uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | (code >> 6));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    out += static_cast<char>(0xE0 | (code >> 12));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

// The length of the valid UTF-8 sequence at `pos`, 0 when there is none.
size_t utf8_length(std::string_view text, size_t pos) {
  const auto lead = static_cast<unsigned char>(text[pos]);
  const size_t length = lead >= 0xF0 && lead < 0xF5   ? 4
                        : lead >= 0xE0 && lead < 0xF0 ? 3
                        : lead >= 0xC2 && lead < 0xE0 ? 2
                                                      : 0;
  if (length == 0 || pos + length > text.size()) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((static_cast<unsigned char>(text[pos + i]) & 0xC0) != 0x80) return 0;
  }
  return length;
}

}  // namespace

Members::Members(std::string_view text) : text_(text) {
  pos_ = skip_space(text_, 0);
  if (pos_ >= text_.size() || text_[pos_] != '{') {
    failed_ = done_ = true;
    return;
  }
  ++pos_;
}

bool Members::next(Member& member) {
  if (done_) return false;
  pos_ = skip_space(text_, pos_);
  if (pos_ < text_.size() && text_[pos_] == ',') pos_ = skip_space(text_, pos_ + 1);
  if (pos_ < text_.size() && text_[pos_] == '}') {
    done_ = true;
    return false;
  }
  failed_ = done_ = true;  // until the member has been read whole
  if (pos_ >= text_.size() || text_[pos_] != '"') return false;
  const size_t key_end = skip_string(text_, pos_);
  if (key_end == std::string_view::npos) return false;
  member.key = text_.substr(pos_ + 1, key_end - pos_ - 2);
  pos_ = skip_space(text_, key_end);
  if (pos_ >= text_.size() || text_[pos_] != ':') return false;
  pos_ = skip_space(text_, pos_ + 1);
  const size_t value_end = skip_value(text_, pos_);
  if (value_end == std::string_view::npos) return false;
  member.value = text_.substr(pos_, value_end - pos_);
  pos_ = value_end;
  failed_ = done_ = false;
  return true;
}

std::string_view json_member(std::string_view text, std::string_view key) {
  Members members(text);
  Member member;
  while (members.next(member)) {
    if (member.key == key) return member.value;
  }
  return {};
}

std::string json_text(std::string_view raw) {
  if (raw.size() < 2 || raw[0] != '"') return std::string(raw);
  raw = raw.substr(1, raw.size() - 2);
  std::string out;
  out.reserve(raw.size());
  for (size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] != '\\' || i + 1 >= raw.size()) {
      out += raw[i];
      continue;
    }
    const char c = raw[++i];
    switch (c) {
      case 'n': out += '\n'; break;
      case 't': out += '\t'; break;
      case 'r': out += '\r'; break;
      case 'b': out += '\b'; break;
      case 'f': out += '\f'; break;
      case 'u': {
        uint32_t code = 0;
        for (size_t digit = 1; digit <= 4 && i + digit < raw.size(); ++digit) {
          code = code * 16 + static_cast<uint32_t>(std::max(0, hex_value(raw[i + digit])));
        }
        i += 4;
        append_utf8(out, code);
        break;
      }
      default: out += c;
    }
  }
  return out;
}

std::optional<double> json_number(std::string_view raw) {
  double value = 0;
  const auto [end, error] = std::from_chars(raw.data(), raw.data() + raw.size(), value);
  if (error != std::errc() || end != raw.data() + raw.size()) return std::nullopt;
  return value;
}

size_t json_array_size(std::string_view raw) {
  if (!json_is_array(raw)) return 0;
  size_t count = 0;
  size_t pos = skip_space(raw, 1);
  while (pos < raw.size() && raw[pos] != ']') {
    pos = skip_value(raw, pos);
    if (pos == std::string_view::npos) break;
    ++count;
    pos = skip_space(raw, pos);
    if (pos < raw.size() && raw[pos] == ',') pos = skip_space(raw, pos + 1);
  }
  return count;
}

std::string_view json_array_first(std::string_view raw) {
  if (!json_is_array(raw)) return {};
  const size_t start = skip_space(raw, 1);
  const size_t end = skip_value(raw, start);
  return end == std::string_view::npos ? std::string_view() : raw.substr(start, end - start);
}

void append_quoted(std::string& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x80) {
      if (const size_t length = utf8_length(text, i); length > 0) {
        out.append(text, i, length);
        i += length - 1;
        continue;
      }
    }
    if (c == '"' || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c < 0x20 || c >= 0x7F) {
      out += "\\u00";
      out += kHex[c >> 4];
      out += kHex[c & 15];
    } else {
      out += static_cast<char>(c);
    }
  }
  out += '"';
}

void append_number(std::string& out, int64_t value) {
  std::array<char, 24> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  out.append(digits.data(), end);
}

}  // namespace mock

#include "gateway/member_capture.h"

#include <cstring>

namespace gatehouse::gateway {

namespace {

constexpr size_t kKeyBytesMax = 32;

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

// The first quote or backslash of `text`, or its length: most bytes of a reply
// lie inside strings.
size_t string_stop(std::string_view text) {
  const void* quote = std::memchr(text.data(), '"', text.size());
  const size_t end = quote == nullptr
                         ? text.size()
                         : static_cast<size_t>(static_cast<const char*>(quote) - text.data());
  const void* slash = std::memchr(text.data(), '\\', end);
  return slash == nullptr ? end
                          : static_cast<size_t>(static_cast<const char*>(slash) - text.data());
}

}  // namespace

MemberCapture::MemberCapture(std::initializer_list<std::string_view> names) {
  for (std::string_view name : names) names_[count_++] = name;
}

std::string_view MemberCapture::value(std::string_view name) const {
  for (size_t i = 0; i < count_; ++i) {
    if (names_[i] == name) return values_[i];
  }
  return {};
}

void MemberCapture::keep(std::string_view text) {
  if (wanted_ == kNamesMax || overflow_) return;
  if (current_.size() + text.size() > kValueBytesMax) {
    overflow_ = true;
    return;
  }
  current_ += text;
}

void MemberCapture::end_value() {
  if (wanted_ != kNamesMax && !overflow_) {
    while (!current_.empty() && is_space(current_.back())) current_.pop_back();
    values_[wanted_].swap(current_);
  }
  current_.clear();
  overflow_ = false;
  wanted_ = kNamesMax;
  state_ = State::kOutside;
}

void MemberCapture::feed(std::string_view piece) {
  size_t i = 0;
  while (i < piece.size()) {
    if (in_string_) {
      if (escaped_) {
        if (state_ == State::kKey) key_.assign(kKeyBytesMax + 1, '?');  // an escaped key: not ours
        keep(piece.substr(i, 1));
        escaped_ = false;
        ++i;
        continue;
      }
      const size_t run = string_stop(piece.substr(i));
      const std::string_view plain = piece.substr(i, run);
      if (state_ == State::kKey) {
        if (key_.size() <= kKeyBytesMax) key_ += plain.substr(0, kKeyBytesMax + 1);
      } else {
        keep(plain);
      }
      i += run;
      if (i == piece.size()) break;
      if (piece[i] == '\\') {
        escaped_ = true;
        keep("\\");
      } else {
        in_string_ = false;
        if (state_ == State::kKey) {
          state_ = State::kAfterKey;
        } else {
          keep("\"");
        }
      }
      ++i;
      continue;
    }
    const char c = piece[i++];
    if (c == '"') {
      in_string_ = true;
      if (depth_ == 1 && state_ == State::kOutside) {
        state_ = State::kKey;
        key_.clear();
        continue;
      }
      if (state_ == State::kBeforeValue) state_ = State::kValue;
      keep("\"");
      continue;
    }
    if (state_ == State::kAfterKey) {
      if (c != ':') continue;
      state_ = State::kBeforeValue;
      for (size_t n = 0; n < count_; ++n) {
        if (names_[n] == key_) wanted_ = n;
      }
      continue;
    }
    if (state_ == State::kBeforeValue) {
      if (is_space(c)) continue;
      state_ = State::kValue;
    }
    if (c == '{' || c == '[') {
      ++depth_;
    } else if (c == '}' || c == ']') {
      --depth_;
      if (depth_ == 0) {
        end_value();
        continue;
      }
    } else if (c == ',' && depth_ == 1) {
      end_value();
      continue;
    }
    if (state_ == State::kValue) keep(std::string_view(&c, 1));
  }
}

}  // namespace gatehouse::gateway

// UTF-8 as RFC 3629 has it, checked while it streams: no overlong forms, no
// surrogates, nothing above U+10FFFF.
#pragma once

#include <cstdint>
#include <string_view>

namespace gatehouse::net {

class Utf8Check {
 public:
  // False once a byte came that can no longer be part of valid UTF-8.
  bool feed(std::string_view bytes) {
    for (const char c : bytes) {
      const auto byte = static_cast<std::uint8_t>(c);
      if (left_ == 0 && byte < 0x80) continue;
      if (!take(byte)) return false;
    }
    return true;
  }
  // Whether what was fed ends between two characters.
  bool whole() const { return left_ == 0; }
  void reset() { left_ = 0; }

 private:
  bool take(std::uint8_t byte) {
    if (left_ != 0) {
      if (byte < low_ || byte > high_) return false;
      low_ = 0x80;
      high_ = 0xbf;
      --left_;
      return true;
    }
    // RFC 3629 §4: the lead byte fixes how many follow and what the first may be.
    low_ = byte == 0xe0 ? 0xa0 : byte == 0xf0 ? 0x90 : 0x80;
    high_ = byte == 0xed ? 0x9f : byte == 0xf4 ? 0x8f : 0xbf;
    if (byte >= 0xc2 && byte <= 0xdf) {
      left_ = 1;
    } else if (byte >= 0xe0 && byte <= 0xef) {
      left_ = 2;
    } else if (byte >= 0xf0 && byte <= 0xf4) {
      left_ = 3;
    } else {
      return false;
    }
    return true;
  }

  std::uint8_t left_ = 0;
  std::uint8_t low_ = 0x80;
  std::uint8_t high_ = 0xbf;
};

}  // namespace gatehouse::net

#include "gateway/json_skim.h"

#include <cstddef>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace gatehouse::gateway {

namespace {

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

// From behind the opening quote to behind the closing one; null: none.
const char* skip_string(const char* at, const char* end) {
  for (;;) {
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"');
    const __m128i escape = _mm_set1_epi8('\\');
    while (end - at >= 16) {
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
      const int found = _mm_movemask_epi8(
          _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, escape)));
      if (found != 0) {
        at += __builtin_ctz(static_cast<unsigned>(found));
        break;
      }
      at += 16;
    }
#endif
    while (at < end && *at != '"' && *at != '\\') ++at;
    if (at >= end) return nullptr;
    if (*at == '"') return at + 1;
    if (end - at < 2) return nullptr;
    at += 2;
  }
}

// From behind an opening bracket to behind its closing one; null: none.
// '{' and '[' differ in one bit, and so do '}' and ']'. Which kind closes which
// is not checked: depth alone decides, and the value's reader sees the text.
const char* skip_container(const char* at, const char* end) {
  for (size_t depth = 1;;) {
#ifdef __SSE2__
    const __m128i bit = _mm_set1_epi8(0x20);
    const __m128i quote = _mm_set1_epi8('"');
    const __m128i open = _mm_set1_epi8('{');
    const __m128i close = _mm_set1_epi8('}');
    while (end - at >= 16) {
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
      const __m128i folded = _mm_or_si128(bytes, bit);
      const int found = _mm_movemask_epi8(
          _mm_or_si128(_mm_cmpeq_epi8(bytes, quote),
                       _mm_or_si128(_mm_cmpeq_epi8(folded, open), _mm_cmpeq_epi8(folded, close))));
      if (found != 0) {
        at += __builtin_ctz(static_cast<unsigned>(found));
        break;
      }
      at += 16;
    }
#endif
    while (at < end && *at != '"' && (*at | 0x20) != '{' && (*at | 0x20) != '}') ++at;
    if (at >= end) return nullptr;
    const char c = *at++;
    if (c == '"') {
      at = skip_string(at, end);
      if (at == nullptr) return nullptr;
    } else if ((c | 0x20) == '{') {
      ++depth;
    } else if (--depth == 0) {
      return at;
    }
  }
}

}  // namespace

JsonSkim::JsonSkim(std::string_view json)
    : begin_(json.data()), at_(json.data()), end_(json.data() + json.size()) {
  skip_space();
  if (at_ < end_ && (*at_ == '{' || *at_ == '[')) {
    kind_ = *at_++;
  } else {
    at_ = end_;
  }
}

JsonSkim JsonSkim::at_value(std::string_view json, size_t offset) {
  JsonSkim out;
  out.begin_ = json.data();
  out.at_ = json.data() + offset;
  out.end_ = json.data() + json.size();
  out.kind_ = '{';
  return out;
}

void JsonSkim::skip_space() {
  while (at_ < end_ && is_space(*at_)) ++at_;
}

bool JsonSkim::next(std::string_view& key, std::string_view& value) {
  return next_key(key) && read_value(value);
}

bool JsonSkim::next_key(std::string_view& key) {
  skip_space();
  if (at_ < end_ && *at_ == ',') {
    ++at_;
    skip_space();
  }
  if (at_ >= end_ || *at_ != '"') {
    closed_ = at_ < end_ && *at_ == '}';
    at_ = closed_ ? at_ + 1 : end_;
    end_ = at_;
    return false;
  }
  const char* const begin = ++at_;
  at_ = skip_string(at_, end_);
  if (at_ == nullptr) {
    at_ = end_;
    return false;
  }
  key = {begin, static_cast<size_t>(at_ - 1 - begin)};
  skip_space();
  if (at_ >= end_ || *at_ != ':') {
    at_ = end_;
    return false;
  }
  ++at_;
  skip_space();
  value_offset_ = static_cast<size_t>(at_ - begin_);
  return true;
}

bool JsonSkim::next_item(std::string_view& value) { return next_place() && read_value(value); }

bool JsonSkim::next_place() {
  skip_space();
  if (at_ < end_ && *at_ == ',') ++at_;
  skip_space();
  if (at_ >= end_ || *at_ == ']') {
    closed_ = at_ < end_;
    at_ = closed_ ? at_ + 1 : end_;
    end_ = at_;
    return false;
  }
  return true;
}

JsonSkim JsonSkim::enter() { return JsonSkim({at_, static_cast<size_t>(end_ - at_)}); }

void JsonSkim::skip_rest() {
  if (kind_ == 0 || closed_) return;
  const char* const after = skip_container(at_, end_);
  closed_ = after != nullptr;
  at_ = closed_ ? after : end_;
  end_ = at_;
}

void JsonSkim::leave(const JsonSkim& inner) {
  if (inner.kind_ == 0) {
    skip();
  } else {
    at_ = inner.closed_ ? inner.at_ : end_;
  }
}

bool JsonSkim::read_value(std::string_view& value) {
  skip_space();
  const char* const begin = at_;
  if (at_ >= end_) return false;
  value_offset_ = static_cast<size_t>(begin - begin_);
  if (*at_ == '"') {
    at_ = skip_string(at_ + 1, end_);
  } else if (*at_ == '{' || *at_ == '[') {
    at_ = skip_container(at_ + 1, end_);
  } else {
    while (at_ < end_ && *at_ != ',' && *at_ != '}' && *at_ != ']' && !is_space(*at_)) ++at_;
    if (at_ == begin) at_ = nullptr;
  }
  if (at_ == nullptr) {
    at_ = end_;
    return false;
  }
  value = {begin, static_cast<size_t>(at_ - begin)};
  return true;
}

}  // namespace gatehouse::gateway

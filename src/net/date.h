// HTTP dates: RFC 9110 §5.6.7. Times are seconds since 1970-01-01 UTC; the
// clock is the caller's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gatehouse::net {

// "Sun, 06 Nov 1994 08:49:37 GMT". REQUIRES: a year from 0 to 9999.
std::string format_http_date(std::int64_t unix_seconds);

// Any of the three forms (IMF-fixdate, RFC 850, asctime); none where the text is
// no date, or a date that does not exist. A year of two digits is the one that
// lies at most 50 years after `now_seconds`.
std::optional<std::int64_t> parse_http_date(std::string_view text, std::int64_t now_seconds);

// The Date header is written with every response and changes once a second.
class HttpDateCache {
 public:
  // A view into this object, good until a call with another second.
  std::string_view at(std::int64_t unix_seconds) {
    if (text_.empty() || unix_seconds != seconds_) {
      text_ = format_http_date(unix_seconds);
      seconds_ = unix_seconds;
    }
    return text_;
  }

 private:
  std::int64_t seconds_ = 0;
  std::string text_;
};

}  // namespace gatehouse::net

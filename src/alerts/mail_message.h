// The text of a mail: headers (RFC 5322, RFC 2047), and bodies as quoted-printable parts of
// multipart/alternative (RFC 2045, RFC 2046).
//
// Invariant: no value, whatever a label holds, begins another header or part. Line breaks and
// control characters of a header become spaces, and a boundary is random.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace gatehouse::alerts {

struct MailAddress {
  std::string name;     // as shown; may be empty
  std::string address;  // local@domain
};

// "Alerts <a@example.org>, b@example.org". kInvalidArgument: which is none.
Result<std::vector<MailAddress>> parse_addresses(std::string_view text);

struct MailPart {
  std::string content_type;  // "text/plain"
  std::string body;
};

struct MailMessage {
  std::vector<std::pair<std::string, std::string>> headers;  // as configured, in order
  std::vector<MailPart> parts;                               // the plainest first
};

// The whole, in lines that end in CR LF. Headers that hold addresses are encoded name by name.
std::string mail_text(const MailMessage& message, std::string_view boundary);

std::string quoted_printable(std::string_view text);
// A header's value without what could end it, in encoded words where it is not ASCII.
std::string header_text(std::string_view value);
// "Mon, 02 Jan 2006 15:04:05 +0000"
std::string mail_date(int64_t unix_s);

}  // namespace gatehouse::alerts

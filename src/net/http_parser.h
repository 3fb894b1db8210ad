// Strict parsing of HTTP/1.x heads: RFC 9112 (framing) and RFC 9110 (fields).
//
// This parser guards a trust boundary: whatever two readers could understand
// differently is refused, so that no request means one thing here and another
// at the upstream. Where an RFC lets a recipient be lenient (bare LF, obs-fold,
// white space before the colon, equal duplicates of Content-Length, lists in
// it, transfer codings other than one chunked), it is not. The one leniency: a
// single empty line before a request line is passed over (RFC 9112 §2.2).
//
// HeadEnd finds where a head ends while its bytes trickle in; parse_request and
// parse_response then read it in place. They do not rely on HeadEnd's checks.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "net/http.h"

namespace gatehouse::net {

// Why a head was refused: the status to answer with (502 for a response's) and
// a reason that may be shown to the client. After any of these the connection
// is to be closed, as nobody knows where the next message starts.
struct ParseError {
  int status = 0;           // 0: no error
  std::string_view reason;  // a literal

  bool ok() const { return status == 0; }
};

// Finds the empty line that ends a head, and refuses control characters as soon
// as they come. Each byte is looked at once however slowly they arrive.
class HeadEnd {
 public:
  enum class State { kMore, kFound, kRefused };

  explicit HeadEnd(const HeadLimits& limits = {}) : limits_(limits) {}

  // `buffered` holds all bytes since the message's first: those of the last call
  // and what came since. It may have moved in memory. Once kFound or kRefused
  // the answer stays until reset().
  State advance(std::span<const char> buffered);

  // REQUIRES: kFound. Bytes of the head with its last CR LF CR LF, and with an
  // empty line before it.
  std::size_t size() const { return at_; }
  const ParseError& error() const { return error_; }
  void reset();

 private:
  State refuse(int status, std::string_view reason);
  State beyond_limit();

  HeadLimits limits_;
  State state_ = State::kMore;
  std::size_t at_ = 0;          // the first byte not looked at yet
  std::size_t line_start_ = 0;  // where the line that at_ lies in starts
  bool any_line_ = false;       // a line with something in it has ended
  bool skipped_empty_ = false;  // the one empty line before a head has been passed over
  ParseError error_;
};

// Reads the request head that `head` holds exactly (HeadEnd::size() bytes) into
// `request`, which is cleared first and is meaningless after an error.
ParseError parse_request(std::span<const char> head, const HeadLimits& limits,
                         RequestHead& request);

// The same for the head of a response to a request of that method. A 1xx is a
// head of its own: the caller reads on unless the status is 101.
ParseError parse_response(std::span<const char> head, Method request_method,
                          const HeadLimits& limits, ResponseHead& response);

// Reads field lines and the empty line that ends them, wherever they stand.
ParseError parse_fields(std::span<const char> section, const HeadLimits& limits,
                        HeaderList& fields);

// Reads the field lines of a trailer section and the empty line that ends it.
// Fields that may not stand there (RFC 9110 §6.5.1: framing, routing,
// authentication, content) are left out.
ParseError parse_trailers(std::span<const char> section, const HeadLimits& limits,
                          HeaderList& trailers);

}  // namespace gatehouse::net

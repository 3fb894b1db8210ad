// What a handler of the console's API gives back, and the small readers that
// all handlers share: query parameters, JSON bodies, cursors.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "model/record.h"
#include "model/stream.h"
#include "net/exchange.h"
#include "wire/json.h"

namespace gatehouse::api {

struct Answer {
  int status = 200;
  std::string body{};    // JSON; empty for 204
  std::string cookie{};  // a Set-Cookie
  std::string allow{};   // of a 405
  int64_t retry_after_s = 0;
  bool sent = false;  // the handler has replied itself (a stream)

  bool refused() const { return status >= 400; }
};

Answer ok(std::string body);
Answer no_content();
// The contract's error object. `next` says what to do.
Answer refusal(int status, std::string_view code, std::string_view message, std::string_view next);
Answer invalid_body(std::string_view message);
Answer invalid_parameter(std::string_view message);
Answer retry_later(int status, std::string_view code, std::string_view message,
                   int64_t retry_after_s);

Task<void> send(net::Exchange& exchange, const Answer& answer);

// The request's body: a JSON object with no members but `known`, none of them
// twice.
struct Body {
  std::optional<Answer> refused;
  wire::JsonDocument document;
  wire::JsonView root() const { return document.root(); }
};
Task<Body> read_body(net::Exchange& exchange, std::span<const std::string_view> known);

// The query's parameters: none but `known`, each at most once.
class Parameters {
 public:
  static Result<Parameters> read(std::string_view query, std::span<const std::string_view> known);
  const std::string* find(std::string_view name) const;
  std::string_view text(std::string_view name) const;  // "" where there is none

 private:
  std::vector<std::pair<std::string, std::string>> values_;
};

// A place in a list of records, newest first.
//
// Records lie in the order of appending, but are read by time: `before_ns` is a
// time that no record before the place can have begun after, so that a page need
// not pass over everything that is newer. A wall clock that was set back by more
// than the slack hides from paging what it made out of order.
struct Cursor {
  model::Position position = 0;  // the page goes on before this one
  int64_t before_ns = INT64_MAX;

  static Cursor before(model::Position position, int64_t ended_ns);
  std::string text() const;
  static std::optional<Cursor> parse(std::string_view text);
  model::TimeRange range(int64_t since_ns = INT64_MIN) const { return {since_ns, before_ns}; }
};

// `limit` and `before` of a list; kInvalidArgument says which is wrong.
struct Page {
  size_t limit = 100;
  Cursor cursor;
};
Result<Page> read_page(const Parameters& parameters);

// Bounds a read that finds little: after this long a page ends with what it has,
// and its cursor goes on from there. A person waits no longer for a page.
inline constexpr int64_t kPageReadMs = 2'000;

wire::JsonWriter& text_or_null(wire::JsonWriter& json, std::string_view name,
                               std::string_view text);
wire::JsonWriter& time_or_null(wire::JsonWriter& json, std::string_view name, int64_t unix_ns);
wire::JsonWriter& number_or_null(wire::JsonWriter& json, std::string_view name,
                                 std::optional<double> number);
// Decimal digits in a string; below zero (a damaged sum) as "0".
wire::JsonWriter& nanousd(wire::JsonWriter& json, std::string_view name, int64_t nanodollars);

}  // namespace gatehouse::api

// Floating-point numbers as Prometheus reads and writes them in text, which is as
// Go's strconv does: series are told apart by the text of `le` and `quantile`, so
// each digit counts.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace gatehouse::wire {

// Decimal numbers, and "Inf", "Infinity", "NaN" with a sign or none in any case.
// None: not a number, or beyond the range of a double. What is too small is 0.
std::optional<double> parse_float(std::string_view text);

// The shortest text that reads back equal: "0.25", "1e+06", "+Inf", "NaN". The
// exponent form from 1e+06 on and below 1e-04 (Go's 'g').
void append_float(std::string& out, double value);

// Never in exponent form: "0.25", "1000000" (Go's 'f').
void append_plain_float(std::string& out, double value);

// A bucket's bound or a quantile, told from a whole number: "1.0", "1e+06", "+Inf"
// (Prometheus's formatOpenMetricsFloat).
void append_bound(std::string& out, double value);

// `text` as append_bound writes the number it states; unchanged where it is none.
// The view is into `text` or into `room`, whose contents are replaced.
std::string_view normal_bound(std::string_view text, std::string& room);

}  // namespace gatehouse::wire

// Numbers as Go writes and reads them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "lang/gotemplate/value.h"

namespace gatehouse::gotemplate {

// strconv.FormatFloat(value, form, precision, 64); form: e E f F g G; precision -1: the
// fewest digits that read back as the same.
std::string format_float(double value, char form, int precision);

// A template's number or character: an int where it is written as one, a float otherwise.
Result<Value> parse_constant(std::string_view source);

// strconv.ParseFloat: decimal, hexadecimal, Inf, NaN.
std::optional<double> parse_float(std::string_view text);

}  // namespace gatehouse::gotemplate

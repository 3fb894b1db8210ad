// Go's fmt: verbs, flags, widths and precisions over Values, with its "%!d(string=x)" for
// what does not fit.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "lang/gotemplate/value.h"

namespace gatehouse::gotemplate {

// Of one formatted text: what the output may have at most.
inline constexpr size_t kFormatBytesMax = 4 << 20;

// kResourceExhausted: longer than kFormatBytesMax.
Result<std::string> sprintf(std::string_view format, std::span<const Value> arguments);
// Spaces between operands of which neither is a text.
Result<std::string> sprint(std::span<const Value> arguments);
Result<std::string> sprintln(std::span<const Value> arguments);

// The text of a string or of SafeText; null: neither.
const std::string* text_of(const Value& value);

}  // namespace gatehouse::gotemplate

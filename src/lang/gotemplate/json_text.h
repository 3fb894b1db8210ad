// Values as encoding/json writes them.
#pragma once

#include <string>

#include "base/result.h"
#include "lang/gotemplate/value.h"

namespace gatehouse::gotemplate {

// Sorted keys, no white space; <, > and & are escaped, so that it may stand in HTML.
// kResourceExhausted: longer than kFormatBytesMax, or deeper than 250.
Result<std::string> json_text(const Value& value);

}  // namespace gatehouse::gotemplate

// Go's own functions (pkg.go.dev/text/template#hdr-Functions), but for "and" and "or", which
// decide what of their arguments is evaluated.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "lang/gotemplate/value.h"

namespace gatehouse::gotemplate {

const Functions& builtins();

// How many arguments a function takes; errors are Go's "wrong number of args for ...".
Status check_count(std::string_view name, std::span<const Value> arguments, size_t wanted);
// The text or whole number that an argument is; Go's "wrong type for value" otherwise.
Result<std::string> text_argument(const Value& value);
Result<int64_t> int_argument(const Value& value);
// Whether an error is of the call and not of what was called: Go leads only the latter
// with "error calling NAME".
bool is_call_error(const Status& status);

// What range, index, len and slice see behind an Object; the value itself otherwise.
const List* list_of(const Value& value);
const Map* map_of(const Value& value);

std::string escape_html(std::string_view text);
std::string escape_js(std::string_view text);
std::string escape_query(std::string_view text);

}  // namespace gatehouse::gotemplate

// The functions on text that Prometheus's rules and Alertmanager both have.
#pragma once

#include <string>

#include "base/result.h"
#include "lang/gotemplate/value.h"

namespace gatehouse::gotemplate {

// title, toUpper, toLower, trimSpace, match, reReplaceAll, safeHtml.
Functions text_functions();

// Alertmanager's title, which also lowers what follows the first letter of a word.
Function word_title();
// A function that says that a text is safe.
Function safe_text(std::string name, SafeText::Kind kind);

// A number, a duration in seconds, or a text that is a number.
Result<double> number_of(const Value& value);

// "1d 2h 3m 4s", "12.5ms" of seconds.
std::string humanize_duration(double seconds);

}  // namespace gatehouse::gotemplate

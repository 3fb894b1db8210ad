// The functions on text that Prometheus's rules and Alertmanager both have.
#pragma once

#include <string>

#include "lang/gotemplate/value.h"

namespace gatehouse::gotemplate {

// title, toUpper, toLower, trimSpace, match, reReplaceAll, safeHtml.
Functions text_functions();

// "1d 2h 3m 4s", "12.5ms" of seconds.
std::string humanize_duration(double seconds);

}  // namespace gatehouse::gotemplate

// What each Escaper does to a value: text that cannot leave the place it is printed to.
#pragma once

#include <string>

#include "base/result.h"
#include "lang/gotemplate/syntax.h"
#include "lang/gotemplate/value.h"

namespace gatehouse::gotemplate::html {

Result<std::string> escape(Escaper escaper, const Value& value);

}  // namespace gatehouse::gotemplate::html

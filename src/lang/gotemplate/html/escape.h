// What each Escaper does to a value: text that cannot leave the place it is printed to.
#pragma once

#include "base/result.h"
#include "lang/gotemplate/syntax.h"
#include "lang/gotemplate/value.h"

namespace gatehouse::gotemplate::html {

// Always a text. kResourceExhausted: it is too long.
Result<Value> escape(Escaper escaper, const Value& value);

}  // namespace gatehouse::gotemplate::html

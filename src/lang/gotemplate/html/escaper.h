// Finds the context that each action of a set of templates prints to, and gives it what
// escapes for it.
#pragma once

#include <memory>
#include <string_view>

#include "base/result.h"
#include "lang/gotemplate/executor.h"

namespace gatehouse::gotemplate::html {

// The trees that execution of `name` needs, with escapers; a template called in contexts
// other than text has a copy for each. `all`: the other trees are escaped as text, too, for
// functions that execute templates by name. kInvalidArgument: a context is ambiguous.
Result<std::shared_ptr<const Trees>> escape_trees(const Trees& trees, std::string_view name,
                                                  bool all);

}  // namespace gatehouse::gotemplate::html

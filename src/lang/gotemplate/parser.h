// Text to trees, in Go's words where it does not parse ("template: NAME:LINE: ...").
#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "lang/gotemplate/syntax.h"

namespace gatehouse::gotemplate {

// Blocks and parentheses within each other: deeper than any that is written by hand, and
// far from what the stack holds.
inline constexpr int kSyntaxNestingMax = 200;
// Of a text: receivers' templates are a hundredth of it.
inline constexpr size_t kSourceBytesMax = 4 << 20;

// The template `name` itself comes last, after those that it defines. Of two definitions of
// a name one must be blank.
Result<std::vector<Tree>> parse_trees(std::string_view name, std::string_view text,
                                      const std::function<bool(std::string_view)>& is_function);

}  // namespace gatehouse::gotemplate

// The scalars of YAML 1.2.2: plain and quoted (§7.3), literal and folded (§8.1).
// Each begins at the cursor and leaves it behind the scalar; the cursor of a
// refused one is where it went wrong.
#pragma once

#include <string>

#include "wire/yaml_cursor.h"

namespace gatehouse::wire {

// Null, or what is wrong at the cursor.
using YamlProblem = const char*;

// Whether a plain scalar can begin at the cursor, and whether `c` may stand
// behind a ':', '?' or '-' of one. In brackets, brackets end it.
bool at_plain_scalar(const YamlCursor& in, bool in_brackets);
inline bool is_plain_safe(char c, bool in_brackets) {
  return !is_yaml_gap(c) && !(in_brackets && is_yaml_bracket(c));
}

// Lines after the first begin with `indent` spaces or more, or are blank.
std::string read_plain_scalar(YamlCursor& in, int indent, bool in_brackets);
YamlProblem read_quoted_scalar(YamlCursor& in, int indent, std::string& value);

// Within a block that is indented by `parent`; -1: at the top.
YamlProblem read_block_scalar(YamlCursor& in, int parent, std::string& value);

}  // namespace gatehouse::wire

// The pack of rules/ai.yml, which the program carries with it.
#pragma once

#include <string_view>

namespace gatehouse::rules {

// What stands in place of a path where the pack is named.
inline constexpr std::string_view kBuiltinRulesName = "ai.yml";

// The text of a rule file; read_rule_file() takes it.
std::string_view builtin_rules();

}  // namespace gatehouse::rules

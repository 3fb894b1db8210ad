// The table of PromQL's functions: what the parser checks and the evaluator calls.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "lang/promql/ast.h"

namespace gatehouse::promql {

enum class FunctionId : uint16_t;  // one a function, in function_ids.h

struct Function {
  std::string_view name;
  FunctionId id;
  std::span<const ValueType> arguments;
  // 0: exactly `arguments`. n > 0: the last argument may be left out, or given up
  // to n times. -1: the last may be given any number of times, none included.
  int variadic = 0;
  ValueType result;
  bool experimental = false;
};

// Null where there is none of the name. All functions, experimental ones too.
const Function* find_function(std::string_view name);
std::span<const Function> all_functions();

}  // namespace gatehouse::promql

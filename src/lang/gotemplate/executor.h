// One execution of a set of trees over data: walks statements, evaluates pipelines, counts
// what it costs.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "lang/gotemplate/syntax.h"
#include "lang/gotemplate/template.h"

namespace gatehouse::gotemplate {

using Trees = std::map<std::string, std::shared_ptr<const Tree>, std::less<>>;

struct Program {
  const Trees* trees = nullptr;
  const Functions* functions = nullptr;  // beside Go's own; holds over them
  MissingKey missing_key = MissingKey::kDefault;
};

// REQUIRES: program.trees has `name`.
Result<std::string> run_program(const Program& program, std::string_view name, const Value& data,
                                const Limits& limits);

}  // namespace gatehouse::gotemplate

// Text to a type-checked tree.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "lang/promql/ast.h"

namespace gatehouse::promql {

struct ParseOptions {
  bool experimental_functions = false;
  bool duration_expressions = true;
  bool extended_range_selectors = true;  // anchored, smoothed
  bool fill_modifiers = true;
};

// Bounds on a query, which comes from outside: its nesting is walked recursively.
inline constexpr size_t kQueryBytesMax = 1 << 20;
inline constexpr int kNestingMax = 512;

// "line:column" of a byte of the query, both from 1, as errors and annotations write it.
std::string line_and_column(std::string_view query, size_t offset);

// kInvalidArgument: the message is Prometheus's, "1:5: parse error: ...", line and column.
Result<ExprPtr> parse(std::string_view query, const ParseOptions& options = {});

// A selector alone, as `match[]` parameters have it; its matchers. At least one
// must not match the empty string.
Result<std::vector<model::Matcher>> parse_selector(std::string_view text);

// {a="1", b="2"} or name{...}: the labels of a series, as test scripts state it.
Result<model::Labels> parse_metric(std::string_view text);

// "1h30m", "5m", "300ms" or seconds "90", "1.5": milliseconds.
Result<int64_t> parse_duration_ms(std::string_view text);

}  // namespace gatehouse::promql

#include "lang/promql/parser.h"

#include <algorithm>
#include <cmath>

#include "lang/promql/literal.h"
#include "lang/promql/syntax_parser.h"

namespace gatehouse::promql {
namespace {

Status check_length(std::string_view text) {
  if (text.size() <= kQueryBytesMax) return {};
  return invalid_argument("1:1: parse error: the query has " + std::to_string(text.size()) +
                          " bytes, more than " + std::to_string(kQueryBytesMax));
}

}  // namespace

std::string line_and_column(std::string_view query, size_t offset) {
  if (query.empty()) return "unknown position";
  const std::string_view before = query.substr(0, std::min(offset, query.size()));
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const size_t line_break = before.rfind('\n');
  const size_t column =
      line_break == std::string_view::npos ? before.size() + 1 : before.size() - line_break;
  return std::to_string(line) + ":" + std::to_string(column);
}

Result<ExprPtr> parse(std::string_view query, const ParseOptions& options) {
  RETURN_IF_ERROR(check_length(query));
  return SyntaxParser(query, options).expression_alone();
}

Result<std::vector<model::Matcher>> parse_selector(std::string_view text) {
  RETURN_IF_ERROR(check_length(text));
  ASSIGN_OR_RETURN(std::vector<model::Matcher> matchers, SyntaxParser(text, {}).selector_alone());
  if (std::ranges::all_of(matchers, &model::Matcher::matches_empty)) {
    return invalid_argument("match[] must contain at least one non-empty matcher");
  }
  return matchers;
}

Result<model::Labels> parse_metric(std::string_view text) {
  RETURN_IF_ERROR(check_length(text));
  return SyntaxParser(text, {}).metric_alone();
}

Result<int64_t> parse_duration_ms(std::string_view text) {
  const auto seconds = parse_number(text);
  if (!seconds.ok()) return parse_unit_duration_ms(text);
  const double ms = *seconds * 1000;
  // Far beyond any time there are data of, and within what arithmetic on times takes.
  if (!(std::fabs(ms) < 9.2e15)) return invalid_argument("duration out of range");
  return static_cast<int64_t>(ms);
}

}  // namespace gatehouse::promql

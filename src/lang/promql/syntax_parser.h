// The parser behind parse(): recursive descent, with precedence climbing for the
// operators. It holds one token in advance and stops at the first error.
//
// The words of an error depend on the construct that it breaks. Where that has no
// words of its own, those of the construct around it stand: contexts_ holds them.
//
// Invariants: after a failure token_ is the end, and every function returns at once
// with nothing; no tree is deeper than kNestingMax, and no call nests deeper than a
// small multiple of it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lang/promql/lexer.h"
#include "lang/promql/parser.h"
#include "model/sample.h"

namespace gatehouse::promql {

Status parse_error(std::string_view query, Position position, std::string_view message);

// check_types.cc: finds what does not fit together, and settles the matching of
// binary operators (many-to-many for sets, none where a side is no vector).
Status check_types(Expr& expr, std::string_view query);

class SyntaxParser {
 public:
  SyntaxParser(std::string_view query, const ParseOptions& options);

  Result<ExprPtr> expression_alone();
  Result<std::vector<model::Matcher>> selector_alone();
  Result<model::Labels> metric_alone();

 private:
  using Labels = std::vector<std::string>;
  using DurationPtr = std::unique_ptr<DurationExpr>;

  // Tokens.
  Token take();
  bool accept(TokenKind kind);
  bool at(TokenKind kind) const { return token_.kind == kind; }

  // Errors. The first one stays.
  std::nullptr_t fail(Position position, std::string_view message);
  std::nullptr_t unexpected();
  std::nullptr_t unexpected(std::string_view context, std::string_view expected);
  bool failed() const { return !error_.ok(); }
  Status status_at_end();
  bool descend(Position position);
  template <typename Node>
  std::unique_ptr<Node> finish(std::unique_ptr<Node> node, int depth_beneath);

  // Expressions.
  ExprPtr expression(int precedence_min);
  ExprPtr unary();
  ExprPtr postfix(ExprPtr expr);
  ExprPtr primary();
  ExprPtr number();
  ExprPtr paren();
  ExprPtr aggregate();
  ExprPtr aggregate_of(Token op, bool without, Labels grouping, std::vector<ExprPtr> arguments);
  ExprPtr call();
  std::optional<std::vector<ExprPtr>> arguments();
  bool binary_modifiers(BinaryExpr& binary);
  std::optional<double> fill_value();
  std::optional<Labels> grouping();
  ExprPtr binary(ExprPtr left, Token op, std::unique_ptr<BinaryExpr> binary, ExprPtr right);

  // Selectors and what follows them.
  std::unique_ptr<VectorSelector> vector_selector();
  bool label_matchers(VectorSelector& selector);
  bool label_matcher(VectorSelector& selector);
  ExprPtr brackets(ExprPtr expr);
  ExprPtr matrix(ExprPtr expr, Duration range, Position brackets);
  bool offset(Expr& expr);
  bool at_modifier(Expr& expr);
  bool expansion(Expr& expr, Expansion expansion);

  // Durations.
  std::optional<Duration> positive_duration();
  std::optional<Duration> settle(DurationPtr expr, bool negative_allowed);
  DurationPtr duration(int precedence_min);
  DurationPtr duration_unary();
  DurationPtr duration_primary();
  DurationPtr duration_call();
  DurationPtr duration_literal(bool negative, Position sign);
  DurationPtr duration_of_offset();
  DurationPtr combine(DurationExpr::Kind kind, DurationPtr left, DurationPtr right);

  // Labels of a series.
  bool label_set(std::vector<model::Labels::Pair>& pairs);
  bool label_set_item(std::vector<model::Labels::Pair>& pairs);

  std::optional<double> literal_value(const Token& token);
  std::string string_value(const Token& token);

  std::string_view query_;
  ParseOptions options_;
  Lexer lexer_;
  Token token_;
  Status error_;
  uint32_t last_closing_ = 0;  // end of the last token that can end an expression
  int nesting_ = 0;
  int duration_nodes_ = 0;
  std::vector<std::pair<std::string_view, std::string_view>> contexts_;
};

}  // namespace gatehouse::promql

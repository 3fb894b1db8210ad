// Selectors, and what follows them: ranges, subqueries, offset, @, anchored, smoothed.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "lang/promql/literal.h"
#include "lang/promql/syntax_parser.h"

namespace gatehouse::promql {
namespace {

using Op = model::Matcher::Op;

constexpr std::string_view kDurationWords = "number, duration, step(), or range()";

bool is_match_operator(TokenKind kind) {
  return kind == TokenKind::kAssign || kind == TokenKind::kNotEqual ||
         kind == TokenKind::kRegexEqual || kind == TokenKind::kRegexNotEqual;
}

Op matcher_op_of(TokenKind kind) {
  switch (kind) {
    case TokenKind::kNotEqual: return Op::kNotEqual;
    case TokenKind::kRegexEqual: return Op::kRegex;
    case TokenKind::kRegexNotEqual: return Op::kNotRegex;
    default: return Op::kEqual;
  }
}

bool is_set(const Duration& duration) { return duration.ms != 0 || duration.expression; }

// Where an expression keeps its offset and its @; null where it can have none.
struct Modifiers {
  Duration* offset = nullptr;
  AtModifier* at = nullptr;
};
Modifiers modifiers_of(Expr& expr) {
  switch (expr.kind) {
    case Expr::Kind::kVectorSelector: {
      auto& selector = static_cast<VectorSelector&>(expr);
      return {&selector.offset, &selector.at};
    }
    case Expr::Kind::kMatrixSelector: {
      auto& selector = *static_cast<MatrixSelector&>(expr).selector;
      return {&selector.offset, &selector.at};
    }
    case Expr::Kind::kSubquery: {
      auto& subquery = static_cast<SubqueryExpr&>(expr);
      return {&subquery.offset, &subquery.at};
    }
    default: return {};
  }
}

// Why a pattern cannot be compiled, in the words of Go's regexp.
std::string pattern_error(const Status& status) {
  struct Wording {
    std::string_view re2;
    std::string_view go;
  };
  constexpr auto kWordings = std::to_array<Wording>(
      {{"missing ]", "missing closing ]"},
       {"missing )", "missing closing )"},
       {"trailing \\", "trailing backslash at end of expression"},
       {"no argument for repetition operator", "missing argument to repetition operator"},
       {"invalid repetition size", "invalid repeat count"},
       {"bad repetition operator", "invalid nested repetition operator"},
       {"invalid perl operator", "invalid or unsupported Perl syntax"},
       {"invalid named capture group", "invalid named capture"}});
  constexpr std::string_view kLead = " cannot be compiled: ";
  std::string_view reason = status.message();
  const size_t lead = reason.rfind(kLead);
  if (lead == std::string_view::npos) return status.message();
  reason.remove_prefix(lead + kLead.size());
  const size_t colon = std::min(reason.find(": "), reason.size());
  std::string_view kind = reason.substr(0, colon);
  for (const Wording& each : kWordings) {
    if (each.re2 == kind) kind = each.go;
  }
  std::string message = "error parsing regexp: " + std::string(kind);
  if (colon < reason.size()) message.append(": `").append(reason.substr(colon + 2)).append("`");
  return message;
}

constexpr std::string_view kMustFollow =
    " modifier must be preceded by an instant vector selector or range vector selector or a "
    "subquery";

std::string format_fixed(double value) {
  if (!std::isfinite(value)) return format_number(value);
  char text[400];
  std::snprintf(text, sizeof text, "%f", value);
  return text;
}

}  // namespace

// --- Selectors.

std::unique_ptr<VectorSelector> SyntaxParser::vector_selector() {
  auto selector = std::make_unique<VectorSelector>();
  selector->type = ValueType::kVector;
  selector->position = token_.position;
  if (!at(TokenKind::kLeftBrace)) {
    if (!may_name_metric(token_.kind)) return unexpected();
    selector->name = take().text;
    if (failed()) return nullptr;
  }
  if (at(TokenKind::kLeftBrace)) {
    if (!label_matchers(*selector)) return nullptr;
    selector->position.end = last_closing_;
  }
  if (!selector->name.empty()) {
    selector->matchers.emplace_back(Op::kEqual, std::string(model::kMetricName), selector->name);
  }
  return selector;
}

bool SyntaxParser::label_matchers(VectorSelector& selector) {
  take();
  while (!failed()) {
    if (accept(TokenKind::kRightBrace)) return true;
    if (!label_matcher(selector)) return false;
    if (!accept(TokenKind::kComma) && !at(TokenKind::kRightBrace) && !failed()) {
      unexpected("label matching", "\",\" or \"}\"");
    }
  }
  return false;
}

bool SyntaxParser::label_matcher(VectorSelector& selector) {
  const Token label = token_;
  std::string name;
  if (at(TokenKind::kString)) {
    name = string_value(take());
    if (failed()) return false;
    // A quoted name alone is that of the metric.
    if (!is_match_operator(token_.kind)) {
      selector.matchers.emplace_back(Op::kEqual, std::string(model::kMetricName), std::move(name));
      return true;
    }
  } else if (at(TokenKind::kIdentifier)) {
    name = take().text;
    if (!failed() && !is_match_operator(token_.kind)) {
      unexpected("label matching", "label matching operator");
    }
  } else {
    unexpected("label matching", "identifier or \"}\"");
  }
  if (failed()) return false;
  const Op op = matcher_op_of(take().kind);
  if (!failed() && !at(TokenKind::kString)) unexpected("label matching", "string");
  if (failed()) return false;
  const Token literal = take();
  std::string value = string_value(literal);
  if (failed()) return false;
  auto matcher = model::Matcher::create(op, std::move(name), std::move(value));
  if (!matcher.ok()) {
    fail({label.position.begin, literal.position.end}, pattern_error(matcher.status()));
    return false;
  }
  selector.matchers.push_back(std::move(*matcher));
  return true;
}

// --- Ranges and subqueries.

ExprPtr SyntaxParser::brackets(ExprPtr expr) {
  const Token open = take();
  contexts_.emplace_back("subquery or range selector", kDurationWords);
  auto range = failed() ? std::nullopt : positive_duration();
  if (!range) return nullptr;
  contexts_.pop_back();
  if (at(TokenKind::kRightBracket)) {
    const Token close = take();
    return matrix(std::move(expr), std::move(*range), {open.position.begin, close.position.end});
  }
  if (!at(TokenKind::kColon)) return unexpected("subquery or range", "\":\" or \"]\"");
  take();
  auto node = std::make_unique<SubqueryExpr>();
  node->type = ValueType::kMatrix;
  node->range = std::move(*range);
  if (!failed() && !at(TokenKind::kRightBracket)) {
    contexts_.emplace_back("subquery selector", "number, duration, step(), range(), or \"]\"");
    auto step = positive_duration();
    if (!step) return nullptr;
    contexts_.pop_back();
    node->step = std::move(*step);
    if (!at(TokenKind::kRightBracket)) return unexpected("subquery selector", "\"]\"");
  }
  if (failed()) return nullptr;
  take();
  if (failed()) return nullptr;
  node->position = {expr->position.begin, last_closing_};
  const int depth = expr->depth + 1;
  node->depth = depth;
  if (depth > kNestingMax) {
    return fail(node->position,
                "the query is nested more than " + std::to_string(kNestingMax) + " levels deep");
  }
  node->inner = std::move(expr);
  return node;
}

ExprPtr SyntaxParser::matrix(ExprPtr expr, Duration range, Position brackets) {
  if (failed()) return nullptr;
  if (expr->kind != Expr::Kind::kVectorSelector) {
    return fail(brackets, "ranges only allowed for vector selectors");
  }
  auto node = std::make_unique<MatrixSelector>();
  node->selector.reset(static_cast<VectorSelector*>(expr.release()));
  if (is_set(node->selector->offset)) {
    return fail(brackets, "no offset modifiers allowed before range");
  }
  if (node->selector->at.kind != AtModifier::Kind::kNone) {
    return fail(brackets, "no @ modifiers allowed before range");
  }
  node->type = ValueType::kMatrix;
  node->depth = 2;
  node->range = std::move(range);
  node->position = {node->selector->position.begin, last_closing_};
  return node;
}

// --- Modifiers.

bool SyntaxParser::offset(Expr& expr) {
  take();
  if (failed()) return false;
  contexts_.emplace_back("offset", kDurationWords);
  auto duration = settle(duration_of_offset(), true);
  if (!duration || failed()) return false;
  contexts_.pop_back();
  const Modifiers modifiers = modifiers_of(expr);
  if (!modifiers.offset) {
    fail(expr.position, "offset" + std::string(kMustFollow));
  } else if (is_set(*modifiers.offset)) {
    fail(expr.position, "offset may not be set multiple times");
  } else {
    *modifiers.offset = std::move(*duration);
    expr.position.end = last_closing_;
  }
  return !failed();
}

bool SyntaxParser::at_modifier(Expr& expr) {
  take();
  AtModifier modifier;
  if (at(TokenKind::kStart) || at(TokenKind::kEndOfRange)) {
    modifier.kind =
        take().kind == TokenKind::kStart ? AtModifier::Kind::kStart : AtModifier::Kind::kEnd;
    if (!accept(TokenKind::kLeftParen) || !accept(TokenKind::kRightParen)) {
      if (!failed()) unexpected("@", "timestamp");
      return false;
    }
  } else {
    const bool negative = at(TokenKind::kSub);
    if (negative || at(TokenKind::kAdd)) take();
    if (!at(TokenKind::kNumber) && !at(TokenKind::kDuration)) {
      if (!failed()) unexpected("@", "timestamp");
      return false;
    }
    const auto value = literal_value(take());
    if (!value || failed()) return false;
    const double seconds = negative ? -*value : *value;
    // Milliseconds have to fit 63 bits; seconds alone would not do for that.
    if (!(std::fabs(seconds) < 9.2e15)) {
      fail(expr.position, "timestamp out of bounds for @ modifier: " + format_fixed(seconds));
      return false;
    }
    modifier.kind = AtModifier::Kind::kTime;
    modifier.time_ms = std::llround(seconds * 1000);
  }
  const Modifiers modifiers = modifiers_of(expr);
  if (!modifiers.at) {
    fail(expr.position, "@" + std::string(kMustFollow));
  } else if (modifiers.at->kind != AtModifier::Kind::kNone) {
    fail(expr.position, "@ <timestamp> may not be set multiple times");
  } else {
    *modifiers.at = modifier;
    expr.position.end = last_closing_;
  }
  return !failed();
}

bool SyntaxParser::expansion(Expr& expr, Expansion wanted) {
  take();
  const std::string word = wanted == Expansion::kAnchored ? "anchored" : "smoothed";
  if (!options_.extended_range_selectors) {
    fail(expr.position, word + " modifier is experimental and not enabled");
    return false;
  }
  VectorSelector* selector = nullptr;
  if (expr.kind == Expr::Kind::kVectorSelector) {
    selector = &static_cast<VectorSelector&>(expr);
  } else if (expr.kind == Expr::Kind::kMatrixSelector) {
    selector = static_cast<MatrixSelector&>(expr).selector.get();
  }
  if (!selector) {
    fail(expr.position,
         word + (expr.kind == Expr::Kind::kSubquery ? " modifier is not supported for subqueries"
                                                    : " modifier not implemented"));
  } else if (selector->expansion != Expansion::kNone && selector->expansion != wanted) {
    fail(expr.position, "anchored and smoothed modifiers cannot be used together");
  } else {
    selector->expansion = wanted;
  }
  return !failed();
}

// --- The labels of a series.

bool SyntaxParser::label_set(std::vector<model::Labels::Pair>& pairs) {
  take();
  while (!failed()) {
    if (accept(TokenKind::kRightBrace)) return true;
    if (!label_set_item(pairs)) return false;
    if (!accept(TokenKind::kComma) && !at(TokenKind::kRightBrace) && !failed()) {
      unexpected("label set", "\",\" or \"}\"");
    }
  }
  return false;
}

bool SyntaxParser::label_set_item(std::vector<model::Labels::Pair>& pairs) {
  std::string name;
  if (at(TokenKind::kString)) {
    name = string_value(take());
    if (failed()) return false;
    if (!at(TokenKind::kAssign)) {
      pairs.emplace_back(model::kMetricName, std::move(name));
      return true;
    }
  } else if (at(TokenKind::kIdentifier)) {
    name = take().text;
    if (!failed() && !at(TokenKind::kAssign)) unexpected("label set", "\"=\"");
  } else {
    unexpected("label set", "identifier or \"}\"");
  }
  if (failed()) return false;
  take();
  if (!failed() && !at(TokenKind::kString)) unexpected("label set", "string");
  if (failed()) return false;
  pairs.emplace_back(std::move(name), string_value(take()));
  return !failed();
}

}  // namespace gatehouse::promql

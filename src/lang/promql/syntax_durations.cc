// Durations in brackets and after offset, with their arithmetic.
#include <cmath>

#include "lang/promql/literal.h"
#include "lang/promql/syntax_parser.h"

namespace gatehouse::promql {
namespace {

using Kind = DurationExpr::Kind;

int precedence_of(TokenKind kind) {
  switch (kind) {
    case TokenKind::kAdd:
    case TokenKind::kSub: return 1;
    case TokenKind::kMul:
    case TokenKind::kDiv:
    case TokenKind::kMod: return 2;
    case TokenKind::kPow: return 3;
    default: return 0;
  }
}
constexpr int kUnaryPrecedence = 2;  // -2 ^ 2 is -(2 ^ 2)

Kind kind_of(TokenKind kind) {
  switch (kind) {
    case TokenKind::kAdd: return Kind::kAdd;
    case TokenKind::kSub: return Kind::kSub;
    case TokenKind::kMul: return Kind::kMul;
    case TokenKind::kDiv: return Kind::kDiv;
    case TokenKind::kMod: return Kind::kMod;
    default: return Kind::kPow;
  }
}

// Nanoseconds in 63 bits: the bound that clients know from Prometheus.
constexpr double kSecondsMax = 9223372036.0;

bool is_sign(TokenKind kind) { return kind == TokenKind::kAdd || kind == TokenKind::kSub; }
bool is_literal(TokenKind kind) {
  return kind == TokenKind::kNumber || kind == TokenKind::kDuration;
}
bool begins_call(TokenKind kind) {
  return kind == TokenKind::kStep || kind == TokenKind::kRange || kind == TokenKind::kMinOf ||
         kind == TokenKind::kMaxOf || kind == TokenKind::kMin || kind == TokenKind::kMax;
}

}  // namespace

std::optional<Duration> SyntaxParser::positive_duration() {
  duration_nodes_ = 0;
  return settle(duration(1), false);
}

// A number becomes its milliseconds; anything else stays an expression.
std::optional<Duration> SyntaxParser::settle(DurationPtr expr, bool negative_allowed) {
  if (!expr || failed()) return std::nullopt;
  Duration settled;
  if (expr->kind == Kind::kNumber) {
    if (!negative_allowed && expr->value_s <= 0) {
      fail(expr->position, "duration must be greater than 0");
      return std::nullopt;
    }
    settled.ms = static_cast<int64_t>(std::round(expr->value_s * 1e9) / 1e6);
    return settled;
  }
  if (!options_.duration_expressions) {
    fail(expr->position, "experimental duration expression is not enabled");
    return std::nullopt;
  }
  settled.expression = std::move(expr);
  return settled;
}

SyntaxParser::DurationPtr SyntaxParser::duration(int precedence_min) {
  if (!descend(token_.position)) return nullptr;
  DurationPtr left = duration_unary();
  while (left) {
    const int precedence = precedence_of(token_.kind);
    if (precedence < precedence_min || precedence == 0) break;
    const Token op = take();
    if (failed()) return nullptr;
    DurationPtr right = duration(op.kind == TokenKind::kPow ? precedence : precedence + 1);
    if (!right) return nullptr;
    left = combine(kind_of(op.kind), std::move(left), std::move(right));
  }
  --nesting_;
  return left;
}

SyntaxParser::DurationPtr SyntaxParser::duration_unary() {
  if (!is_sign(token_.kind)) return duration_primary();
  const Token sign = take();
  if (failed()) return nullptr;
  DurationPtr inner = duration(kUnaryPrecedence + 1);
  if (!inner) return nullptr;
  inner->position.begin = sign.position.begin;
  if (sign.kind == TokenKind::kAdd) return inner;
  if (inner->kind == Kind::kNumber) {
    inner->value_s = -inner->value_s;
    return inner;
  }
  return combine(Kind::kNegate, std::move(inner), nullptr);
}

SyntaxParser::DurationPtr SyntaxParser::duration_primary() {
  if (is_literal(token_.kind)) return duration_literal(false, token_.position);
  if (begins_call(token_.kind)) return duration_call();
  if (!at(TokenKind::kLeftParen)) return unexpected();
  const Token open = take();
  DurationPtr inner = failed() ? nullptr : duration(1);
  if (!inner) return nullptr;
  if (!at(TokenKind::kRightParen)) return unexpected();
  const Token close = take();
  inner = combine(Kind::kParen, std::move(inner), nullptr);
  if (inner) inner->position = {open.position.begin, close.position.end};
  return inner;
}

SyntaxParser::DurationPtr SyntaxParser::duration_literal(bool negative, Position sign) {
  const Token token = take();
  const auto value = literal_value(token);
  if (!value || failed()) return nullptr;
  auto node = std::make_unique<DurationExpr>();
  node->position = {sign.begin, token.position.end};
  node->value_s = negative ? -*value : *value;
  node->as_duration = token.kind == TokenKind::kDuration;
  if (!(std::fabs(node->value_s) <= kSecondsMax)) {
    return fail(node->position, "duration out of range");
  }
  return node;
}

// step(), range(), min_of(a, b), max_of(a, b); earlier releases said min and max.
SyntaxParser::DurationPtr SyntaxParser::duration_call() {
  const Token word = take();
  if (!failed() && !at(TokenKind::kLeftParen)) unexpected();
  if (failed()) return nullptr;
  take();
  if (failed()) return nullptr;
  DurationPtr left;
  DurationPtr right;
  Kind kind = word.kind == TokenKind::kStep ? Kind::kStep : Kind::kRange;
  if (word.kind != TokenKind::kStep && word.kind != TokenKind::kRange) {
    const bool least = word.kind == TokenKind::kMinOf || word.kind == TokenKind::kMin;
    kind = least ? Kind::kMin : Kind::kMax;
    left = duration(1);
    if (!left) return nullptr;
    if (!accept(TokenKind::kComma)) return unexpected();
    right = duration(1);
    if (!right) return nullptr;
  }
  if (!at(TokenKind::kRightParen)) return unexpected();
  take();
  DurationPtr node = combine(kind, std::move(left), std::move(right));
  if (node) node->position = {word.position.begin, last_closing_};
  return node;
}

// Without parentheses an offset ends before the first operator: x offset 5 + 2 is
// (x offset 5) + 2, and x offset -2 ^ 2 is (x offset -2) ^ 2.
SyntaxParser::DurationPtr SyntaxParser::duration_of_offset() {
  duration_nodes_ = 0;
  const Position begin = token_.position;
  const bool negative = at(TokenKind::kSub);
  if (is_sign(token_.kind)) take();
  if (failed()) return nullptr;
  if (is_literal(token_.kind)) return duration_literal(negative, begin);
  DurationPtr inner = duration_primary();
  if (!inner || !negative) return inner;
  inner->position.begin = begin.begin;
  return combine(Kind::kNegate, std::move(inner), nullptr);
}

SyntaxParser::DurationPtr SyntaxParser::combine(Kind kind, DurationPtr left, DurationPtr right) {
  if (failed()) return nullptr;
  auto node = std::make_unique<DurationExpr>();
  node->kind = kind;
  if (left) node->position = {left->position.begin, (right ? right : left)->position.end};
  node->left = std::move(left);
  node->right = std::move(right);
  // A chain of operators leans to the left: its length is the depth of its tree.
  if (++duration_nodes_ > kNestingMax) {
    return fail(node->position,
                "a duration has more than " + std::to_string(kNestingMax) + " operators");
  }
  return node;
}

}  // namespace gatehouse::promql

#include "lang/promql/syntax_parser.h"

#include <algorithm>
#include <cmath>

#include "lang/promql/functions.h"
#include "lang/promql/literal.h"

namespace gatehouse::promql {
namespace {

// How tightly an operator binds; 0: none of these.
int precedence_of(TokenKind kind) {
  switch (kind) {
    case TokenKind::kOr: return 1;
    case TokenKind::kAnd:
    case TokenKind::kUnless: return 2;
    case TokenKind::kEqual:
    case TokenKind::kNotEqual:
    case TokenKind::kGreater:
    case TokenKind::kLess:
    case TokenKind::kGreaterEqual:
    case TokenKind::kLessEqual:
    case TokenKind::kTrimUpper:
    case TokenKind::kTrimLower: return 3;
    case TokenKind::kAdd:
    case TokenKind::kSub: return 4;
    case TokenKind::kMul:
    case TokenKind::kDiv:
    case TokenKind::kMod:
    case TokenKind::kAtan2: return 5;
    case TokenKind::kPow: return 6;
    default: return 0;
  }
}
constexpr int kUnaryPrecedence = 5;  // as that of a product: -1 ^ 2 is -(1 ^ 2)

BinaryOp binary_op_of(TokenKind kind) {
  switch (kind) {
    case TokenKind::kAdd: return BinaryOp::kAdd;
    case TokenKind::kSub: return BinaryOp::kSub;
    case TokenKind::kMul: return BinaryOp::kMul;
    case TokenKind::kDiv: return BinaryOp::kDiv;
    case TokenKind::kMod: return BinaryOp::kMod;
    case TokenKind::kPow: return BinaryOp::kPow;
    case TokenKind::kAtan2: return BinaryOp::kAtan2;
    case TokenKind::kEqual: return BinaryOp::kEqual;
    case TokenKind::kNotEqual: return BinaryOp::kNotEqual;
    case TokenKind::kGreater: return BinaryOp::kGreater;
    case TokenKind::kLess: return BinaryOp::kLess;
    case TokenKind::kGreaterEqual: return BinaryOp::kGreaterEqual;
    case TokenKind::kLessEqual: return BinaryOp::kLessEqual;
    case TokenKind::kAnd: return BinaryOp::kAnd;
    case TokenKind::kOr: return BinaryOp::kOr;
    case TokenKind::kUnless: return BinaryOp::kUnless;
    case TokenKind::kTrimUpper: return BinaryOp::kTrimUpper;
    default: return BinaryOp::kTrimLower;
  }
}

AggregateOp aggregate_op_of(TokenKind kind) {
  return static_cast<AggregateOp>(static_cast<int>(kind) - static_cast<int>(TokenKind::kSum));
}

bool takes_parameter(AggregateOp op) { return op >= AggregateOp::kTopk; }

bool begins_expression(TokenKind kind) {
  switch (kind) {
    case TokenKind::kLeftParen:
    case TokenKind::kLeftBrace:
    case TokenKind::kNumber:
    case TokenKind::kDuration:
    case TokenKind::kString:
    case TokenKind::kAdd:
    case TokenKind::kSub: return true;
    default: return may_name_metric(kind);
  }
}

bool may_call(TokenKind kind) {
  return kind == TokenKind::kIdentifier || kind >= TokenKind::kStart;
}

}  // namespace

Status parse_error(std::string_view query, Position position, std::string_view message) {
  return invalid_argument(line_and_column(query, position.begin) +
                          ": parse error: " + std::string(message));
}

SyntaxParser::SyntaxParser(std::string_view query, const ParseOptions& options)
    : query_(query), options_(options), lexer_(query) {
  token_ = lexer_.next();
}

// --- Tokens and errors.

Token SyntaxParser::take() {
  const Token taken = token_;
  switch (taken.kind) {
    case TokenKind::kRightBrace:
    case TokenKind::kRightParen:
    case TokenKind::kRightBracket:
    case TokenKind::kDuration:
    case TokenKind::kNumber: last_closing_ = taken.position.end; break;
    default: break;
  }
  if (!failed()) token_ = lexer_.next();
  return taken;
}

bool SyntaxParser::accept(TokenKind kind) {
  if (!at(kind)) return false;
  take();
  return !failed();
}

std::nullptr_t SyntaxParser::fail(Position position, std::string_view message) {
  if (!failed()) error_ = parse_error(query_, position, message);
  token_.kind = TokenKind::kEnd;
  return nullptr;
}

std::nullptr_t SyntaxParser::unexpected() {
  if (contexts_.empty()) return unexpected({}, {});
  return unexpected(contexts_.back().first, contexts_.back().second);
}

std::nullptr_t SyntaxParser::unexpected(std::string_view context, std::string_view expected) {
  // What is no token counts only once it is come to: faults before it go first.
  if (at(TokenKind::kError)) return fail(token_.position, lexer_.error());
  std::string message = "unexpected " + describe(token_);
  if (!context.empty()) message.append(" in ").append(context);
  if (!expected.empty()) message.append(", expected ").append(expected);
  return fail(token_.position, message);
}

Status SyntaxParser::status_at_end() {
  if (!failed() && !at(TokenKind::kEnd)) unexpected({}, {});
  return error_;
}

// Enters a level of recursion; the caller leaves it with --nesting_.
bool SyntaxParser::descend(Position position) {
  if (++nesting_ <= kNestingMax) return !failed();
  fail(position, "the query is nested more than " + std::to_string(kNestingMax) + " levels deep");
  return false;
}

template <typename Node>
std::unique_ptr<Node> SyntaxParser::finish(std::unique_ptr<Node> node, int depth_beneath) {
  node->depth = depth_beneath + 1;
  if (node->depth > kNestingMax) {
    fail(node->position,
         "the query is nested more than " + std::to_string(kNestingMax) + " levels deep");
    return nullptr;
  }
  return node;
}

// --- What stands alone.

Result<ExprPtr> SyntaxParser::expression_alone() {
  if (!failed() && at(TokenKind::kEnd)) fail({}, "no expression found in input");
  if (failed()) return error_;
  ExprPtr expr = expression(1);
  RETURN_IF_ERROR(status_at_end());
  RETURN_IF_ERROR(check_types(*expr, query_));
  return expr;
}

Result<std::vector<model::Matcher>> SyntaxParser::selector_alone() {
  std::unique_ptr<VectorSelector> selector;
  if (!failed()) selector = vector_selector();
  RETURN_IF_ERROR(status_at_end());
  return std::move(selector->matchers);
}

Result<model::Labels> SyntaxParser::metric_alone() {
  std::vector<model::Labels::Pair> pairs;
  if (at(TokenKind::kIdentifier) || at(TokenKind::kMetricIdentifier) || is_word(token_.kind)) {
    pairs.emplace_back(model::kMetricName, take().text);
  }
  if (!failed() && at(TokenKind::kLeftBrace)) label_set(pairs);
  RETURN_IF_ERROR(status_at_end());
  return model::Labels(std::move(pairs));
}

// --- Expressions.

ExprPtr SyntaxParser::expression(int precedence_min) {
  if (!descend(token_.position)) return nullptr;
  ExprPtr left = unary();
  while (left) {
    const int precedence = precedence_of(token_.kind);
    if (precedence < precedence_min || precedence == 0) break;
    const Token op = take();
    auto node = std::make_unique<BinaryExpr>();
    if (!binary_modifiers(*node)) return nullptr;
    // Powers alone group from the right.
    ExprPtr right = expression(op.kind == TokenKind::kPow ? precedence : precedence + 1);
    if (!right) return nullptr;
    left = binary(std::move(left), op, std::move(node), std::move(right));
  }
  --nesting_;
  return left;
}

ExprPtr SyntaxParser::binary(ExprPtr left, Token op, std::unique_ptr<BinaryExpr> node,
                             ExprPtr right) {
  node->op = binary_op_of(op.kind);
  node->position = {left->position.begin, right->position.end};
  node->type = left->type == ValueType::kScalar && right->type == ValueType::kScalar
                   ? ValueType::kScalar
                   : ValueType::kVector;
  const int depth = std::max(left->depth, right->depth);
  node->left = std::move(left);
  node->right = std::move(right);
  const bool fills = node->matching->fill_left || node->matching->fill_right;
  if (fills && !options_.fill_modifiers) {
    return fail(node->position, "binop fill modifiers are experimental and not enabled");
  }
  return finish(std::move(node), depth);
}

ExprPtr SyntaxParser::unary() {
  if (!at(TokenKind::kAdd) && !at(TokenKind::kSub)) return postfix(primary());
  const Token sign = take();
  ExprPtr inner = expression(kUnaryPrecedence + 1);
  if (!inner) return nullptr;
  const bool negative = sign.kind == TokenKind::kSub;
  if (inner->kind == Expr::Kind::kNumber) {
    auto& literal = static_cast<NumberExpr&>(*inner);
    if (negative) literal.value = -literal.value;
    literal.position.begin = sign.position.begin;
    return inner;
  }
  auto node = std::make_unique<UnaryExpr>();
  node->negative = negative;
  node->type = inner->type;
  node->position = {sign.position.begin, inner->position.end};
  const int depth = inner->depth;
  node->inner = std::move(inner);
  return finish(std::move(node), depth);
}

// Ranges, offsets and the like bind tighter than any operator; each may follow another.
ExprPtr SyntaxParser::postfix(ExprPtr expr) {
  while (expr) {
    switch (token_.kind) {
      case TokenKind::kLeftBracket: expr = brackets(std::move(expr)); break;
      case TokenKind::kOffset:
        if (!offset(*expr)) return nullptr;
        break;
      case TokenKind::kAt:
        if (!at_modifier(*expr)) return nullptr;
        break;
      case TokenKind::kAnchored:
      case TokenKind::kSmoothed:
        if (!expansion(*expr,
                       at(TokenKind::kAnchored) ? Expansion::kAnchored : Expansion::kSmoothed)) {
          return nullptr;
        }
        break;
      default: return expr;
    }
  }
  return nullptr;
}

ExprPtr SyntaxParser::primary() {
  switch (token_.kind) {
    case TokenKind::kLeftParen: return paren();
    case TokenKind::kNumber:
    case TokenKind::kDuration: return number();
    case TokenKind::kLeftBrace: return vector_selector();
    case TokenKind::kString: {
      auto node = std::make_unique<StringExpr>();
      node->type = ValueType::kString;
      node->position = token_.position;
      node->value = string_value(take());
      if (failed()) return nullptr;
      return node;
    }
    default: break;
  }
  // A word is a name where nothing follows that gives it its meaning.
  if (is_aggregator(token_.kind)) {
    Lexer ahead = lexer_;
    const TokenKind after = ahead.next().kind;
    if (after == TokenKind::kLeftParen || after == TokenKind::kBy || after == TokenKind::kWithout) {
      return aggregate();
    }
  }
  if (may_call(token_.kind) && lexer_.followed_by('(')) return call();
  return vector_selector();
}

std::optional<double> SyntaxParser::literal_value(const Token& token) {
  if (token.kind == TokenKind::kDuration) {
    const auto ms = parse_unit_duration_ms(token.text);
    if (ms.ok()) return static_cast<double>(*ms) / 1000.0;
    fail(token.position, ms.status().message());
    return std::nullopt;
  }
  const auto value = parse_number(token.text);
  if (value.ok()) return *value;
  fail(token.position, "error parsing number: " + value.status().message());
  return std::nullopt;
}

std::string SyntaxParser::string_value(const Token& token) {
  auto value = unquote(token.text);
  if (value.ok()) return std::move(*value);
  fail(token.position,
       "error unquoting string " + quote(token.text) + ": " + value.status().message());
  return {};
}

ExprPtr SyntaxParser::number() {
  const Token token = take();
  const auto value = literal_value(token);
  if (!value || failed()) return nullptr;
  auto node = std::make_unique<NumberExpr>();
  node->position = token.position;
  node->value = *value;
  node->as_duration = token.kind == TokenKind::kDuration;
  return node;
}

ExprPtr SyntaxParser::paren() {
  const Token open = take();
  auto node = std::make_unique<ParenExpr>();
  node->inner = expression(1);
  if (!node->inner) return nullptr;
  if (!at(TokenKind::kRightParen)) return unexpected();
  node->position = {open.position.begin, take().position.end};
  if (failed()) return nullptr;
  node->type = node->inner->type;
  const int depth = node->inner->depth;
  return finish(std::move(node), depth);
}

// --- Calls and aggregations.

// The parenthesised list, empty or not.
std::optional<std::vector<ExprPtr>> SyntaxParser::arguments() {
  std::vector<ExprPtr> list;
  if (!at(TokenKind::kLeftParen)) {
    unexpected();
    return std::nullopt;
  }
  take();
  if (accept(TokenKind::kRightParen)) return list;
  while (!failed()) {
    list.push_back(expression(1));
    if (failed()) break;
    if (accept(TokenKind::kRightParen)) return list;
    if (!at(TokenKind::kComma)) {
      unexpected();
      break;
    }
    const Token comma = take();
    if (!failed() && !at(TokenKind::kError) && !begins_expression(token_.kind)) {
      fail(comma.position, "trailing commas not allowed in function call args");
    }
  }
  return std::nullopt;
}

ExprPtr SyntaxParser::call() {
  const Token name = take();
  auto list = arguments();
  if (!list) return nullptr;
  auto node = std::make_unique<CallExpr>();
  node->function = find_function(name.text);
  if (!node->function) {
    return fail(name.position, "unknown function with name " + quote(name.text));
  }
  if (node->function->experimental && !options_.experimental_functions) {
    return fail(name.position, "function " + quote(name.text) + " is not enabled");
  }
  node->type = node->function->result;
  node->position = {name.position.begin, last_closing_};
  int depth = 0;
  for (const ExprPtr& argument : *list) depth = std::max(depth, argument->depth);
  node->arguments = std::move(*list);
  return finish(std::move(node), depth);
}

ExprPtr SyntaxParser::aggregate() {
  const Token op = take();
  contexts_.emplace_back("aggregation", "");
  std::optional<Labels> labels;
  bool without = false;
  const auto read_modifier = [&] {
    if (!at(TokenKind::kBy) && !at(TokenKind::kWithout)) return;
    without = take().kind == TokenKind::kWithout;
    if (!failed()) labels = grouping();
  };
  read_modifier();
  if (failed()) return nullptr;
  auto list = arguments();
  if (!list) return nullptr;
  if (!labels) {
    // Whether a modifier follows is known by the next token: it must be one.
    if (at(TokenKind::kError)) return unexpected();
    read_modifier();
  }
  if (failed()) return nullptr;
  contexts_.pop_back();
  return aggregate_of(op, without, labels ? std::move(*labels) : Labels(), std::move(*list));
}

ExprPtr SyntaxParser::aggregate_of(Token op, bool without, Labels labels,
                                   std::vector<ExprPtr> list) {
  auto node = std::make_unique<AggregateExpr>();
  node->type = ValueType::kVector;
  node->op = aggregate_op_of(op.kind);
  node->without = without;
  node->grouping = std::move(labels);
  node->position = {op.position.begin, last_closing_};
  if (list.empty()) {
    return fail(node->position, "no arguments for aggregate expression provided");
  }
  const bool experimental = node->op >= AggregateOp::kLimitk;
  if (experimental && !options_.experimental_functions) {
    return fail(node->position, std::string(name(node->op)) +
                                    "() is experimental and must be enabled with "
                                    "--enable-feature=promql-experimental-functions");
  }
  const size_t wanted = takes_parameter(node->op) ? 2 : 1;
  if (list.size() != wanted) {
    return fail(node->position,
                "wrong number of arguments for aggregate expression provided, expected " +
                    std::to_string(wanted) + ", got " + std::to_string(list.size()));
  }
  int depth = list.back()->depth;
  if (wanted == 2) {
    depth = std::max(depth, list.front()->depth);
    node->parameter = std::move(list.front());
  }
  node->inner = std::move(list.back());
  return finish(std::move(node), depth);
}

// --- What stands between an operator and its right side.

bool SyntaxParser::binary_modifiers(BinaryExpr& node) {
  VectorMatching& matching = node.matching.emplace();
  if (accept(TokenKind::kBool)) node.return_bool = true;
  if (at(TokenKind::kOn) || at(TokenKind::kIgnoring)) {
    matching.on = take().kind == TokenKind::kOn;
    auto labels = failed() ? std::nullopt : grouping();
    if (!labels) return false;
    matching.labels = std::move(*labels);
    if (at(TokenKind::kGroupLeft) || at(TokenKind::kGroupRight)) {
      matching.cardinality = take().kind == TokenKind::kGroupLeft ? MatchCardinality::kManyToOne
                                                                  : MatchCardinality::kOneToMany;
      if (at(TokenKind::kLeftParen)) {
        auto include = grouping();
        if (!include) return false;
        matching.include = std::move(*include);
      } else if (!begins_expression(token_.kind) && !at(TokenKind::kBool)) {
        unexpected("grouping opts", "\"(\"");
        return false;
      }
    }
  }
  if (accept(TokenKind::kFill)) {
    matching.fill_left = matching.fill_right = fill_value();
  } else {
    for (int i = 0; i < 2; ++i) {
      if (at(TokenKind::kFillLeft) && !matching.fill_left) {
        take();
        matching.fill_left = fill_value();
      } else if (at(TokenKind::kFillRight) && !matching.fill_right) {
        take();
        matching.fill_right = fill_value();
      }
    }
  }
  return !failed();
}

std::optional<double> SyntaxParser::fill_value() {
  if (failed()) return std::nullopt;
  if (!accept(TokenKind::kLeftParen)) {
    unexpected();
    return std::nullopt;
  }
  const bool negative = at(TokenKind::kSub);
  if (negative || at(TokenKind::kAdd)) take();
  if (!at(TokenKind::kNumber) && !at(TokenKind::kDuration)) {
    unexpected();
    return std::nullopt;
  }
  const auto value = literal_value(take());
  if (!value) return std::nullopt;
  if (!accept(TokenKind::kRightParen)) {
    unexpected();
    return std::nullopt;
  }
  return negative ? -*value : *value;
}

// (a, b, "c d"): the labels of by, without, on, ignoring, group_left and group_right.
std::optional<SyntaxParser::Labels> SyntaxParser::grouping() {
  Labels labels;
  if (!at(TokenKind::kLeftParen)) {
    unexpected("grouping opts", "\"(\"");
    return std::nullopt;
  }
  take();
  while (!failed()) {
    if (accept(TokenKind::kRightParen)) return labels;
    if (at(TokenKind::kString)) {
      const Token token = take();
      labels.push_back(string_value(token));
      if (labels.back().empty()) {
        fail(token.position, "invalid label name for grouping: \"\"");
      }
    } else if (at(TokenKind::kIdentifier) || at(TokenKind::kMetricIdentifier) ||
               is_word(token_.kind)) {
      labels.emplace_back(take().text);
    } else {
      unexpected("grouping opts", "label");
    }
    if (!failed() && !accept(TokenKind::kComma) && !at(TokenKind::kRightParen)) {
      unexpected("grouping opts", "\",\" or \")\"");
    }
  }
  return std::nullopt;
}

}  // namespace gatehouse::promql

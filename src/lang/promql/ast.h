// The syntax tree of PromQL as Prometheus 3.x defines it
// (prometheus.io/docs/prometheus/latest/querying/basics, .../operators,
// .../functions; promql/parser in its sources).
//
// A tree is made by parse() (parser.h), whole and type-checked, and not changed
// afterwards. Positions are byte offsets into the query's text: annotations and
// errors point there.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/matcher.h"

namespace gatehouse::promql {

struct Position {
  uint32_t begin = 0;
  uint32_t end = 0;  // exclusive
};

enum class ValueType : uint8_t { kScalar, kVector, kMatrix, kString };
// "scalar", "instant vector", "range vector", "string", as error messages say.
std::string_view name(ValueType type);

enum class BinaryOp : uint8_t {
  kAdd,
  kSub,
  kMul,
  kDiv,
  kMod,
  kPow,
  kAtan2,
  kEqual,
  kNotEqual,
  kGreater,
  kLess,
  kGreaterEqual,
  kLessEqual,
  kAnd,
  kOr,
  kUnless,
  kTrimUpper,  // </ : a native histogram's buckets below a bound
  kTrimLower,  // >/ : those above
};
std::string_view name(BinaryOp op);  // as written
bool is_comparison(BinaryOp op);
bool is_set_operator(BinaryOp op);

enum class AggregateOp : uint8_t {
  kSum,
  kAvg,
  kCount,
  kMin,
  kMax,
  kGroup,
  kStddev,
  kStdvar,
  kTopk,
  kBottomk,
  kCountValues,
  kQuantile,
  kLimitk,
  kLimitRatio,
};
std::string_view name(AggregateOp op);

struct Function;  // functions.h: one entry of the table of functions

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

// A duration as it is written: a number of milliseconds, or an expression that
// becomes one when the query's step and range are known (the evaluator calls
// resolve_durations() of duration.h before it starts).
struct DurationExpr {
  enum class Kind : uint8_t {
    kNumber,  // value_ms
    kStep,    // step()
    kRange,   // range()
    kNegate,
    kParen,  // of left
    kAdd,
    kSub,
    kMul,
    kDiv,
    kMod,
    kPow,  // of left and right
    kMin,
    kMax,  // min(left, right), max(left, right)
  };
  Kind kind = Kind::kNumber;
  double value_s = 0;
  bool as_duration = false;  // written with a unit: printed so again
  std::unique_ptr<DurationExpr> left;
  std::unique_ptr<DurationExpr> right;
  Position position;
};

// A duration in a selector, a range or an offset. `ms` holds once there is no
// expression, or once it was resolved.
struct Duration {
  int64_t ms = 0;
  std::unique_ptr<DurationExpr> expression;  // null: a plain duration
};

// "@ 1609746000", "@ start()", "@ end()".
struct AtModifier {
  enum class Kind : uint8_t { kNone, kTime, kStart, kEnd };
  Kind kind = Kind::kNone;
  int64_t time_ms = 0;
};

enum class Expansion : uint8_t { kNone, kAnchored, kSmoothed };  // extended range selectors

struct Expr {
  enum class Kind : uint8_t {
    kNumber,
    kString,
    kVectorSelector,
    kMatrixSelector,
    kSubquery,
    kCall,
    kAggregate,
    kBinary,
    kUnary,
    kParen,
  };
  explicit Expr(Kind expr_kind) : kind(expr_kind) {}
  virtual ~Expr() = default;
  Expr(const Expr&) = delete;
  Expr& operator=(const Expr&) = delete;

  Kind kind;
  ValueType type = ValueType::kScalar;
  int depth = 1;  // levels of the tree from here down, at most kNestingMax (parser.h)
  Position position;
};

struct NumberExpr : Expr {
  NumberExpr() : Expr(Kind::kNumber) {}
  double value = 0;
  bool as_duration = false;  // written as 5m
};

struct StringExpr : Expr {
  StringExpr() : Expr(Kind::kString) {}
  std::string value;
};

struct VectorSelector : Expr {
  VectorSelector() : Expr(Kind::kVectorSelector) {}
  std::string name;                      // metric name written before the braces; "" where none
  std::vector<model::Matcher> matchers;  // in the order written, that of `name` last
  Duration offset;
  AtModifier at;
  Expansion expansion = Expansion::kNone;
};

struct MatrixSelector : Expr {
  MatrixSelector() : Expr(Kind::kMatrixSelector) {}
  std::unique_ptr<VectorSelector> selector;  // carries offset, @ and expansion
  Duration range;
};

struct SubqueryExpr : Expr {
  SubqueryExpr() : Expr(Kind::kSubquery) {}
  ExprPtr inner;
  Duration range;
  Duration step;  // ms 0 and no expression: the default of the evaluator
  Duration offset;
  AtModifier at;
};

struct CallExpr : Expr {
  CallExpr() : Expr(Kind::kCall) {}
  const Function* function = nullptr;
  std::vector<ExprPtr> arguments;
};

struct AggregateExpr : Expr {
  AggregateExpr() : Expr(Kind::kAggregate) {}
  AggregateOp op = AggregateOp::kSum;
  bool without = false;
  std::vector<std::string> grouping;
  ExprPtr parameter;  // k, quantile or label name; null where the operator takes none
  ExprPtr inner;
};

enum class MatchCardinality : uint8_t { kOneToOne, kManyToOne, kOneToMany, kManyToMany };

struct VectorMatching {
  MatchCardinality cardinality = MatchCardinality::kOneToOne;
  bool on = false;                   // else ignoring
  std::vector<std::string> labels;   // of on() or ignoring()
  std::vector<std::string> include;  // of group_left() or group_right()
  // fill(x), fill_left(x), fill_right(x): what stands for a missing side.
  std::optional<double> fill_left;
  std::optional<double> fill_right;
};

struct BinaryExpr : Expr {
  BinaryExpr() : Expr(Kind::kBinary) {}
  BinaryOp op = BinaryOp::kAdd;
  ExprPtr left;
  ExprPtr right;
  std::optional<VectorMatching> matching;  // where both sides are vectors
  bool return_bool = false;
};

struct UnaryExpr : Expr {
  UnaryExpr() : Expr(Kind::kUnary) {}
  bool negative = false;  // else a plus, which changes nothing
  ExprPtr inner;
};

struct ParenExpr : Expr {
  ParenExpr() : Expr(Kind::kParen) {}
  ExprPtr inner;
};

// The expression beneath any parentheses.
const Expr& unwrap_parens(const Expr& expr);

// REQUIRES: the node is of that kind.
template <typename Node>
const Node& as(const Expr& expr) {
  return static_cast<const Node&>(expr);
}

}  // namespace gatehouse::promql

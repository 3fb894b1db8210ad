#include "rules/rule_lint.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "lang/promql/functions.h"
#include "lang/promql/literal.h"
#include "lang/promql/parser.h"
#include "lang/promql/printer.h"
#include "model/sample.h"

namespace gatehouse::rules {
namespace {

using promql::AggregateExpr;
using promql::AggregateOp;
using promql::as;
using promql::BinaryExpr;
using promql::BinaryOp;
using promql::CallExpr;
using promql::Expr;
using promql::ValueType;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// The values that a vector's samples, or a scalar, may have.
struct Bounds {
  double low = -kInfinity, high = kInfinity;
  bool low_open = false, high_open = false;
  bool maybe_nan = true;

  static Bounds point(double value) { return {value, value, false, false, std::isnan(value)}; }
  static Bounds between(double low, double high) { return {low, high, false, false, false}; }
  bool is_point() const { return low == high && !low_open && !high_open && !maybe_nan; }
  bool empty() const {
    return !maybe_nan && (low > high || (low == high && (low_open || high_open)));
  }
};

Bounds intersect(const Bounds& a, const Bounds& b) {
  Bounds out = a;
  if (b.low > out.low || (b.low == out.low && b.low_open)) {
    out.low = b.low;
    out.low_open = b.low_open;
  }
  if (b.high < out.high || (b.high == out.high && b.high_open)) {
    out.high = b.high;
    out.high_open = b.high_open;
  }
  out.maybe_nan = a.maybe_nan && b.maybe_nan;
  return out;
}

// What passes `value OP constant`.
Bounds passing(BinaryOp op, double constant) {
  Bounds out{-kInfinity, kInfinity, false, false, false};
  switch (op) {
    case BinaryOp::kEqual: return Bounds::between(constant, constant);
    case BinaryOp::kGreater: out.low_open = true; [[fallthrough]];
    case BinaryOp::kGreaterEqual: out.low = constant; return out;
    case BinaryOp::kLess: out.high_open = true; [[fallthrough]];
    case BinaryOp::kLessEqual: out.high = constant; return out;
    default: return {};
  }
}

BinaryOp mirrored(BinaryOp op) {
  switch (op) {
    case BinaryOp::kGreater: return BinaryOp::kLess;
    case BinaryOp::kLess: return BinaryOp::kGreater;
    case BinaryOp::kGreaterEqual: return BinaryOp::kLessEqual;
    case BinaryOp::kLessEqual: return BinaryOp::kGreaterEqual;
    default: return op;
  }
}

// Rounding keeps order, but may reach an open bound.
Bounds scaled(const Bounds& bounds, BinaryOp op, double constant) {
  if (!std::isfinite(constant)) return {};
  Bounds out{bounds.low, bounds.high, false, false, bounds.maybe_nan};
  switch (op) {
    case BinaryOp::kAdd: out.low += constant, out.high += constant; return out;
    case BinaryOp::kSub: out.low -= constant, out.high -= constant; return out;
    case BinaryOp::kMul:
      if (constant <= 0) return {};
      out.low *= constant, out.high *= constant;
      return out;
    case BinaryOp::kDiv:
      if (constant <= 0) return {};
      out.low /= constant, out.high /= constant;
      return out;
    default: return {};
  }
}

// What is certain of an expression's result.
struct Shape {
  std::optional<LintFinding> never;  // it is empty
  bool always = false;               // a vector with at least one element, or a scalar
  Bounds bounds;
  bool any_label = true;                     // else only those of `possible`
  std::set<std::string> possible;            // "__name__" apart
  std::map<std::string, std::string> fixed;  // name to the value every element has; "": none

  // The value that every element has of the label, "" where it has none.
  std::optional<std::string> known(const std::string& name) const {
    if (const auto found = fixed.find(name); found != fixed.end()) return found->second;
    if (!any_label && !possible.contains(name)) return "";
    return std::nullopt;
  }
};

Shape unknown_labels(Shape shape) {
  shape.any_label = true;
  shape.possible.clear();
  shape.fixed.clear();
  return shape;
}

std::string in_quotes(const Expr& expr) { return "\"" + promql::to_text(expr) + "\""; }

// --- Selectors.

std::optional<LintFinding> contradiction(const promql::VectorSelector& selector) {
  using model::Matcher;
  std::map<std::string, std::vector<const Matcher*>> by_name;
  for (const Matcher& matcher : selector.matchers) by_name[matcher.name()].push_back(&matcher);
  for (const auto& [name, matchers] : by_name) {
    for (const Matcher* matcher : matchers) {
      std::vector<std::string> values(matcher->literals().begin(), matcher->literals().end());
      if (matcher->op() == Matcher::Op::kEqual) values = {matcher->value()};
      if (values.empty()) continue;
      const auto fits = [&all = matchers](const std::string& value) {
        return std::all_of(all.begin(), all.end(),
                           [&value](const Matcher* each) { return each->matches(value); });
      };
      if (std::any_of(values.begin(), values.end(), fits)) continue;
      std::string list;
      for (const Matcher* each : matchers) list += (list.empty() ? "" : ", ") + each->to_string();
      return LintFinding{"no value fits all of " + list, selector.position};
    }
  }
  return std::nullopt;
}

Shape selector_shape(const promql::VectorSelector& selector) {
  Shape shape;
  shape.never = contradiction(selector);
  for (const model::Matcher& matcher : selector.matchers) {
    if (matcher.op() == model::Matcher::Op::kEqual && matcher.name() != model::kMetricName) {
      shape.fixed.emplace(matcher.name(), matcher.value());
    }
  }
  return shape;
}

Shape shape_of(const Expr& expr);

// --- Aggregations and functions.

Shape aggregate_shape(const AggregateExpr& aggregate) {
  Shape shape = shape_of(*aggregate.inner);
  switch (aggregate.op) {
    case AggregateOp::kTopk:
    case AggregateOp::kBottomk:
    case AggregateOp::kLimitk:
    case AggregateOp::kLimitRatio: shape.always = false; return shape;  // by their parameter
    case AggregateOp::kCount:
    case AggregateOp::kCountValues: shape.bounds = Bounds::between(1, kInfinity); break;
    case AggregateOp::kGroup: shape.bounds = Bounds::point(1); break;
    case AggregateOp::kMin:
    case AggregateOp::kMax: break;
    default: shape.bounds = {};
  }
  if (aggregate.op == AggregateOp::kCountValues) return unknown_labels(std::move(shape));
  const std::set<std::string> grouping(aggregate.grouping.begin(), aggregate.grouping.end());
  std::map<std::string, std::string> fixed;
  if (aggregate.without) {
    fixed = std::move(shape.fixed);
    for (const std::string& name : grouping) {
      fixed[name] = "";
      shape.possible.erase(name);
    }
  } else {
    for (const std::string& name : grouping) {
      if (const auto value = shape.known(name)) fixed[name] = *value;
    }
    shape.any_label = false;
    shape.possible = grouping;
    shape.possible.erase(std::string(model::kMetricName));
  }
  fixed.erase(std::string(model::kMetricName));
  shape.fixed = std::move(fixed);
  return shape;
}

Shape absent_shape(const CallExpr& call) {
  const Shape inner = shape_of(*call.arguments[0]);
  Shape shape;
  shape.bounds = Bounds::point(1);
  if (inner.always) {
    shape.never = LintFinding{in_quotes(*call.arguments[0]) + " always has a value, so that " +
                                  std::string(call.function->name) + "() never has",
                              call.position};
  }
  return shape;
}

Shape call_shape(const CallExpr& call) {
  const std::string_view name = call.function->name;
  if (name == "absent") return absent_shape(call);
  if (name == "vector") {
    Shape shape;
    shape.always = true;
    shape.any_label = false;
    shape.bounds = shape_of(*call.arguments[0]).bounds;
    return shape;
  }
  Shape shape;
  if (call.type == ValueType::kScalar) {
    shape.always = true;
    return shape;
  }
  // A function of one vector gives an element for each of its elements, or fewer; those that
  // make up elements or labels say nothing.
  static const std::set<std::string_view> kMakesUp = {"absent_over_time", "label_replace",
                                                      "label_join", "info"};
  if (kMakesUp.contains(name)) return shape;
  for (const promql::ExprPtr& argument : call.arguments) {
    if (argument->type != ValueType::kVector && argument->type != ValueType::kMatrix) continue;
    shape = shape_of(*argument);
    break;
  }
  shape.always = false;
  static const std::set<std::string_view> kKeepsValues = {"sort", "sort_desc", "sort_by_label",
                                                          "sort_by_label_desc"};
  if (!kKeepsValues.contains(name)) shape.bounds = {};
  if (name == "count_over_time") shape.bounds = Bounds::between(1, kInfinity);
  if (name == "present_over_time") shape.bounds = Bounds::point(1);
  if (name == "changes" || name == "resets") shape.bounds = Bounds::between(0, kInfinity);
  if (name == "histogram_quantile" || name == "histogram_quantiles") {
    shape.fixed.erase("le");
  }
  return shape;
}

// --- Binary operators.

std::string words_of(const Bounds& bounds) {
  if (bounds.is_point()) return "is always " + promql::format_number_short(bounds.low);
  std::string words;
  if (bounds.low != -kInfinity) {
    words = (bounds.low_open ? "is always above " : "is never below ") +
            promql::format_number_short(bounds.low);
  }
  if (bounds.high != kInfinity) {
    words += (words.empty() ? "is " : " and ") +
             std::string(bounds.high_open ? "always below " : "never above ") +
             promql::format_number_short(bounds.high);
  }
  return words;
}

// A vector's, or a scalar's, comparison with a constant.
Shape compared(const BinaryExpr& binary, Shape shape, const Expr& side, BinaryOp op,
               double constant) {
  if (binary.return_bool) {
    shape.bounds = Bounds::between(0, 1);
    return shape;
  }
  if (std::isnan(constant)) return shape;
  const Bounds before = shape.bounds;
  if (op == BinaryOp::kNotEqual) {
    if (!before.is_point() || before.low != constant || shape.never) {
      shape.always = false;
      return shape;
    }
    shape.bounds = {1, 0, false, false, false};
  } else {
    shape.bounds = intersect(before, passing(op, constant));
  }
  shape.always = false;
  if (shape.bounds.empty() && !shape.never) {
    shape.never = LintFinding{in_quotes(side) + " " + words_of(before) + ", so that " +
                                  in_quotes(binary) + " never holds",
                              binary.position};
  }
  return shape;
}

// Why no element of one side meets one of the other.
std::optional<LintFinding> mismatch(const BinaryExpr& binary, const Shape& left,
                                    const Shape& right) {
  const promql::VectorMatching& matching = *binary.matching;
  std::set<std::string> names(matching.labels.begin(), matching.labels.end());
  if (!matching.on) {
    const std::set<std::string> ignored = std::move(names);
    names.clear();
    for (const Shape* side : {&left, &right}) {
      for (const auto& [name, value] : side->fixed) {
        if (!ignored.contains(name)) names.insert(name);
      }
    }
  }
  for (const std::string& name : names) {
    if (name == model::kMetricName) continue;
    const auto of_left = left.known(name), of_right = right.known(name);
    if (!of_left || !of_right || *of_left == *of_right) continue;
    const auto words = [&name](const std::string& value) {
      return value.empty() ? "has no label " + name : "has " + name + "=" + promql::quote(value);
    };
    return LintFinding{
        "no two series match: the left side " + words(*of_left) + ", the right " + words(*of_right),
        binary.position};
  }
  return std::nullopt;
}

// The vector whose elements a chain of comparisons with constants filters.
const Expr& filtered(const Expr& expr) {
  const Expr& bare = promql::unwrap_parens(expr);
  if (bare.kind != Expr::Kind::kBinary) return bare;
  const auto& binary = as<BinaryExpr>(bare);
  if (!is_comparison(binary.op) || binary.return_bool) return bare;
  const auto constant = [](const Expr& side) {
    return side.type == ValueType::kScalar && shape_of(side).bounds.is_point();
  };
  if (constant(*binary.right)) return filtered(*binary.left);
  if (constant(*binary.left)) return filtered(*binary.right);
  return bare;
}

// "x > 5 and x < 3": each element of the left meets itself alone.
bool same_elements(const BinaryExpr& binary) {
  if (!binary.matching->labels.empty() || binary.matching->on) return false;
  const Expr& left = filtered(*binary.left);
  // Of two metrics with the same labels, each would meet the other.
  if (left.kind == Expr::Kind::kVectorSelector && as<promql::VectorSelector>(left).name.empty()) {
    return false;
  }
  if (left.kind != Expr::Kind::kVectorSelector && left.kind != Expr::Kind::kAggregate) {
    return false;
  }
  if (left.kind == Expr::Kind::kAggregate) {
    const AggregateOp op = as<AggregateExpr>(left).op;
    if (op == AggregateOp::kTopk || op == AggregateOp::kBottomk || op == AggregateOp::kLimitk ||
        op == AggregateOp::kLimitRatio) {
      return false;
    }
    for (const std::string& name : as<AggregateExpr>(left).grouping) {
      if (name == model::kMetricName) return false;
    }
  }
  return promql::to_text(left) == promql::to_text(filtered(*binary.right));
}

Shape set_shape(const BinaryExpr& binary, Shape left, const Shape& right) {
  if (binary.op == BinaryOp::kOr) {
    Shape shape;
    if (left.never && right.never) shape.never = left.never;
    shape.always = left.always || right.always;
    return shape;
  }
  left.always = false;
  if (left.never || binary.op == BinaryOp::kUnless) return left;
  left.never = right.never ? right.never : mismatch(binary, left, right);
  if (!left.never && same_elements(binary) && intersect(left.bounds, right.bounds).empty()) {
    left.never = LintFinding{
        in_quotes(*binary.left) + " and " + in_quotes(*binary.right) + " never hold together",
        binary.position};
  }
  return left;
}

Shape vectors_shape(const BinaryExpr& binary, const Shape& left, const Shape& right) {
  if (is_set_operator(binary.op)) return set_shape(binary, left, right);
  Shape shape;
  const promql::VectorMatching& matching = *binary.matching;
  if (matching.fill_left || matching.fill_right) return shape;
  shape.never = left.never ? left.never : right.never;
  if (!shape.never) shape.never = mismatch(binary, left, right);
  // One to one without a list keeps all labels of the left, which meet equal ones.
  const bool plain = matching.cardinality == promql::MatchCardinality::kOneToOne;
  if (plain && !matching.on && matching.labels.empty()) {
    shape.any_label = left.any_label;
    shape.possible = left.possible;
    shape.fixed = left.fixed;
  }
  if (binary.return_bool) shape.bounds = Bounds::between(0, 1);
  return shape;
}

Shape binary_shape(const BinaryExpr& binary) {
  const Shape left = shape_of(*binary.left), right = shape_of(*binary.right);
  const bool left_scalar = binary.left->type == ValueType::kScalar;
  const bool right_scalar = binary.right->type == ValueType::kScalar;
  if (!left_scalar && !right_scalar) return vectors_shape(binary, left, right);
  const Shape& vector = right_scalar ? left : right;
  const Bounds& constant = right_scalar ? right.bounds : left.bounds;
  if (is_comparison(binary.op)) {
    if (constant.is_point()) {
      return compared(binary, vector, right_scalar ? *binary.left : *binary.right,
                      right_scalar ? binary.op : mirrored(binary.op), constant.low);
    }
    Shape shape = vector;
    shape.always = vector.always && binary.return_bool;
    if (binary.return_bool) shape.bounds = Bounds::between(0, 1);
    return shape;
  }
  Shape shape = vector;
  shape.bounds = {};
  const bool order_matters = binary.op == BinaryOp::kSub || binary.op == BinaryOp::kDiv;
  if (constant.is_point() && (right_scalar || !order_matters)) {
    shape.bounds = scaled(vector.bounds, binary.op, constant.low);
  }
  // Buckets cut off a histogram leave floats out.
  if (binary.op == BinaryOp::kTrimUpper || binary.op == BinaryOp::kTrimLower) shape.always = false;
  return shape;
}

Shape shape_of(const Expr& expr) {
  switch (expr.kind) {
    case Expr::Kind::kNumber: {
      Shape shape;
      shape.always = true;
      shape.bounds = Bounds::point(as<promql::NumberExpr>(expr).value);
      return shape;
    }
    case Expr::Kind::kString: return {};
    case Expr::Kind::kVectorSelector: return selector_shape(as<promql::VectorSelector>(expr));
    case Expr::Kind::kMatrixSelector:
      return selector_shape(*as<promql::MatrixSelector>(expr).selector);
    case Expr::Kind::kSubquery: {
      Shape shape = shape_of(*as<promql::SubqueryExpr>(expr).inner);
      shape.always = false;
      shape.bounds = {};
      return shape;
    }
    case Expr::Kind::kCall: return call_shape(as<CallExpr>(expr));
    case Expr::Kind::kAggregate: return aggregate_shape(as<AggregateExpr>(expr));
    case Expr::Kind::kBinary: return binary_shape(as<BinaryExpr>(expr));
    case Expr::Kind::kUnary: {
      Shape shape = shape_of(*as<promql::UnaryExpr>(expr).inner);
      if (!as<promql::UnaryExpr>(expr).negative) return shape;
      const Bounds inner = shape.bounds;
      shape.bounds = {-inner.high, -inner.low, inner.high_open, inner.low_open, inner.maybe_nan};
      return shape;
    }
    case Expr::Kind::kParen: return shape_of(*as<promql::ParenExpr>(expr).inner);
  }
  return {};
}

// The name of a rule and its labels, as a list of duplicates shows them.
std::string words_of(const Rule& rule) {
  std::string words = (rule.alerting() ? "alert " : "record ") + rule.name() + "{";
  for (const auto& [name, value] : rule.labels) {
    words += (words.ends_with('{') ? "" : ", ") + name + "=" + promql::quote(value);
  }
  return words + "}";
}

}  // namespace

std::optional<LintFinding> never_matches(const Expr& expr) { return shape_of(expr).never; }

std::optional<LintFinding> always_matches(const Expr& expr) {
  if (shape_of(expr).always) {
    return LintFinding{in_quotes(expr) + " has a value whatever is stored: the alert always fires",
                       expr.position};
  }
  const Expr& bare = promql::unwrap_parens(expr);
  if (bare.kind == Expr::Kind::kBinary && as<BinaryExpr>(bare).return_bool) {
    return LintFinding{
        "a comparison with bool filters nothing: the alert fires where it does not "
        "hold, too",
        bare.position};
  }
  return std::nullopt;
}

void lint_rules(wire::ConfigLog& log, const std::vector<RuleGroup>& groups,
                const RuleFileOptions& options) {
  std::map<std::string, const Rule*> seen;
  for (const RuleGroup& group : groups) {
    for (size_t i = 0; i < group.rules.size(); ++i) {
      const Rule& rule = group.rules[i];
      const std::string where = "group \"" + group.name + "\", rule " + std::to_string(i + 1) +
                                ", \"" + rule.name() + "\": ";
      if (options.duplicate_rules) {
        const auto [at, is_new] = seen.try_emplace(words_of(rule), &rule);
        if (!is_new) {
          log.notice(rule.mark, where + "duplicate of the rule at line " +
                                    std::to_string(at->second->mark.line) + ": " + at->first);
        }
      }
      if (!options.expressions || !rule.expr) continue;
      auto finding = never_matches(*rule.expr);
      if (!finding && rule.alerting()) finding = always_matches(*rule.expr);
      if (!finding) continue;
      log.notice(rule.mark, where + promql::line_and_column(rule.query, finding->position.begin) +
                                ": " + finding->what);
    }
  }
}

}  // namespace gatehouse::rules

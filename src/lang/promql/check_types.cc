// What grammar cannot say: types of operands and arguments, and which modifiers fit
// which operators. Children are checked before what depends on them, so that the
// error is that of the innermost fault, as in Prometheus.
#include <algorithm>

#include "lang/promql/functions.h"
#include "lang/promql/literal.h"
#include "lang/promql/syntax_parser.h"

namespace gatehouse::promql {
namespace {

std::string text(ValueType type) { return std::string(name(type)); }

// As some messages write types: one word each.
std::string short_name(ValueType type) {
  switch (type) {
    case ValueType::kVector: return "vector";
    case ValueType::kMatrix: return "matrix";
    default: return text(type);
  }
}

class TypeChecker {
 public:
  explicit TypeChecker(std::string_view query) : query_(query) {}

  Status check(Expr& expr) {
    switch (expr.kind) {
      case Expr::Kind::kNumber:
      case Expr::Kind::kString: return {};
      case Expr::Kind::kVectorSelector:
        return check_selector(static_cast<VectorSelector&>(expr), false);
      case Expr::Kind::kMatrixSelector:
        return check_selector(*static_cast<MatrixSelector&>(expr).selector, false);
      case Expr::Kind::kSubquery: return check_subquery(static_cast<SubqueryExpr&>(expr));
      case Expr::Kind::kCall: return check_call(static_cast<CallExpr&>(expr));
      case Expr::Kind::kAggregate: return check_aggregate(static_cast<AggregateExpr&>(expr));
      case Expr::Kind::kBinary: return check_binary(static_cast<BinaryExpr&>(expr));
      case Expr::Kind::kUnary: return check_unary(static_cast<UnaryExpr&>(expr));
      case Expr::Kind::kParen: return check(*static_cast<ParenExpr&>(expr).inner);
    }
    return {};
  }

 private:
  Status error(Position position, const std::string& message) const {
    return parse_error(query_, position, message);
  }
  Status error(const Expr& expr, const std::string& message) const {
    return error(expr.position, message);
  }

  Status expect_type(Expr& expr, ValueType wanted, const std::string& where) {
    RETURN_IF_ERROR(check(expr));
    if (expr.type == wanted) return {};
    return error(expr,
                 "expected type " + text(wanted) + " in " + where + ", got " + text(expr.type));
  }

  Status check_selector(VectorSelector& selector, bool may_match_empty) const {
    const auto& matchers = selector.matchers;
    if (!selector.name.empty()) {
      for (size_t i = 0; i + 1 < matchers.size(); ++i) {
        if (matchers[i].name() != model::kMetricName) continue;
        return error(selector, "metric name must not be set twice: " + quote(selector.name) +
                                   " or " + quote(matchers[i].value()));
      }
      return {};
    }
    if (!may_match_empty && std::ranges::all_of(matchers, &model::Matcher::matches_empty)) {
      return error(selector, "vector selector must contain at least one non-empty matcher");
    }
    return {};
  }

  Status check_subquery(SubqueryExpr& subquery) {
    RETURN_IF_ERROR(check(*subquery.inner));
    if (subquery.inner->type == ValueType::kVector) return {};
    return error(subquery, "subquery is only allowed on instant vector, got " +
                               short_name(subquery.inner->type) + " instead");
  }

  Status check_unary(UnaryExpr& unary) {
    RETURN_IF_ERROR(check(*unary.inner));
    if (unary.type == ValueType::kScalar || unary.type == ValueType::kVector) return {};
    return error(unary,
                 "unary expression only allowed on expressions of type scalar or instant "
                 "vector, got " +
                     quote(name(unary.type)));
  }

  Status check_aggregate(AggregateExpr& aggregate) {
    RETURN_IF_ERROR(expect_type(*aggregate.inner, ValueType::kVector, "aggregation expression"));
    if (!aggregate.parameter) return {};
    const ValueType wanted =
        aggregate.op == AggregateOp::kCountValues ? ValueType::kString : ValueType::kScalar;
    return expect_type(*aggregate.parameter, wanted, "aggregation parameter");
  }

  Status check_call(CallExpr& call) {
    const Function& function = *call.function;
    const std::string quoted = quote(function.name);
    const size_t given = call.arguments.size();
    const size_t declared = function.arguments.size();
    const auto miscount = [&](std::string_view bound, size_t wanted) {
      return error(call, "expected " + std::string(bound) + std::to_string(wanted) +
                             " argument(s) in call to " + quoted + ", got " +
                             std::to_string(given));
    };
    if (function.variadic == 0 && given != declared) return miscount("", declared);
    if (function.variadic != 0) {
      if (given + 1 < declared) return miscount("at least ", declared - 1);
      const size_t most = declared - 1 + static_cast<size_t>(std::max(function.variadic, 0));
      if (function.variadic > 0 && given > most) return miscount("at most ", most);
    }
    const bool info = function.name == "info" && given > 1;
    if (info) RETURN_IF_ERROR(check_info(call));
    for (size_t i = 0; i < given; ++i) {
      Expr& argument = *call.arguments[i];
      if (info && i == 1) {
        RETURN_IF_ERROR(check_selector(static_cast<VectorSelector&>(argument), true));
        continue;
      }
      const ValueType wanted = function.arguments[std::min(i, declared - 1)];
      RETURN_IF_ERROR(expect_type(argument, wanted, "call to function " + quoted));
    }
    return {};
  }

  // The second argument of info() is no selection of its own: matchers alone.
  Status check_info(const CallExpr& call) const {
    const Expr& labels = *call.arguments[1];
    if (labels.type != ValueType::kVector) {
      return error(call, "expected type instant vector in call to function \"info\", got " +
                             text(labels.type));
    }
    if (labels.kind != Expr::Kind::kVectorSelector) {
      return error(labels, "expected label selectors only");
    }
    if (as<VectorSelector>(labels).name.empty()) return {};
    return error(labels, "expected label selectors only, got vector selector instead");
  }

  // From the operator to the last character before the right side.
  Position operator_of(const BinaryExpr& binary) const {
    Position position{binary.left->position.end, binary.right->position.begin};
    const auto is_space = [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; };
    while (position.begin < position.end && is_space(query_[position.begin])) ++position.begin;
    return position;
  }

  Status check_binary(BinaryExpr& binary) {
    RETURN_IF_ERROR(check(*binary.left));
    RETURN_IF_ERROR(check(*binary.right));
    const ValueType left = binary.left->type;
    const ValueType right = binary.right->type;
    const bool scalars = left == ValueType::kScalar && right == ValueType::kScalar;
    const bool comparison = is_comparison(binary.op);
    VectorMatching& matching = *binary.matching;
    if (binary.return_bool && !comparison) {
      return error(operator_of(binary), "bool modifier can only be used on comparison operators");
    }
    if (comparison && !binary.return_bool && scalars) {
      return error(operator_of(binary), "comparisons between scalars must use BOOL modifier");
    }
    if (is_set_operator(binary.op) && matching.cardinality == MatchCardinality::kOneToOne) {
      matching.cardinality = MatchCardinality::kManyToMany;
    }
    for (const std::string& label : matching.labels) {
      if (matching.on && std::ranges::count(matching.include, label) != 0) {
        return error(operator_of(binary),
                     "label " + quote(label) + " must not occur in ON and GROUP clause at once");
      }
    }
    for (const Expr* side : {binary.left.get(), binary.right.get()}) {
      if (side->type != ValueType::kScalar && side->type != ValueType::kVector) {
        return error(*side, "binary expression must contain only scalar and instant vector types");
      }
    }
    return check_matching(binary, left == ValueType::kVector && right == ValueType::kVector);
  }

  Status check_matching(BinaryExpr& binary, bool vectors) const {
    const VectorMatching& matching = *binary.matching;
    const bool fills = matching.fill_left || matching.fill_right;
    const bool set = is_set_operator(binary.op);
    if (!vectors) {
      if (!matching.labels.empty()) {
        return error(binary, "vector matching only allowed between instant vectors");
      }
      if (fills) {
        return error(binary, "filling in missing series only allowed between instant vectors");
      }
      if (set) {
        return error(binary, "set operator " + quote(name(binary.op)) +
                                 " not allowed in binary scalar expression");
      }
      binary.matching.reset();
      return {};
    }
    if (set && matching.cardinality != MatchCardinality::kManyToMany) {
      return error(binary, "no grouping allowed for " + quote(name(binary.op)) + " operation");
    }
    if (set && fills) {
      return error(binary, "filling in missing series not allowed for set operators");
    }
    return {};
  }

  std::string_view query_;
};

}  // namespace

Status check_types(Expr& expr, std::string_view query) { return TypeChecker(query).check(expr); }

}  // namespace gatehouse::promql

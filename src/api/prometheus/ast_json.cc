#include "api/prometheus/ast_json.h"

#include <charconv>

#include "api/prometheus/answer.h"
#include "lang/promql/functions.h"
#include "wire/json.h"

namespace gatehouse::api::metric {

namespace {

using namespace promql;

std::string number_text(double value) {
  std::string text;
  write_number(text, value);
  return text;
}

// The types' names in Go's source, which the tree carries.
std::string_view type_name(ValueType type) {
  switch (type) {
    case ValueType::kScalar: return "scalar";
    case ValueType::kVector: return "vector";
    case ValueType::kMatrix: return "matrix";
    case ValueType::kString: return "string";
  }
  return "none";
}

class AstWriter {
 public:
  explicit AstWriter(std::string& out) : json_(out) {}

  void write(const Expr* expr) {
    if (expr == nullptr) {
      json_.null();
      return;
    }
    switch (expr->kind) {
      case Expr::Kind::kNumber: return number(as<NumberExpr>(*expr));
      case Expr::Kind::kString: return string(as<StringExpr>(*expr));
      case Expr::Kind::kVectorSelector: return selector(as<VectorSelector>(*expr), nullptr);
      case Expr::Kind::kMatrixSelector: {
        const auto& matrix = as<MatrixSelector>(*expr);
        return selector(*matrix.selector, &matrix.range);
      }
      case Expr::Kind::kSubquery: return subquery(as<SubqueryExpr>(*expr));
      case Expr::Kind::kCall: return call(as<CallExpr>(*expr));
      case Expr::Kind::kAggregate: return aggregate(as<AggregateExpr>(*expr));
      case Expr::Kind::kBinary: return binary(as<BinaryExpr>(*expr));
      case Expr::Kind::kUnary: return unary(as<UnaryExpr>(*expr));
      case Expr::Kind::kParen: return paren(as<ParenExpr>(*expr));
    }
  }

 private:
  void number(const NumberExpr& expr) {
    json_.begin_object().member("type", "numberLiteral").member("val", number_text(expr.value));
    json_.end_object();
  }

  void string(const StringExpr& expr) {
    json_.begin_object().member("type", "stringLiteral").member("val", expr.value).end_object();
  }

  void selector(const VectorSelector& expr, const Duration* range) {
    json_.begin_object().member("type", range == nullptr ? "vectorSelector" : "matrixSelector");
    json_.member("name", expr.name);
    if (range != nullptr) json_.member("range", range->ms);
    place(expr.offset, expr.at);
    json_.key("matchers").begin_array();
    for (const model::Matcher& matcher : expr.matchers) {
      static constexpr std::string_view kOps[] = {"=", "!=", "=~", "!~"};
      json_.begin_object()
          .member("name", matcher.name())
          .member("value", matcher.value())
          .member("type", kOps[static_cast<int>(matcher.op())])
          .end_object();
    }
    json_.end_array();
    json_.member("anchored", expr.expansion == Expansion::kAnchored);
    json_.member("smoothed", expr.expansion == Expansion::kSmoothed);
    json_.end_object();
  }

  void place(const Duration& offset, const AtModifier& at) {
    json_.member("offset", offset.ms).key("timestamp");
    if (at.kind == AtModifier::Kind::kTime) {
      json_.integer(at.time_ms);
    } else {
      json_.null();
    }
    json_.key("startOrEnd");
    if (at.kind == AtModifier::Kind::kStart) {
      json_.string("start");
    } else if (at.kind == AtModifier::Kind::kEnd) {
      json_.string("end");
    } else {
      json_.null();
    }
  }

  void subquery(const SubqueryExpr& expr) {
    json_.begin_object().member("type", "subquery").key("expr");
    write(expr.inner.get());
    json_.member("range", expr.range.ms);
    place(expr.offset, expr.at);
    json_.member("step", expr.step.ms).end_object();
  }

  void call(const CallExpr& expr) {
    json_.begin_object().member("type", "call").key("func").begin_object();
    json_.member("name", expr.function->name).key("argTypes").begin_array();
    for (const ValueType type : expr.function->arguments) json_.string(type_name(type));
    json_.end_array();
    json_.member("variadic", expr.function->variadic);
    json_.member("returnType", type_name(expr.function->result)).end_object();
    json_.key("args").begin_array();
    for (const ExprPtr& each : expr.arguments) write(each.get());
    json_.end_array().end_object();
  }

  void names(std::string_view key, const std::vector<std::string>& list) {
    json_.key(key).begin_array();
    for (const std::string& each : list) json_.string(each);
    json_.end_array();
  }

  void aggregate(const AggregateExpr& expr) {
    json_.begin_object().member("type", "aggregation").member("op", name(expr.op)).key("expr");
    write(expr.inner.get());
    json_.key("param");
    write(expr.parameter.get());
    names("grouping", expr.grouping);
    json_.member("without", expr.without).end_object();
  }

  void binary(const BinaryExpr& expr) {
    json_.begin_object().member("type", "binaryExpr").member("op", name(expr.op)).key("lhs");
    write(expr.left.get());
    json_.key("rhs");
    write(expr.right.get());
    json_.key("matching");
    if (expr.matching) {
      static constexpr std::string_view kCards[] = {"one-to-one", "many-to-one", "one-to-many",
                                                    "many-to-many"};
      json_.begin_object().member("card", kCards[static_cast<int>(expr.matching->cardinality)]);
      names("labels", expr.matching->labels);
      json_.member("on", expr.matching->on);
      names("include", expr.matching->include);
      json_.key("fillValues").begin_object();
      fill("lhs", expr.matching->fill_left);
      fill("rhs", expr.matching->fill_right);
      json_.end_object().end_object();
    } else {
      json_.null();
    }
    json_.member("bool", expr.return_bool).end_object();
  }

  void fill(std::string_view side, const std::optional<double>& value) {
    json_.key(side);
    if (value) {
      json_.number(*value);
    } else {
      json_.null();
    }
  }

  void unary(const UnaryExpr& expr) {
    json_.begin_object().member("type", "unaryExpr").member("op", expr.negative ? "-" : "+");
    json_.key("expr");
    write(expr.inner.get());
    json_.end_object();
  }

  void paren(const ParenExpr& expr) {
    json_.begin_object().member("type", "parenExpr").key("expr");
    write(expr.inner.get());
    json_.end_object();
  }

  wire::JsonWriter json_;
};

}  // namespace

void write_ast(std::string& out, const Expr& expr) { AstWriter(out).write(&expr); }

}  // namespace gatehouse::api::metric

// After the String() and Prettify() of Prometheus's promql/parser: what it prints is
// what clients compare with. Over several lines an expression is split only where its
// one line would be longer than kLineMax.
#include "lang/promql/printer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "lang/promql/functions.h"
#include "lang/promql/literal.h"
#include "model/sample.h"

namespace gatehouse::promql {
namespace {

constexpr size_t kLineMax = 100;

std::string label(std::string_view name) {
  return is_label_identifier(name) ? std::string(name) : quote(name);
}

std::string label_list(const std::vector<std::string>& labels) {
  std::string out;
  for (const std::string& each : labels) {
    if (!out.empty()) out += ", ";
    out += label(each);
  }
  return out;
}

std::string seconds_as_duration(double seconds) {
  return format_unit_duration(std::llround(seconds * 1000));
}

std::string text_of(const DurationExpr& expr) {
  using Kind = DurationExpr::Kind;
  const auto both = [&expr](std::string_view op) {
    return text_of(*expr.left) + " " + std::string(op) + " " + text_of(*expr.right);
  };
  const auto call = [&expr](std::string_view function) {
    return std::string(function) + "(" + text_of(*expr.left) + ", " + text_of(*expr.right) + ")";
  };
  switch (expr.kind) {
    case Kind::kNumber:
      return expr.as_duration ? seconds_as_duration(expr.value_s) : format_number(expr.value_s);
    case Kind::kStep: return "step()";
    case Kind::kRange: return "range()";
    case Kind::kNegate: return "-" + text_of(*expr.left);
    case Kind::kParen: return "(" + text_of(*expr.left) + ")";
    case Kind::kAdd: return both("+");
    case Kind::kSub: return both("-");
    case Kind::kMul: return both("*");
    case Kind::kDiv: return both("/");
    case Kind::kMod: return both("%");
    case Kind::kPow: return both("^");
    case Kind::kMin: return call("min_of");
    case Kind::kMax: return call("max_of");
  }
  return {};
}

std::string text_of(const Duration& duration) {
  return duration.expression ? text_of(*duration.expression) : format_unit_duration(duration.ms);
}

std::string offset_text(const Duration& offset) {
  return offset.expression || offset.ms != 0 ? " offset " + text_of(offset) : std::string();
}

std::string at_text(const AtModifier& at) {
  switch (at.kind) {
    case AtModifier::Kind::kNone: return {};
    case AtModifier::Kind::kStart: return " @ start()";
    case AtModifier::Kind::kEnd: return " @ end()";
    case AtModifier::Kind::kTime: break;
  }
  std::array<char, 32> digits;
  const uint64_t ms =
      at.time_ms < 0 ? 0 - static_cast<uint64_t>(at.time_ms) : static_cast<uint64_t>(at.time_ms);
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), ms % 1000 + 1000);
  return std::string(at.time_ms < 0 ? " @ -" : " @ ") + std::to_string(ms / 1000) + "." +
         std::string(digits.data() + 1, end.ptr);
}

std::string_view expansion_text(Expansion expansion) {
  switch (expansion) {
    case Expansion::kAnchored: return " anchored";
    case Expansion::kSmoothed: return " smoothed";
    case Expansion::kNone: break;
  }
  return {};
}

std::string matcher_text(const model::Matcher& matcher) {
  using Op = model::Matcher::Op;
  std::string_view op = "=";
  if (matcher.op() == Op::kNotEqual) op = "!=";
  if (matcher.op() == Op::kRegex) op = "=~";
  if (matcher.op() == Op::kNotRegex) op = "!~";
  return label(matcher.name()).append(op).append(quote(matcher.value()));
}

// Name and matchers, without what follows them.
std::string selection_text(const VectorSelector& selector) {
  std::vector<std::string> matchers;
  for (const model::Matcher& matcher : selector.matchers) {
    const bool is_name = matcher.name() == model::kMetricName &&
                         matcher.op() == model::Matcher::Op::kEqual &&
                         matcher.value() == selector.name && !matcher.value().empty();
    if (!is_name) matchers.push_back(matcher_text(matcher));
  }
  // Without any, braces are what makes it a selector.
  if (matchers.empty()) return selector.name.empty() ? "{}" : selector.name;
  std::ranges::sort(matchers);
  std::string out = selector.name + "{";
  for (size_t i = 0; i < matchers.size(); ++i) {
    if (i > 0) out += ',';
    out += matchers[i];
  }
  return out + "}";
}

std::string matrix_text(const MatrixSelector& matrix) {
  const VectorSelector& selector = *matrix.selector;
  return selection_text(selector) + "[" + text_of(matrix.range) + "]" +
         std::string(expansion_text(selector.expansion)) + at_text(selector.at) +
         offset_text(selector.offset);
}

std::string subquery_suffix(const SubqueryExpr& subquery) {
  const bool has_step = subquery.step.expression || subquery.step.ms != 0;
  return "[" + text_of(subquery.range) + ":" + (has_step ? text_of(subquery.step) : "") + "]" +
         at_text(subquery.at) + offset_text(subquery.offset);
}

// The operator and its grouping: "sum by (a) ".
std::string aggregate_head(const AggregateExpr& aggregate) {
  std::string out(name(aggregate.op));
  if (aggregate.without) {
    out += " without (" + label_list(aggregate.grouping) + ") ";
  } else if (!aggregate.grouping.empty()) {
    out += " by (" + label_list(aggregate.grouping) + ") ";
  }
  return out;
}

// The operator with all that stands before the right side.
std::string operator_text(const BinaryExpr& binary) {
  std::string out(name(binary.op));
  if (binary.return_bool) out += " bool";
  if (!binary.matching) return out;
  const VectorMatching& matching = *binary.matching;
  const bool left = matching.cardinality == MatchCardinality::kManyToOne;
  const bool grouped = left || matching.cardinality == MatchCardinality::kOneToMany;
  if (!matching.labels.empty() || matching.on || grouped) {
    out += matching.on ? " on (" : " ignoring (";
    out += label_list(matching.labels) + ")";
  }
  if (grouped) {
    out += left ? " group_left (" : " group_right (";
    out += label_list(matching.include) + ")";
  }
  const auto fill = [&out](std::string_view word, double value) {
    out.append(" ").append(word).append(" (").append(format_number_short(value)).append(")");
  };
  const bool both = matching.fill_left && matching.fill_right;
  const bool same =
      both && format_number_short(*matching.fill_left) == format_number_short(*matching.fill_right);
  if (same) {
    fill("fill", *matching.fill_left);
  } else {
    if (matching.fill_left) fill("fill_left", *matching.fill_left);
    if (matching.fill_right) fill("fill_right", *matching.fill_right);
  }
  return out;
}

std::string number_text(const NumberExpr& number) {
  return number.as_duration ? seconds_as_duration(number.value) : format_number(number.value);
}

void write(const Expr& expr, std::string& out) {
  switch (expr.kind) {
    case Expr::Kind::kNumber: out += number_text(as<NumberExpr>(expr)); return;
    case Expr::Kind::kString: out += quote(as<StringExpr>(expr).value); return;
    case Expr::Kind::kVectorSelector: {
      const auto& selector = as<VectorSelector>(expr);
      out += selection_text(selector);
      out += at_text(selector.at);
      out += expansion_text(selector.expansion);
      out += offset_text(selector.offset);
      return;
    }
    case Expr::Kind::kMatrixSelector: out += matrix_text(as<MatrixSelector>(expr)); return;
    case Expr::Kind::kSubquery:
      write(*as<SubqueryExpr>(expr).inner, out);
      out += subquery_suffix(as<SubqueryExpr>(expr));
      return;
    case Expr::Kind::kCall: {
      const auto& call = as<CallExpr>(expr);
      out += call.function->name;
      out += '(';
      for (size_t i = 0; i < call.arguments.size(); ++i) {
        if (i > 0) out += ", ";
        write(*call.arguments[i], out);
      }
      out += ')';
      return;
    }
    case Expr::Kind::kAggregate: {
      const auto& aggregate = as<AggregateExpr>(expr);
      out += aggregate_head(aggregate) + "(";
      if (aggregate.parameter) {
        write(*aggregate.parameter, out);
        out += ", ";
      }
      write(*aggregate.inner, out);
      out += ')';
      return;
    }
    case Expr::Kind::kBinary: {
      const auto& binary = as<BinaryExpr>(expr);
      // "+Inf ^ x" would read as the sign of a power.
      const bool bare = binary.op == BinaryOp::kPow && binary.left->kind == Expr::Kind::kNumber &&
                        std::isinf(as<NumberExpr>(*binary.left).value);
      if (bare) {
        out += "Inf";
      } else {
        write(*binary.left, out);
      }
      out += " " + operator_text(binary) + " ";
      write(*binary.right, out);
      return;
    }
    case Expr::Kind::kUnary:
      out += as<UnaryExpr>(expr).negative ? '-' : '+';
      write(*as<UnaryExpr>(expr).inner, out);
      return;
    case Expr::Kind::kParen:
      out += '(';
      write(*as<ParenExpr>(expr).inner, out);
      out += ')';
      return;
  }
}

void indent(int level, std::string& out) { out.append(static_cast<size_t>(level) * 2, ' '); }

void write_pretty(const Expr& expr, int level, std::string& out);

// An expression whose one line is too long.
void write_split(const Expr& expr, int level, const std::string& line, std::string& out) {
  const auto close = [level, &out] {
    out += '\n';
    indent(level, out);
    out += ')';
  };
  switch (expr.kind) {
    case Expr::Kind::kAggregate: {
      const auto& aggregate = as<AggregateExpr>(expr);
      indent(level, out);
      out += aggregate_head(aggregate) + "(\n";
      if (aggregate.parameter) {
        write_pretty(*aggregate.parameter, level + 1, out);
        out += ",\n";
      }
      write_pretty(*aggregate.inner, level + 1, out);
      return close();
    }
    case Expr::Kind::kBinary: {
      const auto& binary = as<BinaryExpr>(expr);
      write_pretty(*binary.left, level + 1, out);
      out += '\n';
      indent(level, out);
      out += operator_text(binary) + "\n";
      return write_pretty(*binary.right, level + 1, out);
    }
    case Expr::Kind::kCall: {
      const auto& call = as<CallExpr>(expr);
      indent(level, out);
      out += std::string(call.function->name) + "(\n";
      for (size_t i = 0; i < call.arguments.size(); ++i) {
        if (i > 0) out += ",\n";
        write_pretty(*call.arguments[i], level + 1, out);
      }
      return close();
    }
    case Expr::Kind::kParen:
      indent(level, out);
      out += "(\n";
      write_pretty(*as<ParenExpr>(expr).inner, level + 1, out);
      return close();
    default: indent(level, out); out += line;
  }
}

void write_pretty(const Expr& expr, int level, std::string& out) {
  if (expr.kind == Expr::Kind::kUnary) {
    // The sign takes its place before what the operand begins with.
    std::string inner;
    write_pretty(*as<UnaryExpr>(expr).inner, level, inner);
    indent(level, out);
    out += as<UnaryExpr>(expr).negative ? '-' : '+';
    out.append(inner, std::min(inner.find_first_not_of(' '), inner.size()));
    return;
  }
  std::string line;
  write(expr, line);
  if (expr.kind == Expr::Kind::kSubquery) {
    // One that fits is not indented: so does Prometheus.
    if (line.size() <= kLineMax) {
      out += line;
    } else {
      write_pretty(*as<SubqueryExpr>(expr).inner, level, out);
      out += subquery_suffix(as<SubqueryExpr>(expr));
    }
  } else if (line.size() <= kLineMax) {
    indent(level, out);
    out += line;
  } else {
    write_split(expr, level, line, out);
  }
}

}  // namespace

std::string to_text(const Expr& expr) {
  std::string out;
  write(expr, out);
  return out;
}

std::string to_pretty_text(const Expr& expr) {
  std::string out;
  write_pretty(expr, 0, out);
  return out;
}

}  // namespace gatehouse::promql

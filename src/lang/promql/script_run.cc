#include "lang/promql/script_run.h"

#include <algorithm>
#include <array>
#include <limits>

#include "base/budget.h"
#include "base/loop.h"
#include "lang/promql/engine.h"
#include "lang/promql/functions.h"
#include "lang/promql/memory_series.h"
#include "lang/promql/parser.h"
#include "lang/promql/printer.h"
#include "lang/promql/script.h"
#include "lang/promql/script_compare.h"

namespace gatehouse::promql {
namespace {

// What one evaluation of a script may take: far more than any sensible one does, so
// that a runaway ends.
constexpr int64_t kMemoryBytes = 1LL << 30;
constexpr int64_t kTimeoutMs = 60'000;
constexpr int64_t kSamplesMax = 50'000'000;

ParseOptions all_of_the_language() {
  ParseOptions options;
  options.experimental_functions = true;
  return options;
}

// Their answers change with the time of the evaluation, though no selector's does.
bool depends_on_time(const Function& function) {
  constexpr auto kNames = std::to_array<std::string_view>(
      {"day_of_month", "day_of_week", "day_of_year", "days_in_month", "end", "hour", "minute",
       "month", "predict_linear", "start", "time", "timestamp", "year"});
  return std::ranges::binary_search(kNames, function.name);
}

// Pins selectors that are not pinned to a time. What lies within a pinned subquery
// stays. False: a function in it depends on the time by itself.
bool pin(Expr& expr, int64_t time_ms) {
  const auto pin_modifier = [time_ms](AtModifier& at) {
    if (at.kind != AtModifier::Kind::kTime) at = {AtModifier::Kind::kTime, time_ms};
  };
  switch (expr.kind) {
    case Expr::Kind::kNumber:
    case Expr::Kind::kString: return true;
    case Expr::Kind::kVectorSelector:
      pin_modifier(static_cast<VectorSelector&>(expr).at);
      return true;
    case Expr::Kind::kMatrixSelector:
      pin_modifier(static_cast<MatrixSelector&>(expr).selector->at);
      return true;
    case Expr::Kind::kSubquery: pin_modifier(static_cast<SubqueryExpr&>(expr).at); return true;
    case Expr::Kind::kCall: {
      auto& call = static_cast<CallExpr&>(expr);
      bool stable = !depends_on_time(*call.function);
      for (const ExprPtr& argument : call.arguments) stable &= pin(*argument, time_ms);
      return stable;
    }
    case Expr::Kind::kAggregate: {
      auto& aggregate = static_cast<AggregateExpr&>(expr);
      const bool stable = !aggregate.parameter || pin(*aggregate.parameter, time_ms);
      return pin(*aggregate.inner, time_ms) && stable;
    }
    case Expr::Kind::kBinary: {
      auto& binary = static_cast<BinaryExpr&>(expr);
      const bool stable = pin(*binary.left, time_ms);
      return pin(*binary.right, time_ms) && stable;
    }
    case Expr::Kind::kUnary: return pin(*static_cast<UnaryExpr&>(expr).inner, time_ms);
    case Expr::Kind::kParen: return pin(*static_cast<ParenExpr&>(expr).inner, time_ms);
  }
  return true;
}

// Mentions of what differs between an instant query and a range query.
bool asks_for_range(std::string_view query) {
  return std::ranges::any_of(
      std::to_array<std::string_view>({"start()", "end()", "range()", "step()"}),
      [query](std::string_view call) { return query.find(call) != std::string_view::npos; });
}

class ScriptRunner {
 public:
  Result<ScriptOutcome> run(const std::vector<ScriptCommand>& commands) {
    for (const ScriptCommand& command : commands) {
      if (const auto* load = std::get_if<LoadCommand>(&command)) {
        const Status status = series_.load(*load);
        if (!status.ok()) outcome_.failures.push_back({load->line, status.message()});
      } else if (const auto* eval = std::get_if<EvalCommand>(&command)) {
        const Status status = eval->range ? run_range(*eval) : run_instant(*eval);
        if (status.ok()) {
          ++outcome_.passed;
        } else {
          outcome_.failures.push_back({eval->line, eval->query + ": " + status.message()});
        }
      } else {
        series_.clear();
      }
    }
    return std::move(outcome_);
  }

 private:
  Result<QueryValue> instant(std::string_view query, int64_t time_ms) {
    model::QueryContext context(budget_, steady_ms() + kTimeoutMs, kSamplesMax);
    ASSIGN_OR_RETURN(const ExprPtr expr, parse(query, all_of_the_language()));
    return evaluate_instant(*expr, query, time_ms, options_, series_, context);
  }

  Result<QueryValue> range(std::string_view query, int64_t begin_ms, int64_t end_ms,
                           int64_t step_ms) {
    model::QueryContext context(budget_, steady_ms() + kTimeoutMs, kSamplesMax);
    ASSIGN_OR_RETURN(const ExprPtr expr, parse(query, all_of_the_language()));
    return evaluate_range(*expr, query, begin_ms, end_ms, step_ms, options_, series_, context);
  }

  Status check(const EvalCommand& eval, const Result<QueryValue>& answer) {
    if (!answer.ok()) return compare_failure(eval, answer.status());
    if (eval.fail) return invalid_argument("expected to fail, but did not");
    RETURN_IF_ERROR(compare_annotations(eval, answer->annotations));
    return compare_answer(eval, *answer);
  }

  Status run_range(const EvalCommand& eval) {
    // A step of nothing stands for a single moment.
    const int64_t step_ms = std::max<int64_t>(eval.step_ms, 1);
    return check(eval, range(eval.query, eval.begin_ms, eval.end_ms, step_ms));
  }

  Status run_instant(const EvalCommand& eval) {
    const int64_t time_ms = eval.range_vector ? eval.range_vector->end_ms : eval.begin_ms;
    RETURN_IF_ERROR(run_instant_at(eval, eval.query, time_ms));
    auto expr = parse(eval.query, all_of_the_language());
    if (!expr.ok() || !pin(**expr, time_ms)) return {};
    const std::string pinned = to_text(**expr);
    std::vector<int64_t> times = {-10 * time_ms, 0, time_ms / 5, time_ms, 10 * time_ms};
    if (time_ms == 0) times = {-1000, 0, 1000};
    for (const int64_t each : times) {
      const Status status = run_instant_at(eval, pinned, each);
      if (!status.ok()) {
        return status.with_context("as " + pinned + " at " + std::to_string(each) + " ms");
      }
    }
    return {};
  }

  Status run_instant_at(const EvalCommand& eval, std::string_view query, int64_t time_ms) {
    const Result<QueryValue> answer = instant(query, time_ms);
    RETURN_IF_ERROR(check(eval, answer));
    const bool instant_only = eval.fail || eval.ordered || eval.string || eval.range_vector;
    if (instant_only || asks_for_range(query)) return {};
    const Status status = run_amid_range(eval, query, time_ms, answer->type);
    return status.ok() ? status : status.with_context("in a range query");
  }

  // The middle step of a range query around the time has the same answer.
  Status run_amid_range(const EvalCommand& eval, std::string_view query, int64_t time_ms,
                        ValueType type) {
    constexpr int64_t kStepMs = 60'000;
    ASSIGN_OR_RETURN(const QueryValue matrix,
                     range(query, time_ms - kStepMs, time_ms + kStepMs, kStepMs));
    QueryValue middle;
    middle.type = type;
    for (const ResultSeries& series : matrix.series) {
      const auto point = std::ranges::find(series.points, time_ms, &Point::time_ms);
      if (point == series.points.end()) continue;
      middle.scalar = {time_ms, point->value};
      middle.series.push_back({series.labels, {*point}});
    }
    if (type == ValueType::kScalar && middle.series.empty()) {
      return invalid_argument("a scalar is missing");
    }
    return compare_answer(eval, middle);
  }

  MemoryBudget budget_{kMemoryBytes};
  QueryOptions options_;
  MemorySeries series_;
  ScriptOutcome outcome_;
};

}  // namespace

Result<ScriptOutcome> run_script(std::string_view text) {
  ASSIGN_OR_RETURN(const auto commands, parse_script(text));
  return ScriptRunner().run(commands);
}

}  // namespace gatehouse::promql

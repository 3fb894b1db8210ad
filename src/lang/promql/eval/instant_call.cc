// Functions over instant vectors that work value by value, and the way to the others.
#include <cmath>

#include "lang/promql/eval/calendar.h"
#include "lang/promql/eval/mapped.h"
#include "lang/promql/function_ids.h"
#include "lang/promql/histogram/quantile.h"

namespace gatehouse::promql {
namespace {

constexpr double kPiValue = 3.14159265358979323846;

using FloatFunction = double (*)(double);

FloatFunction find_float_function(FunctionId id) {
  switch (id) {
    case FunctionId::kAbs: return [](double v) { return std::fabs(v); };
    case FunctionId::kCeil: return [](double v) { return std::ceil(v); };
    case FunctionId::kFloor: return [](double v) { return std::floor(v); };
    case FunctionId::kExp: return [](double v) { return std::exp(v); };
    case FunctionId::kSqrt: return [](double v) { return std::sqrt(v); };
    case FunctionId::kLn: return [](double v) { return std::log(v); };
    case FunctionId::kLog2: return [](double v) { return std::log2(v); };
    case FunctionId::kLog10: return [](double v) { return std::log10(v); };
    case FunctionId::kSin: return [](double v) { return std::sin(v); };
    case FunctionId::kCos: return [](double v) { return std::cos(v); };
    case FunctionId::kTan: return [](double v) { return std::tan(v); };
    case FunctionId::kAsin: return [](double v) { return std::asin(v); };
    case FunctionId::kAcos: return [](double v) { return std::acos(v); };
    case FunctionId::kAtan: return [](double v) { return std::atan(v); };
    case FunctionId::kSinh: return [](double v) { return std::sinh(v); };
    case FunctionId::kCosh: return [](double v) { return std::cosh(v); };
    case FunctionId::kTanh: return [](double v) { return std::tanh(v); };
    case FunctionId::kAsinh: return [](double v) { return std::asinh(v); };
    case FunctionId::kAcosh: return [](double v) { return std::acosh(v); };
    case FunctionId::kAtanh: return [](double v) { return std::atanh(v); };
    case FunctionId::kRad: return [](double v) { return v * kPiValue / 180; };
    case FunctionId::kDeg: return [](double v) { return v * 180 / kPiValue; };
    case FunctionId::kSgn: return [](double v) { return v > 0 ? 1.0 : v < 0 ? -1.0 : v; };
    case FunctionId::kYear: return [](double v) { return calendar_of(v).year; };
    case FunctionId::kMonth: return [](double v) { return calendar_of(v).month; };
    case FunctionId::kDayOfMonth: return [](double v) { return calendar_of(v).day_of_month; };
    case FunctionId::kDayOfWeek: return [](double v) { return calendar_of(v).day_of_week; };
    case FunctionId::kDayOfYear: return [](double v) { return calendar_of(v).day_of_year; };
    case FunctionId::kDaysInMonth: return [](double v) { return calendar_of(v).days_in_month; };
    case FunctionId::kHour: return [](double v) { return calendar_of(v).hour; };
    case FunctionId::kMinute: return [](double v) { return calendar_of(v).minute; };
    default: return nullptr;
  }
}

using HistogramFunction = double (*)(const model::NativeHistogram&);

HistogramFunction find_histogram_function(FunctionId id) {
  switch (id) {
    case FunctionId::kHistogramCount: return [](const NativeHistogram& h) { return h.count; };
    case FunctionId::kHistogramSum: return [](const NativeHistogram& h) { return h.sum; };
    case FunctionId::kHistogramAvg: return [](const NativeHistogram& h) { return h.sum / h.count; };
    case FunctionId::kHistogramStdvar: return &native_variance;
    case FunctionId::kHistogramStddev:
      return [](const NativeHistogram& h) { return std::sqrt(native_variance(h)); };
    default: return nullptr;
  }
}

// One series without labels.
VectorPtr unnamed(std::vector<double> values) {
  auto block = std::make_unique<Block>(values.size());
  Column column;
  column.values = std::move(values);
  block->add({}, std::move(column));
  return block;
}

std::vector<double> times_of(const Steps& steps) {
  std::vector<double> times(steps.count);
  for (size_t i = 0; i < steps.count; ++i) {
    times[i] = static_cast<double>(steps.time_ms(i)) / 1000;
  }
  return times;
}

Result<VectorPtr> map_floats(Evaluation& evaluation, const CallExpr& call, const Scope& scope,
                             ColumnChange change) {
  ASSIGN_OR_RETURN(VectorPtr source, evaluation.vector(*call.arguments[0], scope));
  return after_name_change(
      evaluation, std::make_unique<Mapped>(evaluation, std::move(source), true, std::move(change)),
      scope);
}

// As math.Min and math.Max of Go: NaN wins.
double go_min(double a, double b) { return std::isnan(a) || std::isnan(b) ? kNan : std::min(a, b); }
double go_max(double a, double b) { return std::isnan(a) || std::isnan(b) ? kNan : std::max(a, b); }

Result<VectorPtr> clamp(Evaluation& evaluation, const CallExpr& call, const Scope& scope) {
  const FunctionId id = call.function->id;
  std::vector<double> low(scope.steps.count, -kInf);
  std::vector<double> high(scope.steps.count, kInf);
  if (id != FunctionId::kClampMax) {
    ASSIGN_OR_RETURN(low, evaluation.scalar(*call.arguments[1], scope));
  }
  if (id != FunctionId::kClampMin) {
    ASSIGN_OR_RETURN(high, evaluation.scalar(*call.arguments.back(), scope));
  }
  return map_floats(
      evaluation, call, scope, [low = std::move(low), high = std::move(high)](Column& column) {
        for (size_t i = 0; i < column.values.size(); ++i) {
          double& value = column.values[i];
          if (!is_present(value)) continue;
          value = high[i] < low[i] ? kNoSample : go_max(low[i], go_min(high[i], value));
        }
        column.histograms.clear();
      });
}

Result<VectorPtr> round_to(Evaluation& evaluation, const CallExpr& call, const Scope& scope) {
  std::vector<double> nearest(scope.steps.count, 1);
  if (call.arguments.size() > 1) {
    ASSIGN_OR_RETURN(nearest, evaluation.scalar(*call.arguments[1], scope));
  }
  return map_floats(evaluation, call, scope, [nearest = std::move(nearest)](Column& column) {
    for (size_t i = 0; i < column.values.size(); ++i) {
      double& value = column.values[i];
      if (!is_present(value)) continue;
      // Its inverse costs fewer digits than itself.
      const double inverse = 1 / nearest[i];
      value = std::floor(value * inverse + 0.5) / inverse;
    }
    column.histograms.clear();
  });
}

Result<VectorPtr> time_of_sample(Evaluation& evaluation, const CallExpr& call, const Scope& scope) {
  const Expr& argument = unwrap_parens(*call.arguments[0]);
  const bool start = call.function->id == FunctionId::kStartTimestamp;
  if (argument.kind == Expr::Kind::kVectorSelector) {
    ASSIGN_OR_RETURN(VectorPtr source,
                     select_vector(evaluation, as<VectorSelector>(argument),
                                   start ? SampleField::kStart : SampleField::kTime, scope));
    return after_name_change(evaluation, std::move(source), scope);
  }
  if (start) {  // what was computed has no start
    return VectorPtr(std::make_unique<Block>(scope.steps.count));
  }
  return map_floats(evaluation, call, scope, [times = times_of(scope.steps)](Column& column) {
    for (size_t i = 0; i < column.values.size(); ++i) {
      if (column.present(i)) column.values[i] = times[i];
    }
    column.histograms.clear();
  });
}

Result<VectorPtr> histogram_number(Evaluation& evaluation, const CallExpr& call,
                                   HistogramFunction function, const Scope& scope) {
  Scope inner = scope;
  const FunctionId id = call.function->id;
  inner.stats_only =
      !scope.stats_barred && (scope.stats_only || id == FunctionId::kHistogramCount ||
                              id == FunctionId::kHistogramSum || id == FunctionId::kHistogramAvg);
  return map_floats(evaluation, call, inner, [function](Column& column) {
    for (size_t i = 0; i < column.values.size(); ++i) {
      const model::NativeHistogram* histogram = column.histogram(i).get();
      column.values[i] = histogram != nullptr ? function(*histogram) : kNoSample;
    }
    column.histograms.clear();
  });
}

}  // namespace

Result<VectorPtr> call_on_vector(Evaluation& evaluation, const CallExpr& call, const Scope& scope) {
  const FunctionId id = call.function->id;
  if (const FloatFunction function = find_float_function(id)) {
    if (!call.arguments.empty()) {
      return map_floats(evaluation, call, scope, of_floats(function));
    }
    // The functions of dates ask for the moment itself.
    std::vector<double> values = times_of(scope.steps);
    for (double& value : values) value = function(value);
    return unnamed(std::move(values));
  }
  if (const HistogramFunction function = find_histogram_function(id)) {
    return histogram_number(evaluation, call, function, scope);
  }
  switch (id) {
    case FunctionId::kClamp:
    case FunctionId::kClampMin:
    case FunctionId::kClampMax: return clamp(evaluation, call, scope);
    case FunctionId::kRound: return round_to(evaluation, call, scope);
    case FunctionId::kTimestamp:
    case FunctionId::kStartTimestamp: return time_of_sample(evaluation, call, scope);
    case FunctionId::kVector: {
      ASSIGN_OR_RETURN(std::vector<double> values, evaluation.scalar(*call.arguments[0], scope));
      return unnamed(std::move(values));
    }
    case FunctionId::kLabelReplace:
    case FunctionId::kLabelJoin: return call_label_function(evaluation, call, scope);
    case FunctionId::kHistogramQuantile:
    case FunctionId::kHistogramQuantiles:
    case FunctionId::kHistogramFraction:
      return call_histogram_distribution(evaluation, call, scope);
    case FunctionId::kSort:
    case FunctionId::kSortDesc:
    case FunctionId::kSortByLabel:
    case FunctionId::kSortByLabelDesc: return call_sort(evaluation, call, scope);
    case FunctionId::kAbsent: return call_absent(evaluation, call, scope);
    case FunctionId::kInfo: return call_info(evaluation, call, scope);
    default:
      return Status(Code::kUnimplemented,
                    "the function " + std::string(call.function->name) + " is not implemented");
  }
}

}  // namespace gatehouse::promql

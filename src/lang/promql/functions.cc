// The table of functions, after Prometheus 3's documentation of them
// (querying/functions) and the scripts of its test suite.
#include "lang/promql/functions.h"

#include <algorithm>
#include <array>

#include "lang/promql/function_ids.h"

namespace gatehouse::promql {
namespace {

constexpr ValueType kS = ValueType::kScalar;
constexpr ValueType kV = ValueType::kVector;
constexpr ValueType kM = ValueType::kMatrix;
constexpr ValueType kT = ValueType::kString;

constexpr std::array kMatrix = {kM};
constexpr std::array kScalar = {kS};
constexpr std::array kVector = {kV};
constexpr std::array kMatrixScalar = {kM, kS};
constexpr std::array kScalarMatrix = {kS, kM};
constexpr std::array kScalarScalar = {kS, kS};
constexpr std::array kScalarVector = {kS, kV};
constexpr std::array kVectorScalar = {kV, kS};
constexpr std::array kVectorString = {kV, kT};
constexpr std::array kVectorVector = {kV, kV};
constexpr std::array kMatrixScalarScalar = {kM, kS, kS};
constexpr std::array kScalarScalarVector = {kS, kS, kV};
constexpr std::array kVectorScalarScalar = {kV, kS, kS};
constexpr std::array kVectorStringScalarScalar = {kV, kT, kS, kS};
constexpr std::array kVectorStringStringString = {kV, kT, kT, kT};
constexpr std::array kVectorStringStringStringString = {kV, kT, kT, kT, kT};
constexpr std::span<const ValueType> kNone;

constexpr bool kStable = false;
constexpr bool kExperimental = true;

// Sorted by name: find_function() searches by halves. One row a FunctionId.
constexpr Function kFunctions[] = {
    {"abs", FunctionId::kAbs, kVector, 0, kV, kStable},
    {"absent", FunctionId::kAbsent, kVector, 0, kV, kStable},
    {"absent_over_time", FunctionId::kAbsentOverTime, kMatrix, 0, kV, kStable},
    {"acos", FunctionId::kAcos, kVector, 0, kV, kStable},
    {"acosh", FunctionId::kAcosh, kVector, 0, kV, kStable},
    {"asin", FunctionId::kAsin, kVector, 0, kV, kStable},
    {"asinh", FunctionId::kAsinh, kVector, 0, kV, kStable},
    {"atan", FunctionId::kAtan, kVector, 0, kV, kStable},
    {"atanh", FunctionId::kAtanh, kVector, 0, kV, kStable},
    {"avg_over_time", FunctionId::kAvgOverTime, kMatrix, 0, kV, kStable},
    {"ceil", FunctionId::kCeil, kVector, 0, kV, kStable},
    {"changes", FunctionId::kChanges, kMatrix, 0, kV, kStable},
    {"clamp", FunctionId::kClamp, kVectorScalarScalar, 0, kV, kStable},
    {"clamp_max", FunctionId::kClampMax, kVectorScalar, 0, kV, kStable},
    {"clamp_min", FunctionId::kClampMin, kVectorScalar, 0, kV, kStable},
    {"cos", FunctionId::kCos, kVector, 0, kV, kStable},
    {"cosh", FunctionId::kCosh, kVector, 0, kV, kStable},
    {"count_over_time", FunctionId::kCountOverTime, kMatrix, 0, kV, kStable},
    {"day_of_month", FunctionId::kDayOfMonth, kVector, 1, kV, kStable},
    {"day_of_week", FunctionId::kDayOfWeek, kVector, 1, kV, kStable},
    {"day_of_year", FunctionId::kDayOfYear, kVector, 1, kV, kStable},
    {"days_in_month", FunctionId::kDaysInMonth, kVector, 1, kV, kStable},
    {"deg", FunctionId::kDeg, kVector, 0, kV, kStable},
    {"delta", FunctionId::kDelta, kMatrix, 0, kV, kStable},
    {"deriv", FunctionId::kDeriv, kMatrix, 0, kV, kStable},
    {"double_exponential_smoothing", FunctionId::kDoubleExponentialSmoothing, kMatrixScalarScalar,
     0, kV, kExperimental},
    {"end", FunctionId::kEnd, kNone, 0, kS, kExperimental},
    {"exp", FunctionId::kExp, kVector, 0, kV, kStable},
    {"first_over_time", FunctionId::kFirstOverTime, kMatrix, 0, kV, kExperimental},
    {"floor", FunctionId::kFloor, kVector, 0, kV, kStable},
    {"histogram_avg", FunctionId::kHistogramAvg, kVector, 0, kV, kStable},
    {"histogram_count", FunctionId::kHistogramCount, kVector, 0, kV, kStable},
    {"histogram_fraction", FunctionId::kHistogramFraction, kScalarScalarVector, 0, kV, kStable},
    {"histogram_quantile", FunctionId::kHistogramQuantile, kScalarVector, 0, kV, kStable},
    {"histogram_quantiles", FunctionId::kHistogramQuantiles, kVectorStringScalarScalar, 9, kV,
     kExperimental},
    {"histogram_stddev", FunctionId::kHistogramStddev, kVector, 0, kV, kStable},
    {"histogram_stdvar", FunctionId::kHistogramStdvar, kVector, 0, kV, kStable},
    {"histogram_sum", FunctionId::kHistogramSum, kVector, 0, kV, kStable},
    {"hour", FunctionId::kHour, kVector, 1, kV, kStable},
    {"idelta", FunctionId::kIdelta, kMatrix, 0, kV, kStable},
    {"increase", FunctionId::kIncrease, kMatrix, 0, kV, kStable},
    {"info", FunctionId::kInfo, kVectorVector, 1, kV, kExperimental},
    {"irate", FunctionId::kIrate, kMatrix, 0, kV, kStable},
    {"label_join", FunctionId::kLabelJoin, kVectorStringStringString, -1, kV, kStable},
    {"label_replace", FunctionId::kLabelReplace, kVectorStringStringStringString, 0, kV, kStable},
    {"last_over_time", FunctionId::kLastOverTime, kMatrix, 0, kV, kStable},
    {"ln", FunctionId::kLn, kVector, 0, kV, kStable},
    {"log10", FunctionId::kLog10, kVector, 0, kV, kStable},
    {"log2", FunctionId::kLog2, kVector, 0, kV, kStable},
    {"mad_over_time", FunctionId::kMadOverTime, kMatrix, 0, kV, kExperimental},
    {"max_of", FunctionId::kMaxOf, kScalarScalar, 0, kS, kExperimental},
    {"max_over_time", FunctionId::kMaxOverTime, kMatrix, 0, kV, kStable},
    {"min_of", FunctionId::kMinOf, kScalarScalar, 0, kS, kExperimental},
    {"min_over_time", FunctionId::kMinOverTime, kMatrix, 0, kV, kStable},
    {"minute", FunctionId::kMinute, kVector, 1, kV, kStable},
    {"month", FunctionId::kMonth, kVector, 1, kV, kStable},
    {"pi", FunctionId::kPi, kNone, 0, kS, kStable},
    {"predict_linear", FunctionId::kPredictLinear, kMatrixScalar, 0, kV, kStable},
    {"present_over_time", FunctionId::kPresentOverTime, kMatrix, 0, kV, kStable},
    {"quantile_over_time", FunctionId::kQuantileOverTime, kScalarMatrix, 0, kV, kStable},
    {"rad", FunctionId::kRad, kVector, 0, kV, kStable},
    {"range", FunctionId::kRange, kNone, 0, kS, kExperimental},
    {"rate", FunctionId::kRate, kMatrix, 0, kV, kStable},
    {"resets", FunctionId::kResets, kMatrix, 0, kV, kStable},
    {"round", FunctionId::kRound, kVectorScalar, 1, kV, kStable},
    {"scalar", FunctionId::kScalar, kVector, 0, kS, kStable},
    {"sgn", FunctionId::kSgn, kVector, 0, kV, kStable},
    {"sin", FunctionId::kSin, kVector, 0, kV, kStable},
    {"sinh", FunctionId::kSinh, kVector, 0, kV, kStable},
    {"sort", FunctionId::kSort, kVector, 0, kV, kStable},
    {"sort_by_label", FunctionId::kSortByLabel, kVectorString, -1, kV, kExperimental},
    {"sort_by_label_desc", FunctionId::kSortByLabelDesc, kVectorString, -1, kV, kExperimental},
    {"sort_desc", FunctionId::kSortDesc, kVector, 0, kV, kStable},
    {"sqrt", FunctionId::kSqrt, kVector, 0, kV, kStable},
    {"start", FunctionId::kStart, kNone, 0, kS, kExperimental},
    {"start_timestamp", FunctionId::kStartTimestamp, kVector, 0, kV, kExperimental},
    {"stddev_over_time", FunctionId::kStddevOverTime, kMatrix, 0, kV, kStable},
    {"stdvar_over_time", FunctionId::kStdvarOverTime, kMatrix, 0, kV, kStable},
    {"step", FunctionId::kStep, kNone, 0, kS, kExperimental},
    {"sum_over_time", FunctionId::kSumOverTime, kMatrix, 0, kV, kStable},
    {"tan", FunctionId::kTan, kVector, 0, kV, kStable},
    {"tanh", FunctionId::kTanh, kVector, 0, kV, kStable},
    {"time", FunctionId::kTime, kNone, 0, kS, kStable},
    {"timestamp", FunctionId::kTimestamp, kVector, 0, kV, kStable},
    {"ts_of_first_over_time", FunctionId::kTsOfFirstOverTime, kMatrix, 0, kV, kExperimental},
    {"ts_of_last_over_time", FunctionId::kTsOfLastOverTime, kMatrix, 0, kV, kExperimental},
    {"ts_of_max_over_time", FunctionId::kTsOfMaxOverTime, kMatrix, 0, kV, kExperimental},
    {"ts_of_min_over_time", FunctionId::kTsOfMinOverTime, kMatrix, 0, kV, kExperimental},
    {"vector", FunctionId::kVector, kScalar, 0, kV, kStable},
    {"year", FunctionId::kYear, kVector, 1, kV, kStable},
};

static_assert(std::ranges::is_sorted(kFunctions, {}, &Function::name));
static_assert([] {
  for (size_t i = 0; i < std::size(kFunctions); ++i) {
    if (static_cast<size_t>(kFunctions[i].id) != i) return false;
  }
  return true;
}());

}  // namespace

const Function* find_function(std::string_view name) {
  const auto* found = std::ranges::lower_bound(kFunctions, name, {}, &Function::name);
  return found != std::end(kFunctions) && found->name == name ? found : nullptr;
}

std::span<const Function> all_functions() { return kFunctions; }

}  // namespace gatehouse::promql

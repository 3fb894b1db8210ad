// Functions over range vectors: which kernel, with which parameters, and what is
// said of what it found.
#include <cmath>

#include "lang/promql/eval/mapped.h"
#include "lang/promql/eval/range_kernel.h"

namespace gatehouse::promql {

RangeKernel find_range_kernel(FunctionId id, Expansion expansion) {
  const bool extended = expansion != Expansion::kNone;
  switch (id) {
    case FunctionId::kRate: return extended ? extended_rate_kernel : rate_kernel;
    case FunctionId::kIncrease: return extended ? extended_increase_kernel : increase_kernel;
    case FunctionId::kDelta: return extended ? extended_delta_kernel : delta_kernel;
    case FunctionId::kChanges: return extended ? anchored_changes_kernel : changes_kernel;
    case FunctionId::kResets: return extended ? anchored_resets_kernel : resets_kernel;
    case FunctionId::kIrate: return irate_kernel;
    case FunctionId::kIdelta: return idelta_kernel;
    case FunctionId::kSumOverTime: return sum_kernel;
    case FunctionId::kAvgOverTime: return avg_kernel;
    case FunctionId::kMinOverTime: return min_kernel;
    case FunctionId::kMaxOverTime: return max_kernel;
    case FunctionId::kCountOverTime: return count_kernel;
    case FunctionId::kPresentOverTime: return present_kernel;
    case FunctionId::kFirstOverTime: return first_kernel;
    case FunctionId::kLastOverTime: return last_kernel;
    case FunctionId::kTsOfMinOverTime: return time_of_min_kernel;
    case FunctionId::kTsOfMaxOverTime: return time_of_max_kernel;
    case FunctionId::kTsOfFirstOverTime: return time_of_first_kernel;
    case FunctionId::kTsOfLastOverTime: return time_of_last_kernel;
    case FunctionId::kStddevOverTime: return stddev_kernel;
    case FunctionId::kStdvarOverTime: return stdvar_kernel;
    case FunctionId::kQuantileOverTime: return quantile_kernel;
    case FunctionId::kMadOverTime: return mad_kernel;
    case FunctionId::kDeriv: return deriv_kernel;
    case FunctionId::kPredictLinear: return predict_kernel;
    case FunctionId::kDoubleExponentialSmoothing: return smoothing_kernel;
    default: return nullptr;
  }
}

namespace {

bool is_counter_name(std::string_view metric) {
  return metric.ends_with("_total") || metric.ends_with("_sum") || metric.ends_with("_count") ||
         metric.ends_with("_bucket");
}

class RangeCall final : public VectorSource {
 public:
  RangeCall(Evaluation& evaluation, const CallExpr& call, std::unique_ptr<RangeSource> range,
            RangeKernel kernel, Position position, const Scope& scope)
      : evaluation_(evaluation), range_(std::move(range)), kernel_(kernel), position_(position) {
    step_times_.resize(scope.steps.count);
    for (size_t i = 0; i < scope.steps.count; ++i) step_times_[i] = scope.steps.time_ms(i);
    const FunctionId id = call.function->id;
    keeps_name_ = id == FunctionId::kLastOverTime || id == FunctionId::kFirstOverTime;
    counts_up_ = id == FunctionId::kRate || id == FunctionId::kIncrease;
    // The name in the selector spares a look at every series' labels.
    const Expr& argument = unwrap_parens(*call.arguments[0]);
    if (counts_up_ && argument.kind == Expr::Kind::kMatrixSelector) {
      const std::string& metric = as<MatrixSelector>(argument).selector->name;
      counts_up_ = metric.empty() || !is_counter_name(metric);
    }
  }

  size_t size() const override { return range_->size(); }
  bool one_metric() const override { return range_->one_metric(); }
  SeriesName name(size_t i) const override {
    const SeriesName name = range_->name(i);
    return keeps_name_ ? name : evaluation_.without_metric_name(name);
  }

  Status column(size_t i, Column& out, Worker& worker) const override {
    model::SampleColumns& samples = worker.samples;
    RETURN_IF_ERROR(range_->samples(i, samples, worker));
    const WindowPlan& plan = range_->plan();
    out.reset(plan.count);
    if (samples.empty()) return {};
    find_windows(samples.times_ms, plan, worker.windows);
    Notes notes = 0;
    const RangeInput input{samples,     plan,          worker.windows.low, worker.windows.high,
                           step_times_, parameters[0], parameters[1],      notes,
                           worker};
    kernel_(input, out);
    if (counts_up_) note_non_counter(i, samples, worker, notes);
    if (notes != 0) say(i, notes);
    return {};
  }

  std::vector<double> parameters[2];
  Position parameter_position;

 private:
  void note_non_counter(size_t i, const model::SampleColumns& samples, const Worker& worker,
                        Notes& notes) const {
    const std::string_view metric = range_->name(i).metric();
    if (metric.empty() || is_counter_name(metric)) return;
    const Windows& windows = worker.windows;
    for (uint32_t at = windows.low.back(); at < windows.high.back(); ++at) {
      if (!samples.histograms.empty() && samples.histograms[at]) continue;
      notes |= kNotePossibleNonCounter;
      return;
    }
  }

  void say(size_t i, Notes notes) const {
    if ((notes & kNoteInvalidQuantile) != 0) {
      for (double q : parameters[0]) {
        if (q >= 0 && q <= 1) continue;
        evaluation_.annotator().warn(
            "quantile value should be between 0 and 1, got " + go_number(q), parameter_position);
      }
    }
    evaluation_.annotator().say(notes, range_->name(i).metric(), position_);
  }

  Evaluation& evaluation_;
  std::unique_ptr<RangeSource> range_;
  RangeKernel kernel_;
  Position position_;
  std::vector<int64_t> step_times_;
  bool keeps_name_ = false;
  bool counts_up_ = false;
};

Status check_smoothing(double smoothing, double trend) {
  const auto text = [](double value) { return std::to_string(value); };
  if (!(smoothing > 0 && smoothing < 1)) {
    return invalid_argument("invalid smoothing factor. Expected: 0 < sf < 1, got: " +
                            text(smoothing));
  }
  if (!(trend > 0 && trend < 1)) {
    return invalid_argument("invalid trend factor. Expected: 0 < tf < 1, got: " + text(trend));
  }
  return {};
}

// Extended ranges have a meaning for some functions alone.
Status check_expansion(const Function& function, const Expr& argument) {
  const Expr& plain = unwrap_parens(argument);
  if (plain.kind != Expr::Kind::kMatrixSelector) return {};
  const Expansion expansion = as<MatrixSelector>(plain).selector->expansion;
  if (expansion == Expansion::kNone) return {};
  const FunctionId id = function.id;
  const bool grows =
      id == FunctionId::kDelta || id == FunctionId::kIncrease || id == FunctionId::kRate;
  if (grows) return {};
  const bool anchored = expansion == Expansion::kAnchored;
  if (anchored && (id == FunctionId::kChanges || id == FunctionId::kResets)) return {};
  return invalid_argument(
      std::string(anchored ? "anchored" : "smoothed") + " modifier can only be used with: " +
      (anchored ? "changes, delta, increase, rate, resets" : "delta, increase, rate") +
      " - not with " + std::string(function.name));
}

}  // namespace

Result<VectorPtr> call_over_range(Evaluation& evaluation, const CallExpr& call,
                                  const Scope& scope) {
  size_t at = 0;
  while (call.arguments[at]->type != ValueType::kMatrix) ++at;
  const Expr& argument = *call.arguments[at];
  RETURN_IF_ERROR(check_expansion(*call.function, argument));
  ASSIGN_OR_RETURN(std::unique_ptr<RangeSource> range, evaluation.range(argument, scope));
  const FunctionId id = call.function->id;
  const RangeKernel kernel = find_range_kernel(id, range->plan().expansion);
  if (kernel == nullptr) {
    return Status(Code::kUnimplemented,
                  "the function " + std::string(call.function->name) + " is not implemented");
  }
  auto out = std::make_unique<RangeCall>(evaluation, call, std::move(range), kernel,
                                         argument.position, scope);
  size_t parameter = 0;
  for (size_t i = 0; i < call.arguments.size(); ++i) {
    if (i == at || parameter == 2) continue;
    ASSIGN_OR_RETURN(out->parameters[parameter], evaluation.scalar(*call.arguments[i], scope));
    if (parameter++ == 0) out->parameter_position = call.arguments[i]->position;
  }
  if (id == FunctionId::kDoubleExponentialSmoothing && out->size() > 0) {
    for (size_t i = 0; i < scope.steps.count; ++i) {
      RETURN_IF_ERROR(check_smoothing(out->parameters[0][i], out->parameters[1][i]));
    }
  }
  return after_name_change(evaluation, std::move(out), scope);
}

}  // namespace gatehouse::promql

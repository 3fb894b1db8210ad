#include "lang/promql/eval/evaluation.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <unordered_map>

#include "lang/promql/duration.h"
#include "lang/promql/eval/binary_operation.h"
#include "lang/promql/eval/range_source.h"
#include "lang/promql/function_ids.h"

namespace gatehouse::promql {

namespace {

// A column of the one moment, shown at every step.
class Repeated final : public VectorSource {
 public:
  Repeated(VectorPtr inner, size_t steps) : inner_(std::move(inner)), steps_(steps) {}
  size_t size() const override { return inner_->size(); }
  SeriesName name(size_t i) const override { return inner_->name(i); }
  bool one_metric() const override { return inner_->one_metric(); }
  Status column(size_t i, Column& out, Worker& worker) const override {
    RETURN_IF_ERROR(inner_->column(i, out, worker));
    const double value = out.values[0];
    const HistogramPtr histogram = out.histogram(0);
    out.values.assign(steps_, value);
    if (histogram) {
      out.histograms.assign(steps_, histogram);
    } else {
      out.histograms.clear();
    }
    return {};
  }

 private:
  VectorPtr inner_;
  size_t steps_;
};

// A function whose answer is of the moment it is asked at, whatever it reads.
bool is_of_the_moment(FunctionId id) {
  switch (id) {
    case FunctionId::kTime:
    case FunctionId::kTimestamp:
    case FunctionId::kPredictLinear:
    case FunctionId::kDayOfMonth:
    case FunctionId::kDayOfWeek:
    case FunctionId::kDayOfYear:
    case FunctionId::kDaysInMonth:
    case FunctionId::kHour:
    case FunctionId::kMinute:
    case FunctionId::kMonth:
    case FunctionId::kYear:
    case FunctionId::kInfo: return true;
    default: return false;
  }
}

}  // namespace

bool is_step_invariant(const Expr& expr) {
  switch (expr.kind) {
    case Expr::Kind::kNumber:
    case Expr::Kind::kString: return true;
    case Expr::Kind::kVectorSelector:
      return as<VectorSelector>(expr).at.kind != AtModifier::Kind::kNone;
    case Expr::Kind::kMatrixSelector: return is_step_invariant(*as<MatrixSelector>(expr).selector);
    case Expr::Kind::kSubquery: return as<SubqueryExpr>(expr).at.kind != AtModifier::Kind::kNone;
    case Expr::Kind::kCall: {
      const auto& call = as<CallExpr>(expr);
      if (is_of_the_moment(call.function->id)) return false;
      return std::all_of(call.arguments.begin(), call.arguments.end(),
                         [](const ExprPtr& argument) { return is_step_invariant(*argument); });
    }
    case Expr::Kind::kAggregate: {
      const auto& aggregate = as<AggregateExpr>(expr);
      return is_step_invariant(*aggregate.inner) &&
             (!aggregate.parameter || is_step_invariant(*aggregate.parameter));
    }
    case Expr::Kind::kBinary:
      return is_step_invariant(*as<BinaryExpr>(expr).left) &&
             is_step_invariant(*as<BinaryExpr>(expr).right);
    case Expr::Kind::kUnary: return is_step_invariant(*as<UnaryExpr>(expr).inner);
    case Expr::Kind::kParen: return is_step_invariant(*as<ParenExpr>(expr).inner);
  }
  return false;
}

Evaluation::Evaluation(std::string_view query, QueryTimes times, const QueryOptions& options,
                       const model::SampleReader& reader, model::QueryContext& context,
                       Parallel* parallel)
    : query_(query),
      times_(times),
      options_(options),
      reader_(reader),
      context_(context),
      parallel_(parallel),
      annotator_(query),
      arena_(context) {}

Result<VectorPtr> Evaluation::vector(const Expr& expr, const Scope& scope) {
  RETURN_IF_ERROR(context_.check());
  if (scope.steps.count > 1 && is_step_invariant(expr)) {
    Scope once = scope;
    once.steps.count = 1;
    ASSIGN_OR_RETURN(VectorPtr inner, vector_at_scope(expr, once));
    return VectorPtr(std::make_unique<Repeated>(std::move(inner), scope.steps.count));
  }
  return vector_at_scope(expr, scope);
}

Result<VectorPtr> Evaluation::vector_at_scope(const Expr& expr, const Scope& scope) {
  switch (expr.kind) {
    case Expr::Kind::kVectorSelector:
      return select_vector(*this, as<VectorSelector>(expr), SampleField::kValue, scope);
    case Expr::Kind::kParen: return vector_at_scope(*as<ParenExpr>(expr).inner, scope);
    case Expr::Kind::kUnary: {
      const auto& unary = as<UnaryExpr>(expr);
      if (!unary.negative) return vector_at_scope(*unary.inner, scope);
      return negate(*this, *unary.inner, scope);
    }
    case Expr::Kind::kAggregate: {
      const auto& aggregation = as<AggregateExpr>(expr);
      switch (aggregation.op) {
        case AggregateOp::kTopk:
        case AggregateOp::kBottomk:
        case AggregateOp::kLimitk:
        case AggregateOp::kLimitRatio: return aggregate_pick(*this, aggregation, scope);
        default: return aggregate(*this, aggregation, scope);
      }
    }
    case Expr::Kind::kBinary: {
      const auto& binary = as<BinaryExpr>(expr);
      // Prometheus looks for histogram_count() and its like anew on each side.
      Scope side = scope;
      side.stats_only = false;
      side.stats_barred = false;
      if (is_set_operator(binary.op)) return binary_of_sets(*this, binary, side);
      if (binary.left->type == ValueType::kVector && binary.right->type == ValueType::kVector) {
        return binary_of_vectors(*this, binary, side);
      }
      return binary_with_scalar(*this, binary, side);
    }
    case Expr::Kind::kCall: {
      const auto& call = as<CallExpr>(expr);
      for (const ValueType type : call.function->arguments) {
        if (type != ValueType::kMatrix) continue;
        return call.function->id == FunctionId::kAbsentOverTime
                   ? call_absent(*this, call, scope)
                   : call_over_range(*this, call, scope);
      }
      return call_on_vector(*this, call, scope);
    }
    default: return internal_error("an expression that is no instant vector");
  }
}

Result<BlockPtr> Evaluation::block(const Expr& expr, const Scope& scope) {
  ASSIGN_OR_RETURN(VectorPtr source, vector(expr, scope));
  return materialise(std::move(source), scope);
}

Result<BlockPtr> Evaluation::materialise(VectorPtr source, const Scope& scope) {
  if (source->block() != nullptr) {
    return BlockPtr(static_cast<Block*>(source.release()));
  }
  const size_t size = source->size();
  RETURN_IF_ERROR(charge_columns(size, scope.steps.count));
  auto out = std::make_unique<Block>(scope.steps.count);
  out->resize(size);
  const Status status = in_parts(size, parts(size, 64),
                                 [&](size_t begin, size_t end, size_t /*part*/, Worker& worker) {
                                   for (size_t i = begin; i < end; ++i) {
                                     RETURN_IF_ERROR(source->column(i, worker.column, worker));
                                     out->set_name(i, source->name(i));
                                     out->put(i, std::move(worker.column));
                                   }
                                   return Status();
                                 });
  RETURN_IF_ERROR(status);
  out->drop_empty();
  return out;
}

Result<const model::SeriesSet*> Evaluation::select(std::span<const model::Matcher> matchers,
                                                   model::TimeRangeMs range) {
  ASSIGN_OR_RETURN(auto set, reader_.select(matchers, range, model::SeriesOrder::kAny, context_));
  sets_.push_back(std::move(set));
  return sets_.back().get();
}

size_t Evaluation::parts(size_t n, size_t grain) const {
  if (parallel_ == nullptr || options_.threads <= 1) return 1;
  return std::clamp<size_t>(n / grain, 1, static_cast<size_t>(options_.threads));
}

Status Evaluation::in_parts(size_t n, size_t parts,
                            const std::function<Status(size_t, size_t, size_t, Worker&)>& work) {
  if (n == 0) return {};
  if (parts <= 1) {
    Worker worker(context_);
    return work(0, n, 0, worker);
  }
  std::vector<Status> outcomes(parts);
  parallel_->run(parts, [&](size_t part) {
    Worker worker(context_);
    outcomes[part] = work(n * part / parts, n * (part + 1) / parts, part, worker);
  });
  for (const Status& outcome : outcomes) RETURN_IF_ERROR(outcome);
  return {};
}

Result<int64_t> Evaluation::milliseconds(const Duration& duration, bool negative_allowed) const {
  if (!duration.expression) return duration.ms;
  return resolve_duration(duration, {times_.step_ms, times_.end_ms - times_.begin_ms},
                          negative_allowed);
}

int64_t Evaluation::at_ms(const AtModifier& at) const {
  switch (at.kind) {
    case AtModifier::Kind::kStart: return times_.begin_ms;
    case AtModifier::Kind::kEnd: return times_.end_ms;
    default: return at.time_ms;
  }
}

SeriesName Evaluation::without_metric_name(SeriesName name) {
  if (options_.delayed_name_removal) {
    name.drop_name = true;
    return name;
  }
  return {without_schema_labels(name.labels), false};
}

LabelsView Evaluation::without_schema_labels(LabelsView labels) {
  const auto is_schema = [](const LabelView& label) { return is_schema_label(label.name); };
  const auto first = std::find_if(labels.begin(), labels.end(), is_schema);
  if (first == labels.end()) return labels;
  const auto end = std::find_if_not(first, labels.end(), is_schema);
  // Most often they come before all others: what follows is a view of its own.
  if (first == labels.begin() && std::none_of(end, labels.end(), is_schema)) {
    return labels.subspan(static_cast<size_t>(end - labels.begin()));
  }
  std::vector<LabelView> kept;
  std::remove_copy_if(labels.begin(), labels.end(), std::back_inserter(kept), is_schema);
  return arena_.keep(kept);
}

Status Evaluation::merge_equal_names(BlockPtr& block) {
  std::unordered_multimap<uint64_t, size_t> seen;
  seen.reserve(block->size());
  std::vector<size_t> into(block->size());
  bool any = false;
  for (size_t i = 0; i < block->size(); ++i) {
    const LabelsView labels = block->name(i).labels;
    const uint64_t hash = hash_labels(labels);
    into[i] = i;
    const auto [first, last] = seen.equal_range(hash);
    for (auto at = first; at != last; ++at) {
      if (!same_labels(block->name(at->second).labels, labels)) continue;
      into[i] = at->second;
      any = true;
      break;
    }
    if (into[i] == i) seen.emplace(hash, i);
  }
  if (!any) return {};
  for (size_t i = 0; i < block->size(); ++i) {
    const size_t to = into[i];
    if (to == i) continue;
    for (size_t step = 0; step < block->steps(); ++step) {
      if (!block->present(i, step)) continue;
      if (block->present(to, step)) {
        return invalid_argument("vector cannot contain metrics with the same labelset");
      }
      block->copy(to, step, *block, i);
    }
    if (block->name(i).drop_name) {
      block->set_name(to, {block->name(to).labels, true});
    }
  }
  auto merged = std::make_unique<Block>(block->steps());
  for (size_t i = 0; i < block->size(); ++i) {
    if (into[i] != i) continue;
    const size_t to = merged->add(block->name(i));
    for (size_t step = 0; step < block->steps(); ++step) {
      if (block->present(i, step)) merged->copy(to, step, *block, i);
    }
  }
  block = std::move(merged);
  return {};
}

bool selects_one_metric(const VectorSelector& selector) {
  return std::any_of(
      selector.matchers.begin(), selector.matchers.end(), [](const model::Matcher& matcher) {
        return matcher.name() == model::kMetricName && matcher.op() == model::Matcher::Op::kEqual;
      });
}

std::string Evaluation::string(const Expr& expr) const {
  return as<StringExpr>(unwrap_parens(expr)).value;
}

Result<std::vector<double>> Evaluation::scalar(const Expr& expr, const Scope& scope) {
  const size_t steps = scope.steps.count;
  switch (expr.kind) {
    case Expr::Kind::kNumber: return std::vector<double>(steps, as<NumberExpr>(expr).value);
    case Expr::Kind::kParen: return scalar(*as<ParenExpr>(expr).inner, scope);
    case Expr::Kind::kUnary: {
      ASSIGN_OR_RETURN(std::vector<double> values, scalar(*as<UnaryExpr>(expr).inner, scope));
      if (as<UnaryExpr>(expr).negative) {
        for (double& value : values) value = -value;
      }
      return values;
    }
    case Expr::Kind::kBinary: {
      const auto& binary = as<BinaryExpr>(expr);
      ASSIGN_OR_RETURN(std::vector<double> left, scalar(*binary.left, scope));
      ASSIGN_OR_RETURN(const std::vector<double> right, scalar(*binary.right, scope));
      for (size_t i = 0; i < steps; ++i) {
        left[i] = is_comparison(binary.op) ? (compare(binary.op, left[i], right[i]) ? 1 : 0)
                                           : calculate(binary.op, left[i], right[i]);
      }
      return left;
    }
    case Expr::Kind::kCall: return scalar_call(as<CallExpr>(expr), scope);
    default: return internal_error("an expression that is no scalar");
  }
}

Result<std::vector<double>> Evaluation::scalar_call(const CallExpr& call, const Scope& scope) {
  const size_t steps = scope.steps.count;
  const auto constant = [steps](double value) { return std::vector<double>(steps, value); };
  switch (call.function->id) {
    case FunctionId::kTime: {
      std::vector<double> values(steps);
      for (size_t i = 0; i < steps; ++i) {
        values[i] = static_cast<double>(scope.steps.time_ms(i)) / 1000;
      }
      return values;
    }
    case FunctionId::kPi: return constant(3.14159265358979323846);
    case FunctionId::kStart: return constant(static_cast<double>(times_.begin_ms) / 1000);
    case FunctionId::kEnd: return constant(static_cast<double>(times_.end_ms) / 1000);
    case FunctionId::kStep: return constant(static_cast<double>(times_.step_ms) / 1000);
    case FunctionId::kRange:
      return constant(static_cast<double>(times_.end_ms - times_.begin_ms) / 1000);
    case FunctionId::kMinOf:
    case FunctionId::kMaxOf: {
      ASSIGN_OR_RETURN(std::vector<double> left, scalar(*call.arguments[0], scope));
      ASSIGN_OR_RETURN(const std::vector<double> right, scalar(*call.arguments[1], scope));
      const bool smaller = call.function->id == FunctionId::kMinOf;
      for (size_t i = 0; i < steps; ++i) {
        if (std::isnan(left[i]) || std::isnan(right[i])) {
          left[i] = kNan;
        } else {
          left[i] = smaller ? std::min(left[i], right[i]) : std::max(left[i], right[i]);
        }
      }
      return left;
    }
    case FunctionId::kScalar: {
      ASSIGN_OR_RETURN(const VectorPtr source, vector(*call.arguments[0], scope));
      std::vector<double> values(steps, kNan);
      std::vector<uint32_t> found(steps, 0);
      Worker worker(context_);
      for (size_t i = 0; i < source->size(); ++i) {
        RETURN_IF_ERROR(source->column(i, worker.column, worker));
        for (size_t step = 0; step < steps; ++step) {
          const double value = worker.column.values[step];
          if (!is_present(value)) continue;
          values[step] = ++found[step] == 1 ? value : kNan;
        }
      }
      return values;
    }
    default:
      return internal_error("a function that gives no scalar: " + std::string(call.function->name));
  }
}

}  // namespace gatehouse::promql

// Aggregations that make one value of a group's at every step: sum, avg, count,
// min, max, group, stddev, stdvar, quantile and count_values.
//
// Each series' column is computed, added to its group's columns and forgotten. The
// series are cut into ranges; every worker has columns of its own, which are merged
// in the order of the ranges, so that the same query gives the same digits.
#include <cmath>
#include <map>
#include <mutex>

#include "base/text.h"
#include "lang/promql/eval/evaluation.h"
#include "lang/promql/eval/range_kernel.h"
#include "lang/promql/histogram/arithmetic.h"

namespace gatehouse::promql {
namespace {

constexpr std::string_view kMixed = "encountered a mix of histograms and floats for aggregation";

// A group's state at every step. Which of the numbers are in use depends on the
// operator; those that are not stay empty.
struct Accumulator {
  std::vector<uint32_t> counts;  // of floats; of histograms too for count and group
  std::vector<double> first;     // sum, extreme or mean
  std::vector<double> second;    // the sum's rest, or the squares
  std::vector<std::unique_ptr<HistogramSum>> histograms;  // empty until one is met
  std::vector<uint8_t> broken;  // histograms that do not go together; empty as above

  bool used() const { return !counts.empty(); }
};

struct Sums {
  static void add(double value, double& sum, double& rest) {
    // Knuth's two-sum: the error of the addition, without a branch. Once the sum is
    // not finite the rest means nothing, and is left out at the end.
    const double total = sum + value;
    const double part = total - sum;
    rest += (sum - (total - part)) + (value - part);
    sum = total;
  }
  static double value(double sum, double rest) { return std::isfinite(sum) ? sum + rest : sum; }
};

class Aggregation {
 public:
  Aggregation(Evaluation& evaluation, const AggregateExpr& expr, const VectorSource& source,
              size_t steps)
      : evaluation_(evaluation), expr_(expr), source_(source), steps_(steps) {}

  // The group of each series.
  void find_groups() {
    LabelGroups groups(LabelKey(!expr_.without, expr_.grouping));
    group_of_.resize(source_.size());
    if (groups.key().trivial()) {
      // All are one: the names are wanted only for whether theirs is to go.
      names_.push_back({});
      drop_name_.push_back(false);
      return;
    }
    for (size_t i = 0; i < source_.size(); ++i) {
      const SeriesName name = source_.name(i);
      const uint32_t group = groups.add(name.labels);
      group_of_[i] = group;
      if (group == drop_name_.size()) drop_name_.push_back(false);
      if (name.drop_name) drop_name_[group] = true;
    }
    for (uint32_t group = 0; group < groups.size(); ++group) {
      names_.push_back(evaluation_.arena().keep(groups.key().project(groups.first(group))));
    }
  }

  Status run(double scale) {
    scale_ = scale;
    // More parts than threads where that costs little, as no thread can be told when it will run.
    constexpr size_t kPartsAThread = 4;
    constexpr size_t kCheapNumbers = 16'384;
    size_t parts = evaluation_.parts(source_.size(), 64);
    if (parts > 1 && names_.size() * steps_ <= kCheapNumbers) {
      parts = std::min(parts * kPartsAThread, source_.size() / 64);
    }
    totals_.clear();
    totals_.resize(parts);
    const Status status = evaluation_.in_parts(
        source_.size(), parts, [this](size_t begin, size_t end, size_t part, Worker& worker) {
          std::vector<Accumulator>& groups = totals_[part];
          groups.resize(names_.size());
          for (size_t i = begin; i < end; ++i) {
            RETURN_IF_ERROR(source_.column(i, worker.column, worker));
            Accumulator& group = groups[group_of_[i]];
            if (!group.used()) RETURN_IF_ERROR(prepare(group));
            add(worker.column, i, group);
          }
          return Status();
        });
    RETURN_IF_ERROR(status);
    for (size_t part = 1; part < parts; ++part) {
      for (size_t group = 0; group < names_.size(); ++group) {
        merge(totals_[part][group], totals_[0][group]);
      }
    }
    return {};
  }

  // Whether a mean's sum went beyond what a double holds.
  bool overflown() const {
    if (expr_.op != AggregateOp::kAvg) return false;
    for (const Accumulator& group : totals_[0]) {
      for (double sum : group.first) {
        if (std::isinf(sum)) return true;
      }
    }
    return false;
  }

  BlockPtr result() {
    auto out = std::make_unique<Block>(steps_);
    for (size_t i = 0; i < names_.size(); ++i) {
      Accumulator& group = totals_[0][i];
      if (!group.used()) continue;
      const size_t row = out->add({names_[i], drop_name_[i]});
      for (size_t step = 0; step < steps_; ++step) finish(group, step, row, *out);
    }
    out->drop_empty();
    return out;
  }

 private:
  bool of_floats_alone() const {
    return expr_.op != AggregateOp::kSum && expr_.op != AggregateOp::kAvg &&
           expr_.op != AggregateOp::kCount && expr_.op != AggregateOp::kGroup;
  }

  Status prepare(Accumulator& group) {
    RETURN_IF_ERROR(evaluation_.context().charge(static_cast<int64_t>(steps_ * 20)));
    group.counts.assign(steps_, 0);
    switch (expr_.op) {
      case AggregateOp::kCount:
      case AggregateOp::kGroup: break;
      case AggregateOp::kMin:
      case AggregateOp::kMax: group.first.assign(steps_, kNoSample); break;
      default: group.first.assign(steps_, 0); group.second.assign(steps_, 0);
    }
    return {};
  }

  void add(const Column& column, size_t series, Accumulator& group) {
    const double* const values = column.values.data();
    uint32_t* const counts = group.counts.data();
    double* const first = group.first.data();
    double* const second = group.second.data();
    switch (expr_.op) {
      case AggregateOp::kSum:
        for (size_t i = 0; i < steps_; ++i) {
          if (!is_present(values[i])) continue;
          ++counts[i];
          Sums::add(values[i], first[i], second[i]);
        }
        break;
      case AggregateOp::kAvg:
        for (size_t i = 0; i < steps_; ++i) {
          if (!is_present(values[i])) continue;
          ++counts[i];
          Sums::add(values[i] * scale_, first[i], second[i]);
        }
        break;
      case AggregateOp::kMin:
        for (size_t i = 0; i < steps_; ++i) {
          if (!is_present(values[i])) continue;
          if (counts[i]++ == 0 || values[i] < first[i] || std::isnan(first[i])) {
            first[i] = values[i];
          }
        }
        break;
      case AggregateOp::kMax:
        for (size_t i = 0; i < steps_; ++i) {
          if (!is_present(values[i])) continue;
          if (counts[i]++ == 0 || values[i] > first[i] || std::isnan(first[i])) {
            first[i] = values[i];
          }
        }
        break;
      case AggregateOp::kStddev:
      case AggregateOp::kStdvar:
        for (size_t i = 0; i < steps_; ++i) {
          if (!is_present(values[i])) continue;
          const double delta = values[i] - first[i];
          first[i] += delta / ++counts[i];
          second[i] += delta * (values[i] - first[i]);
        }
        break;
      default:
        for (size_t i = 0; i < steps_; ++i) counts[i] += is_present(values[i]) ? 1 : 0;
    }
    if (column.has_histograms()) add_histograms(column, series, group);
  }

  void add_histograms(const Column& column, size_t series, Accumulator& group) {
    Notes notes = 0;
    bool ignored = false;
    for (size_t i = 0; i < steps_; ++i) {
      const HistogramPtr& histogram = column.histograms[i];
      if (!histogram) continue;
      if (of_floats_alone()) {
        ignored = true;
        continue;
      }
      if (expr_.op == AggregateOp::kCount || expr_.op == AggregateOp::kGroup) {
        ++group.counts[i];
        continue;
      }
      if (group.histograms.empty()) {
        group.histograms.resize(steps_);
        group.broken.assign(steps_, 0);
      }
      if (!group.histograms[i]) group.histograms[i] = std::make_unique<HistogramSum>();
      note(group.histograms[i]->add(*histogram), group.broken[i], notes);
    }
    if (ignored) {
      evaluation_.annotator().inform(
          "ignored histogram in " + std::string(name(expr_.op)) + " aggregation",
          expr_.inner->position);
    }
    if (notes != 0) {
      evaluation_.annotator().say(notes, source_.name(series).metric(), expr_.inner->position);
    }
  }

  static void note(const HistogramSum::Outcome& outcome, uint8_t& broken, Notes& notes) {
    if (!outcome.compatible) {
      broken = 1;
      notes |= kNoteMixedExponentialCustom;
    }
    if (outcome.reconciled) notes |= kNoteReconciledAggregation;
    if (outcome.reset_collision) notes |= kNoteCollisionAggregation;
  }

  void merge(Accumulator& from, Accumulator& into) {
    if (!from.used()) return;
    if (!into.used()) {
      into = std::move(from);
      return;
    }
    for (size_t i = 0; i < steps_; ++i) merge_step(from, into, i);
    if (from.histograms.empty()) return;
    if (into.histograms.empty()) {
      into.histograms = std::move(from.histograms);
      into.broken = std::move(from.broken);
      return;
    }
    Notes notes = 0;
    for (size_t i = 0; i < steps_; ++i) {
      into.broken[i] |= from.broken[i];
      if (!from.histograms[i]) continue;
      if (!into.histograms[i]) {
        into.histograms[i] = std::move(from.histograms[i]);
      } else {
        note(into.histograms[i]->merge(*from.histograms[i]), into.broken[i], notes);
      }
    }
    evaluation_.annotator().say(notes, {}, expr_.inner->position);
  }

  void merge_step(const Accumulator& from, Accumulator& into, size_t i) const {
    if (from.counts[i] == 0) return;
    const double a_count = into.counts[i];
    const double b_count = from.counts[i];
    switch (expr_.op) {
      case AggregateOp::kSum:
      case AggregateOp::kAvg:
        Sums::add(from.first[i], into.first[i], into.second[i]);
        into.second[i] += from.second[i];
        break;
      case AggregateOp::kMin:
        if (a_count == 0 || from.first[i] < into.first[i] || std::isnan(into.first[i])) {
          into.first[i] = from.first[i];
        }
        break;
      case AggregateOp::kMax:
        if (a_count == 0 || from.first[i] > into.first[i] || std::isnan(into.first[i])) {
          into.first[i] = from.first[i];
        }
        break;
      case AggregateOp::kStddev:
      case AggregateOp::kStdvar: {
        const double delta = from.first[i] - into.first[i];
        const double count = a_count + b_count;
        into.first[i] += delta * b_count / count;
        into.second[i] += from.second[i];
        if (a_count > 0) into.second[i] += delta * delta * a_count * b_count / count;
        break;
      }
      default: break;
    }
    into.counts[i] += from.counts[i];
  }

  void finish(Accumulator& group, size_t step, size_t row, Block& out) {
    const double count = group.counts[step];
    if (!group.histograms.empty() && group.histograms[step]) {
      if (count > 0) {
        evaluation_.annotator().warn(kMixed, expr_.inner->position);
      } else if (!group.broken[step]) {
        const HistogramSum& sum = *group.histograms[step];
        out.set(row, step,
                std::make_shared<const NativeHistogram>(expr_.op == AggregateOp::kAvg ? sum.mean()
                                                                                      : sum.sum()));
      }
      return;
    }
    if (count == 0) return;
    switch (expr_.op) {
      case AggregateOp::kSum:
        return out.set(row, step, Sums::value(group.first[step], group.second[step]));
      case AggregateOp::kAvg:
        return out.set(row, step,
                       Sums::value(group.first[step] / count, group.second[step] / count) / scale_);
      case AggregateOp::kCount: return out.set(row, step, count);
      case AggregateOp::kGroup: return out.set(row, step, 1.0);
      case AggregateOp::kStdvar: return out.set(row, step, group.second[step] / count);
      case AggregateOp::kStddev: return out.set(row, step, std::sqrt(group.second[step] / count));
      default: return out.set(row, step, group.first[step]);
    }
  }

  Evaluation& evaluation_;
  const AggregateExpr& expr_;
  const VectorSource& source_;
  size_t steps_;
  double scale_ = 1;
  std::vector<uint32_t> group_of_;
  std::vector<LabelsView> names_;
  std::vector<bool> drop_name_;
  std::vector<std::vector<Accumulator>> totals_;  // by part, then group
};

// The groups of a block's series, for what needs a group's values together.
struct BlockGroups {
  std::vector<LabelsView> names;
  std::vector<bool> drop_name;
  std::vector<std::vector<size_t>> members;
};

BlockGroups group_block(Evaluation& evaluation, const Block& block, const LabelKey& key) {
  LabelGroups groups(key);
  BlockGroups out;
  for (size_t i = 0; i < block.size(); ++i) {
    const SeriesName name = block.name(i);
    const uint32_t group = groups.add(name.labels);
    if (group == out.members.size()) {
      out.members.emplace_back();
      out.drop_name.push_back(false);
      out.names.push_back(evaluation.arena().keep(key.project(name.labels)));
    }
    out.members[group].push_back(i);
    if (name.drop_name) out.drop_name[group] = true;
  }
  return out;
}

Result<VectorPtr> quantiles(Evaluation& evaluation, const AggregateExpr& expr, const Scope& scope) {
  ASSIGN_OR_RETURN(const std::vector<double> q, evaluation.scalar(*expr.parameter, scope));
  ASSIGN_OR_RETURN(const BlockPtr block, evaluation.block(*expr.inner, scope));
  const BlockGroups groups =
      group_block(evaluation, *block, LabelKey(!expr.without, expr.grouping));
  for (double value : q) {
    if (value >= 0 && value <= 1) continue;
    evaluation.annotator().warn("quantile value should be between 0 and 1, got " + go_number(value),
                                expr.parameter->position);
  }
  auto out = std::make_unique<Block>(scope.steps.count);
  std::vector<double> values;
  bool ignored = false;
  for (size_t group = 0; group < groups.members.size(); ++group) {
    const size_t row = out->add({groups.names[group], groups.drop_name[group]});
    for (size_t step = 0; step < scope.steps.count; ++step) {
      values.clear();
      for (const size_t i : groups.members[group]) {
        if (is_present(block->value(i, step))) values.push_back(block->value(i, step));
        ignored = ignored || block->histogram(i, step) != nullptr;
      }
      if (!values.empty()) out->set(row, step, quantile_of(q[step], values));
    }
  }
  if (ignored) {
    evaluation.annotator().inform("ignored histogram in quantile aggregation",
                                  expr.inner->position);
  }
  out->drop_empty();
  return VectorPtr(std::move(out));
}

Result<VectorPtr> value_counts(Evaluation& evaluation, const AggregateExpr& expr,
                               const Scope& scope) {
  const std::string label = evaluation.string(*expr.parameter);
  if (label.empty() || !valid_utf8(label)) {
    return invalid_argument("invalid label name " + go_quoted(label));
  }
  ASSIGN_OR_RETURN(const BlockPtr block, evaluation.block(*expr.inner, scope));
  // The label that is written does not tell groups apart.
  std::vector<std::string> names = expr.grouping;
  std::erase(names, label);
  if (expr.without) names.push_back(label);
  const BlockGroups groups = group_block(evaluation, *block, LabelKey(!expr.without, names));
  const std::string_view kept_label = evaluation.arena().keep(label);
  auto out = std::make_unique<Block>(scope.steps.count);
  for (size_t group = 0; group < groups.members.size(); ++group) {
    std::map<std::string, size_t> rows;
    for (const size_t i : groups.members[group]) {
      for (size_t step = 0; step < scope.steps.count; ++step) {
        if (!block->present(i, step)) continue;
        const NativeHistogram* histogram = block->histogram(i, step);
        const std::string text =
            histogram != nullptr ? to_text(*histogram) : plain_number(block->value(i, step));
        const auto [at, is_new] = rows.try_emplace(text, 0);
        if (is_new) {
          LabelBuilder builder(groups.names[group]);
          builder.set(kept_label, evaluation.arena().keep(text));
          at->second =
              out->add({evaluation.arena().keep(builder.labels()), groups.drop_name[group]});
          RETURN_IF_ERROR(evaluation.charge_columns(1, scope.steps.count));
        }
        const double before = out->value(at->second, step);
        out->set(at->second, step, is_present(before) ? before + 1 : 1.0);
      }
    }
  }
  RETURN_IF_ERROR(evaluation.arena().status());
  return VectorPtr(std::move(out));
}

}  // namespace

Result<VectorPtr> aggregate(Evaluation& evaluation, const AggregateExpr& expr, const Scope& scope) {
  if (expr.op == AggregateOp::kQuantile) return quantiles(evaluation, expr, scope);
  if (expr.op == AggregateOp::kCountValues) return value_counts(evaluation, expr, scope);
  ASSIGN_OR_RETURN(const VectorPtr source, evaluation.vector(*expr.inner, scope));
  if (source->size() == 0) return VectorPtr(std::make_unique<Block>(scope.steps.count));
  Aggregation aggregation(evaluation, expr, *source, scope.steps.count);
  aggregation.find_groups();
  RETURN_IF_ERROR(aggregation.run(1));
  // Once more in a smaller scale where a mean's sum overflew: the mean may not.
  if (aggregation.overflown()) RETURN_IF_ERROR(aggregation.run(0x1p-64));
  RETURN_IF_ERROR(evaluation.arena().status());
  return VectorPtr(aggregation.result());
}

}  // namespace gatehouse::promql

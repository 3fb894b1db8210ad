// Arithmetic and comparisons of two vectors, one to one or many to one.
//
// The "many" side is called the many side even one to one; group_right turns the
// sides round, and the operands back. Pairs of series are found once. A pair's
// labels are made when it first has a result; two pairs whose results have the same
// labels share a row.
#include <map>
#include <unordered_map>

#include "lang/promql/eval/binary_operation.h"
#include "lang/promql/eval/vector_matching.h"

namespace gatehouse::promql {

LabelKey matching_key(const BinaryExpr& expr) {
  if (!expr.matching) return LabelKey(false, {});
  return LabelKey(expr.matching->on, expr.matching->labels);
}

std::vector<MatchGroup> match_series(const Block& left, const Block& right, const LabelKey& key) {
  LabelGroups groups(key);
  std::vector<MatchGroup> out;
  const auto add = [&](const Block& block, std::vector<size_t> MatchGroup::*side) {
    for (size_t i = 0; i < block.size(); ++i) {
      const uint32_t group = groups.add(block.name(i).labels);
      if (group >= out.size()) out.emplace_back();
      (out[group].*side).push_back(i);
    }
  };
  add(left, &MatchGroup::left);
  add(right, &MatchGroup::right);
  return out;
}

namespace {

constexpr size_t kFilled = SIZE_MAX;  // stands for a side that has no sample

class VectorOperation {
 public:
  VectorOperation(Evaluation& evaluation, const BinaryExpr& expr, const Block& many,
                  const Block& one, const LabelKey& key, size_t steps)
      : evaluation_(evaluation),
        expr_(expr),
        operation_(evaluation, expr.op, expr.position),
        many_(many),
        one_(one),
        key_(key),
        steps_(steps),
        swapped_(expr.matching && expr.matching->cardinality == MatchCardinality::kOneToMany),
        one_to_one_(!expr.matching || expr.matching->cardinality == MatchCardinality::kOneToOne),
        out_(std::make_unique<Block>(steps)) {
    if (expr.matching) {
      fill_many_ = swapped_ ? expr.matching->fill_right : expr.matching->fill_left;
      fill_one_ = swapped_ ? expr.matching->fill_left : expr.matching->fill_right;
    }
  }

  Result<BlockPtr> run() {
    const std::vector<MatchGroup> groups = match_series(many_, one_, key_);
    for (const MatchGroup& group : groups) {
      if (group.right.empty() && !fill_one_) continue;
      if (group.left.empty() && !fill_many_ && group.right.size() < 2) continue;
      RETURN_IF_ERROR(evaluation_.context().check());
      RETURN_IF_ERROR(evaluation_.charge_columns(group.left.size(), steps_));
      if (is_plain(group)) {
        plain(group.left[0], group.right[0]);
      } else {
        for (size_t step = 0; step < steps_; ++step) RETURN_IF_ERROR(at_step(group, step));
      }
    }
    RETURN_IF_ERROR(evaluation_.arena().status());
    out_->drop_empty();
    return std::move(out_);
  }

 private:
  // One series on each side, floats alone, nothing to fill: a loop over columns.
  bool is_plain(const MatchGroup& group) const {
    return one_to_one_ && !fill_many_ && !fill_one_ && group.left.size() == 1 &&
           group.right.size() == 1 && !many_.has_histograms(group.left[0]) &&
           !one_.has_histograms(group.right[0]) && expr_.op != BinaryOp::kTrimLower &&
           expr_.op != BinaryOp::kTrimUpper;
  }

  void plain(size_t many, size_t one) {
    const std::span<const double> left = many_.values(many);
    const std::span<const double> right = one_.values(one);
    bool shares = false;
    const size_t row = new_row(many, one, shares);  // the pair is met this once
    const bool comparison = is_comparison(expr_.op);
    for (size_t step = 0; step < steps_; ++step) {
      if (!is_present(left[step]) || !is_present(right[step])) continue;
      double value = 0;
      if (!comparison) {
        value = calculate(expr_.op, left[step], right[step]);
      } else {
        const bool holds = compare(expr_.op, left[step], right[step]);
        if (!holds && !expr_.return_bool) continue;
        value = expr_.return_bool ? (holds ? 1 : 0) : left[step];
      }
      if (shares && is_present(out_->value(row, step))) clash_ = true;
      out_->set(row, step, value);
    }
  }

  Status at_step(const MatchGroup& group, size_t step) {
    size_t one = kFilled;
    for (const size_t candidate : group.right) {
      if (!one_.present(candidate, step)) continue;
      if (one != kFilled) return duplicates(one, candidate);
      one = candidate;
    }
    if (one == kFilled && !fill_one_) return {};
    size_t matched = 0;
    for (const size_t many : group.left) {
      if (!many_.present(many, step)) continue;
      if (one_to_one_ && ++matched > 1) {
        return invalid_argument(
            "multiple matches for labels: many-to-one matching must be explicit "
            "(group_left/group_right)");
      }
      ++matched;
      RETURN_IF_ERROR(apply(many, one, step));
    }
    if (matched == 0 && one != kFilled && fill_many_) return apply(kFilled, one, step);
    return {};
  }

  static Operand operand(const Block& block, size_t i, size_t step,
                         const std::optional<double>& fill) {
    if (i == kFilled) return {*fill, nullptr};
    return {block.value(i, step), block.histogram(i, step)};
  }

  Status apply(size_t many, size_t one, size_t step) {
    const Operand many_side = operand(many_, many, step, fill_many_);
    const Operand one_side = operand(one_, one, step, fill_one_);
    Outcome outcome =
        swapped_ ? operation_.apply(one_side, many_side) : operation_.apply(many_side, one_side);
    bool shares = false;
    const size_t row = row_of(many, one, shares);
    if (!one_to_one_) {
      uint8_t& touched = touched_[row * steps_ + step];
      if (touched != 0) {
        return invalid_argument(
            "multiple matches for labels: grouping labels must ensure unique matches");
      }
      touched = 1;
    } else if (shares && out_->present(row, step)) {
      return invalid_argument("vector cannot contain metrics with the same labelset");
    }
    if (!outcome.applies) return {};
    if (expr_.return_bool) {
      out_->set(row, step, outcome.kept ? 1.0 : 0.0);
    } else if (outcome.kept && outcome.histogram) {
      out_->set(row, step, std::move(outcome.histogram));
    } else if (outcome.kept) {
      out_->set(row, step, outcome.value);
    }
    return {};
  }

  Status duplicates(size_t a, size_t b) const {
    LabelsView first = one_.name(a).labels;
    LabelsView second = one_.name(b).labels;
    if (compare_labels(second, first) < 0) std::swap(first, second);
    const auto with_name = [](LabelsView labels) {
      std::string text = "{";
      for (const LabelView& label : labels) {
        if (text.size() > 1) text += ", ";
        text += std::string(label.name) + "=" + go_quoted(label.value);
      }
      return text + "}";
    };
    return invalid_argument("found duplicate series for the match group " +
                            with_name(key_.project(first)) + " on the " +
                            (swapped_ ? "left" : "right") + " hand-side of the operation: [" +
                            with_name(first) + ", " + with_name(second) +
                            "];many-to-many matching not allowed: matching labels must be "
                            "unique on one side");
  }

  // The row of a pair's results.
  size_t row_of(size_t many, size_t one, bool& shares) {
    const auto found = rows_.find({many, one});
    if (found != rows_.end()) {
      shares = found->second.shared;
      return found->second.row;
    }
    const size_t row = new_row(many, one, shares);
    rows_.emplace(std::make_pair(many, one), Row{row, shares});
    return row;
  }

  size_t new_row(size_t many, size_t one, bool& shares) {
    SeriesName name = result_name(many, one);
    const auto [at, is_new] = row_by_labels_.try_emplace(hash_labels(name.labels));
    size_t row = kFilled;
    for (const size_t candidate : at->second) {
      if (same_labels(out_->name(candidate).labels, name.labels)) row = candidate;
    }
    shares = row != kFilled;
    if (row == kFilled) {
      row = out_->add(name);
      at->second.push_back(row);
      if (!one_to_one_) touched_.resize(touched_.size() + steps_, 0);
    }
    return row;
  }

  SeriesName result_name(size_t many, size_t one) {
    const SeriesName many_name =
        many == kFilled
            ? SeriesName{evaluation_.arena().keep(key_.project(one_.name(one).labels)), false}
            : many_.name(many);
    LabelBuilder builder(many_name.labels);
    const bool changes = changes_metric(expr_.op);
    if (changes || (expr_.return_bool && !evaluation_.options().delayed_name_removal)) {
      for (const std::string_view label : {"__name__", "__type__", "__unit__"}) {
        builder.remove(label);
      }
    }
    if (one_to_one_ && expr_.matching) {
      if (expr_.matching->on) {
        builder.keep_only(key_.names());
      } else {
        for (const std::string& label : expr_.matching->labels) builder.remove(label);
      }
    }
    if (expr_.matching) {
      for (const std::string& label : expr_.matching->include) {
        builder.set(label, one == kFilled ? std::string_view()
                                          : model::find_label(one_.name(one).labels, label));
      }
    }
    const bool drop = !changes && (expr_.return_bool || many_name.drop_name) &&
                      evaluation_.options().delayed_name_removal;
    return {evaluation_.arena().keep(builder.labels()), drop};
  }

 public:
  bool clash() const { return clash_; }

 private:
  struct Row {
    size_t row = 0;
    bool shared = false;
  };

  Evaluation& evaluation_;
  const BinaryExpr& expr_;
  Operator operation_;
  const Block& many_;
  const Block& one_;
  const LabelKey& key_;
  size_t steps_;
  bool swapped_;
  bool one_to_one_;
  std::optional<double> fill_many_;
  std::optional<double> fill_one_;
  BlockPtr out_;
  bool clash_ = false;
  std::map<std::pair<size_t, size_t>, Row> rows_;
  std::unordered_map<uint64_t, std::vector<size_t>> row_by_labels_;
  std::vector<uint8_t> touched_;  // a row's steps that have a match; many to one only
};

}  // namespace

Result<VectorPtr> binary_of_vectors(Evaluation& evaluation, const BinaryExpr& expr,
                                    const Scope& scope) {
  ASSIGN_OR_RETURN(const BlockPtr left, evaluation.block(*expr.left, scope));
  ASSIGN_OR_RETURN(const BlockPtr right, evaluation.block(*expr.right, scope));
  const LabelKey key = matching_key(expr);
  const bool swapped = expr.matching && expr.matching->cardinality == MatchCardinality::kOneToMany;
  VectorOperation operation(evaluation, expr, swapped ? *right : *left, swapped ? *left : *right,
                            key, scope.steps.count);
  ASSIGN_OR_RETURN(BlockPtr out, operation.run());
  if (operation.clash()) {
    return invalid_argument("vector cannot contain metrics with the same labelset");
  }
  return VectorPtr(std::move(out));
}

}  // namespace gatehouse::promql

// A source whose columns are those of another, each changed by itself: the cheap
// links of a fused chain.
#pragma once

#include <functional>

#include "lang/promql/eval/evaluation.h"

namespace gatehouse::promql {

// Changes a column in place. Any thread.
using ColumnChange = std::function<void(Column& column)>;

class Mapped final : public VectorSource {
 public:
  Mapped(Evaluation& evaluation, VectorPtr inner, bool drops_name, ColumnChange change)
      : evaluation_(evaluation),
        inner_(std::move(inner)),
        drops_name_(drops_name),
        change_(std::move(change)) {}

  size_t size() const override { return inner_->size(); }
  bool one_metric() const override { return inner_->one_metric(); }
  SeriesName name(size_t i) const override {
    const SeriesName name = inner_->name(i);
    return drops_name_ ? evaluation_.without_metric_name(name) : name;
  }
  Status column(size_t i, Column& out, Worker& worker) const override {
    RETURN_IF_ERROR(inner_->column(i, out, worker));
    change_(out);
    return {};
  }

 private:
  Evaluation& evaluation_;
  VectorPtr inner_;
  bool drops_name_;
  ColumnChange change_;
};

// A function of floats alone: histograms are left out.
template <typename Function>
ColumnChange of_floats(Function function) {
  return [function](Column& column) {
    for (double& value : column.values) {
      if (is_present(value)) value = function(value);
    }
    column.histograms.clear();
  };
}

// What changes names may make two series one (with names removed at once): then the
// source is a Block in which they are.
Result<VectorPtr> after_name_change(Evaluation& evaluation, VectorPtr source, const Scope& scope);

}  // namespace gatehouse::promql

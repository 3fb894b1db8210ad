// One evaluation of one query: what its parts share, and the dispatch over the
// kinds of expressions. The parts that do the work are functions in the files
// beside, each over an Evaluation and a Scope.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "lang/promql/ast.h"
#include "lang/promql/engine.h"
#include "lang/promql/eval/annotator.h"
#include "lang/promql/eval/column.h"
#include "lang/promql/eval/labels.h"
#include "lang/promql/eval/source.h"
#include "model/series.h"

namespace gatehouse::promql {

class RangeSource;

// Where an expression stands: the moments it is wanted at, and what is wanted of
// native histograms.
struct Scope {
  Steps steps;
  // Only count and sum of histograms matter, as within histogram_count(): Prometheus
  // then reads them without buckets and judges counter resets sample by sample,
  // which shows in annotations.
  bool stats_only = false;
  bool stats_barred = false;  // within a function that needs the buckets, or a subquery
};

// What a duration stands for: its plain number, or its expression for this query.
struct QueryTimes {
  int64_t begin_ms = 0;
  int64_t end_ms = 0;
  int64_t step_ms = 0;  // 0: an instant query
};

class Evaluation {
 public:
  Evaluation(std::string_view query, QueryTimes times, const QueryOptions& options,
             const model::SampleReader& reader, model::QueryContext& context, Parallel* parallel);

  Result<VectorPtr> vector(const Expr& expr, const Scope& scope);
  Result<BlockPtr> block(const Expr& expr, const Scope& scope);
  Result<std::vector<double>> scalar(const Expr& expr, const Scope& scope);
  std::string string(const Expr& expr) const;
  Result<std::unique_ptr<RangeSource>> range(const Expr& expr, const Scope& scope);

  // All of a source in memory.
  Result<BlockPtr> materialise(VectorPtr source, const Scope& scope);
  // Selects, and keeps the set for the life of the evaluation.
  Result<const model::SeriesSet*> select(std::span<const model::Matcher> matchers,
                                         model::TimeRangeMs range);
  // Runs work(begin, end, part) over [0, n) cut into at most `threads` ranges of at
  // least `grain`; the first part's failure is the answer. Returns after all ended.
  size_t parts(size_t n, size_t grain) const;
  Status in_parts(size_t n, size_t parts,
                  const std::function<Status(size_t, size_t, size_t, Worker&)>& work);

  // In this query, whose step and range an expression may name.
  Result<int64_t> milliseconds(const Duration& duration, bool negative_allowed = false) const;
  // The moment an @ modifier names. REQUIRES: there is one.
  int64_t at_ms(const AtModifier& at) const;

  // A name whose metric name is to go: at the end, or at once (with
  // delayed_name_removal off). `source`'s labels are kept by the arena.
  SeriesName without_metric_name(SeriesName name);
  // Lives as long as `labels` and the evaluation.
  LabelsView without_schema_labels(LabelsView labels);
  // Series with the same labels become one; an error where both have a sample.
  Status merge_equal_names(BlockPtr& block);

  std::string_view query() const { return query_; }
  const QueryTimes& times() const { return times_; }
  const QueryOptions& options() const { return options_; }
  model::QueryContext& context() { return context_; }
  Annotator& annotator() { return annotator_; }
  LabelArena& arena() { return arena_; }
  Status charge_columns(size_t series, size_t steps) {
    return context_.charge(static_cast<int64_t>(series * (steps * sizeof(double) + 64)));
  }

 private:
  Result<VectorPtr> vector_at_scope(const Expr& expr, const Scope& scope);
  Result<std::vector<double>> scalar_call(const CallExpr& call, const Scope& scope);

  std::string_view query_;
  QueryTimes times_;
  QueryOptions options_;
  const model::SampleReader& reader_;
  model::QueryContext& context_;
  Parallel* parallel_;
  Annotator annotator_;
  LabelArena arena_;
  std::vector<std::unique_ptr<model::SeriesSet>> sets_;
};

// Whether the expression has the same value at every step: all that it reads is
// pinned with @.
bool is_step_invariant(const Expr& expr);

// Whether all that the selector selects has one metric's name.
bool selects_one_metric(const VectorSelector& selector);

// The parts, by the file that has them.
// selector.cc
enum class SampleField : uint8_t { kValue, kTime, kStart };
Result<VectorPtr> select_vector(Evaluation& evaluation, const VectorSelector& selector,
                                SampleField field, const Scope& scope);
// range_call.cc
Result<VectorPtr> call_over_range(Evaluation& evaluation, const CallExpr& call, const Scope& scope);
// instant_call.cc
Result<VectorPtr> call_on_vector(Evaluation& evaluation, const CallExpr& call, const Scope& scope);
// label_functions.cc
Result<VectorPtr> call_label_function(Evaluation& evaluation, const CallExpr& call,
                                      const Scope& scope);
// histogram_functions.cc
Result<VectorPtr> call_histogram_distribution(Evaluation& evaluation, const CallExpr& call,
                                              const Scope& scope);
// sort.cc
Result<VectorPtr> call_sort(Evaluation& evaluation, const CallExpr& call, const Scope& scope);
// absent.cc
Result<VectorPtr> call_absent(Evaluation& evaluation, const CallExpr& call, const Scope& scope);
// info.cc
Result<VectorPtr> call_info(Evaluation& evaluation, const CallExpr& call, const Scope& scope);
// aggregate.cc, aggregate_pick.cc
Result<VectorPtr> aggregate(Evaluation& evaluation, const AggregateExpr& expr, const Scope& scope);
Result<VectorPtr> aggregate_pick(Evaluation& evaluation, const AggregateExpr& expr,
                                 const Scope& scope);
// binary_scalar.cc, binary_vector.cc, binary_set.cc
Result<VectorPtr> binary_with_scalar(Evaluation& evaluation, const BinaryExpr& expr,
                                     const Scope& scope);
Result<VectorPtr> binary_of_vectors(Evaluation& evaluation, const BinaryExpr& expr,
                                    const Scope& scope);
Result<VectorPtr> binary_of_sets(Evaluation& evaluation, const BinaryExpr& expr,
                                 const Scope& scope);

}  // namespace gatehouse::promql

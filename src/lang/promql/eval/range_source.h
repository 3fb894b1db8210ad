// Range vectors: for every series its samples of the whole evaluation, oldest
// first, without stale markers; and for every step which of them its window holds.
#pragma once

#include <memory>

#include "lang/promql/eval/evaluation.h"

namespace gatehouse::promql {

// The windows of the steps: window s is (end(s) - range, end(s)].
struct WindowPlan {
  int64_t first_end_ms = 0;
  int64_t step_ms = 0;  // 0: pinned with @, every window the same
  size_t count = 0;
  int64_t range_ms = 0;
  Expansion expansion = Expansion::kNone;
  int64_t lookback_ms = 0;

  int64_t end_ms(size_t step) const { return first_end_ms + static_cast<int64_t>(step) * step_ms; }
  int64_t begin_ms(size_t step) const { return end_ms(step) - range_ms; }
};

class RangeSource {
 public:
  virtual ~RangeSource() = default;
  virtual size_t size() const = 0;
  virtual SeriesName name(size_t i) const = 0;
  // Writes over `out`. From any thread, with a Worker of its own.
  virtual Status samples(size_t i, model::SampleColumns& out, Worker& worker) const = 0;
  virtual bool one_metric() const = 0;  // as a VectorSource has it
  const WindowPlan& plan() const { return plan_; }

 protected:
  WindowPlan plan_;
};

// The first sample after `begin` and the first after `end` for every window: two
// cursors that only go forward. `times` is ascending.
void find_windows(const std::vector<int64_t>& times, const WindowPlan& plan, Windows& windows);

Result<std::unique_ptr<RangeSource>> select_range(Evaluation& evaluation,
                                                  const MatrixSelector& selector,
                                                  const Scope& scope);
Result<std::unique_ptr<RangeSource>> subquery_range(Evaluation& evaluation,
                                                    const SubqueryExpr& subquery,
                                                    const Scope& scope);

}  // namespace gatehouse::promql

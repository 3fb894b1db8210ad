// The evaluator: a tree over a SampleReader gives a Value. Pure: what it reads
// comes from the reader, what bounds it from the QueryContext.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "lang/promql/ast.h"
#include "model/series.h"

namespace gatehouse::promql {

struct Point {
  int64_t time_ms = 0;
  double value = 0;
  std::shared_ptr<const model::NativeHistogram> histogram;  // null: a float
};

struct ResultSeries {
  model::Labels labels;
  std::vector<Point> points;  // one in an instant vector
};

struct ScalarResult {
  int64_t time_ms = 0;
  double value = 0;
};
struct StringResult {
  int64_t time_ms = 0;
  std::string value;
};

// What the evaluation has to say beside its answer; each text once, as Prometheus
// words it ("PromQL warning: ...", "PromQL info: ..."), with "(line:column)" of its
// place in the query.
struct Annotations {
  std::set<std::string> warnings;
  std::set<std::string> infos;
};

struct QueryValue {
  ValueType type = ValueType::kVector;
  std::vector<ResultSeries> series;  // kVector, kMatrix (sorted by labels)
  ScalarResult scalar;
  StringResult string;
  Annotations annotations;
};

struct QueryOptions {
  int64_t lookback_ms = 300'000;
  // Evaluated for every step of a subquery that names none.
  int64_t subquery_step_ms = 60'000;
  bool delayed_name_removal = true;
  int threads = 1;  // how many of `parallel`'s workers one query may use
};

// Runs independent pieces of a query beside each other. `parts` calls of work(i),
// returns when all have ended. The default runs them one after another.
class Parallel {
 public:
  virtual ~Parallel() = default;
  virtual void run(size_t parts, const std::function<void(size_t)>& work) = 0;
};

// At one moment. The text is needed for the places that annotations name.
Result<QueryValue> evaluate_instant(const Expr& expr, std::string_view query, int64_t time_ms,
                                    const QueryOptions& options, const model::SampleReader& reader,
                                    model::QueryContext& context, Parallel* parallel = nullptr);

// At begin, begin+step, ... up to end. REQUIRES: step_ms > 0, begin <= end. The
// result is a matrix.
Result<QueryValue> evaluate_range(const Expr& expr, std::string_view query, int64_t begin_ms,
                                  int64_t end_ms, int64_t step_ms, const QueryOptions& options,
                                  const model::SampleReader& reader, model::QueryContext& context,
                                  Parallel* parallel = nullptr);

}  // namespace gatehouse::promql

// Lets a query use threads of a pool beside its own. The thread that asks works too,
// so that a full pool makes a query slower and never stops it.
#pragma once

#include "base/pool.h"
#include "lang/promql/engine.h"

namespace gatehouse::app {

class QueryParallel : public promql::Parallel {
 public:
  // At most `others` threads of the pool for one query. REQUIRES: the pool outlives this.
  QueryParallel(Pool& pool, size_t others) : pool_(pool), others_(others) {}

  void run(size_t parts, const std::function<void(size_t)>& work) override;

 private:
  Pool& pool_;
  size_t others_;
};

}  // namespace gatehouse::app

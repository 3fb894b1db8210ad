// MergedSeries: the series of several sets, each once, with the samples of all.
#pragma once

#include <memory>
#include <vector>

#include "model/series.h"

namespace gatehouse::store {

// REQUIRES: each set is by labels, unless it is the only one. Of two samples of one
// time, that of the later set stays. `pin` lives as long as the set.
Result<std::unique_ptr<model::SeriesSet>> merge_series(
    std::vector<std::unique_ptr<model::SeriesSet>> sets, model::QueryContext& context,
    std::shared_ptr<const void> pin);

}  // namespace gatehouse::store

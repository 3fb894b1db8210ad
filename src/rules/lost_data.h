// Whether alerts ended because their data did. An alert's data are the series that the
// selectors of its expression find and that do not contradict its labels: each label of the
// alert's sample has the same value in the series, or is not there.
//
// Lost: at the time the expression last held some selector had found such series, and none
// of those that had finds one now whose last sample is neither a staleness marker nor older
// than the lookback. A selector pinned by "@" says nothing of now and is left out.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "lang/promql/ast.h"
#include "model/labels.h"
#include "model/series.h"

namespace gatehouse::rules {

// One answer for each of `samples`, the labels that the expression gave at `before_ms`.
Result<std::vector<bool>> lost_data(const promql::Expr& expr,
                                    std::span<const model::Labels* const> samples,
                                    int64_t before_ms, int64_t now_ms, int64_t lookback_ms,
                                    const model::SampleReader& reader,
                                    model::QueryContext& context);

}  // namespace gatehouse::rules

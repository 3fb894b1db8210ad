// Columns of native histograms for blocks: runs of one layout, within a run a
// column of each count, each against the one before it (docs/format/block.md §7).
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/native_histogram.h"

namespace gatehouse::store {

// Counts of all rows together, which a reader decodes at once: 2 MiB. One row may have more.
inline constexpr size_t kHistogramCellsMax = size_t{1} << 18;

using HistogramRow = std::shared_ptr<const model::NativeHistogram>;

// How many of the rows from the first on may be coded together, 1 at least.
size_t histogram_rows_that_fit(std::span<const HistogramRow> rows);

// REQUIRES: what the function above said, no row null.
void encode_histograms(std::span<const HistogramRow> rows, std::string& out);
// Takes `rows` histograms from the front of `in`, adding them to `out`. False: damage.
bool decode_histograms(std::string_view& in, size_t rows, std::vector<HistogramRow>& out);

}  // namespace gatehouse::store

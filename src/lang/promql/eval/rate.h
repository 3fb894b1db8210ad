// What the plain and the extended rates share.
#pragma once

#include <optional>

#include "lang/promql/eval/annotator.h"
#include "model/sample.h"

namespace gatehouse::promql {

// Whether sample `i` says by its start that it counts anew since the sample before.
bool is_start_reset(const model::SampleColumns& samples, size_t i);

// By how much histograms grew from sample `first` to `last`, resets made up for.
// None: their layouts do not go together, and `notes` says so. REQUIRES: all of them
// are histograms.
std::optional<model::NativeHistogram> histogram_increase(const model::SampleColumns& samples,
                                                         size_t first, size_t last, bool counter,
                                                         bool from_start, Notes& notes);

// Among the samples (first, last].
size_t count_changes(const model::SampleColumns& samples, size_t first, size_t last);
size_t count_resets(const model::SampleColumns& samples, size_t first, size_t last);

}  // namespace gatehouse::promql

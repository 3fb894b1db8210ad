// Merging the samples of one series from several places.
#pragma once

#include "model/sample.h"

namespace gatehouse::store {

// The samples of both, by time; of two of one time that of `first` stays. `out` is
// neither of them.
void merge_columns(const model::SampleColumns& first, const model::SampleColumns& second,
                   model::SampleColumns& out);

// Adds sample `i` of `from` behind those of `out`.
void add_sample(const model::SampleColumns& from, size_t i, model::SampleColumns& out);

}  // namespace gatehouse::store

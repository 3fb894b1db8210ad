// What native histograms of one series share for long: schema, zero threshold,
// spans, bounds. Coded once a run of samples (docs/format/block.md §7).
#pragma once

#include <string>
#include <string_view>

#include "model/native_histogram.h"

namespace gatehouse::store {

// Bit for bit, and as many buckets.
bool same_layout(const model::NativeHistogram& a, const model::NativeHistogram& b);

void put_layout(std::string& out, const model::NativeHistogram& histogram);
// Sets the layout of `out`, its counts to 0. `buckets_max` bounds what is
// allocated. False: damage.
bool take_layout(std::string_view& in, size_t buckets_max, model::NativeHistogram& out);

}  // namespace gatehouse::store

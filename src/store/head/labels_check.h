// What may be a series, and what a histogram.
#pragma once

#include <string>

#include "model/sample.h"

namespace gatehouse::store {

// A series' labels are kept in memory: what a sender may take of it has an end.
// Kubernetes' widest metrics have some forty labels.
inline constexpr size_t kLabelNameBytesMax = 1024;
inline constexpr size_t kLabelValueBytesMax = 16 << 10;
inline constexpr size_t kLabelsBytesMax = 64 << 10;

// "" where `labels` may name a series, else what is wrong with them.
std::string labels_problem(model::LabelsView labels);

// "" where the histogram is one, after "Native Histograms" of Prometheus: spans and
// buckets agree, counts are not negative and add up, bounds ascend.
std::string histogram_problem(const model::NativeHistogram& histogram);

// {a="1", b="2"}, cut to a length that fits a message.
std::string to_text(model::LabelsView labels);

}  // namespace gatehouse::store

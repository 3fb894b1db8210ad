#include "store/head/labels_check.h"

#include <cmath>

#include "base/text.h"
#include "store/wal/wal_format.h"

namespace gatehouse::store {
namespace {

std::string spans_problem(std::string_view what, const std::vector<model::BucketSpan>& spans,
                          const std::vector<double>& buckets, double& total) {
  uint64_t of_spans = 0;
  for (size_t i = 0; i < spans.size(); ++i) {
    if (i > 0 && spans[i].offset < 0) return std::string(what) + " spans overlap";
    of_spans += spans[i].length;
  }
  if (of_spans != buckets.size()) {
    return std::string(what) + " spans need " + std::to_string(of_spans) + " buckets, have " +
           std::to_string(buckets.size());
  }
  for (const double count : buckets) {
    if (!(count >= 0)) return std::string("a ") + std::string(what) + " bucket is below 0";
    total += count;
  }
  return {};
}

std::string bounds_problem(const model::NativeHistogram& h) {
  if (!h.custom()) {
    return h.bounds.empty() ? "" : "bounds of its own, with a schema that has none";
  }
  if (!h.negative_buckets.empty() || !h.negative_spans.empty() || h.zero_count != 0 ||
      h.zero_threshold != 0) {
    return "custom bounds with negative or zero buckets";
  }
  for (size_t i = 0; i < h.bounds.size(); ++i) {
    if (!std::isfinite(h.bounds[i])) return "a bound is not finite";
    if (i > 0 && h.bounds[i] <= h.bounds[i - 1]) return "bounds do not ascend";
  }
  int64_t index = 0;
  for (const model::BucketSpan& span : h.positive_spans)
    index += span.offset + int64_t{span.length};
  if (!h.positive_spans.empty() && h.positive_spans.front().offset < 0) return "a span before 0";
  if (index > static_cast<int64_t>(h.bounds.size()) + 1) return "more buckets than bounds";
  return {};
}

}  // namespace

std::string labels_problem(model::LabelsView labels) {
  if (labels.empty()) return "a series without labels";
  if (labels.size() > kLabelsOfSeriesMax) {
    return "a series with " + std::to_string(labels.size()) + " labels; " +
           std::to_string(kLabelsOfSeriesMax) + " are the most";
  }
  size_t bytes = 0;
  for (size_t i = 0; i < labels.size(); ++i) {
    const auto& [name, value] = labels[i];
    if (name.empty()) return "a label without a name";
    if (value.empty()) return "the label " + std::string(name.substr(0, 64)) + " has no value";
    if (name.size() > kLabelNameBytesMax) {
      return "a label name of " + std::to_string(name.size()) + " bytes; " +
             std::to_string(kLabelNameBytesMax) + " are the most";
    }
    if (value.size() > kLabelValueBytesMax) {
      return "a label value of " + std::to_string(value.size()) + " bytes (" +
             std::string(name.substr(0, 64)) + "); " + std::to_string(kLabelValueBytesMax) +
             " are the most";
    }
    if (i > 0 && name <= labels[i - 1].name) {
      return (name == labels[i - 1].name ? "the label is there twice: "
                                         : "labels are not in order: ") +
             std::string(name.substr(0, 64));
    }
    if (!valid_utf8(name) || !valid_utf8(value)) return "labels that are not UTF-8";
    bytes += name.size() + value.size();
  }
  if (bytes > kLabelsBytesMax) {
    return "labels of " + std::to_string(bytes) + " bytes; " + std::to_string(kLabelsBytesMax) +
           " are the most";
  }
  return {};
}

std::string histogram_problem(const model::NativeHistogram& h) {
  if (model::is_stale(h.sum)) return {};
  if (!h.custom() && (h.schema < model::NativeHistogram::kSchemaMin ||
                      h.schema > model::NativeHistogram::kSchemaMax)) {
    return "schema " + std::to_string(h.schema) + " is not known";
  }
  const size_t bytes =
      8 * (h.positive_buckets.size() + h.negative_buckets.size() + h.bounds.size()) +
      16 * (h.positive_spans.size() + h.negative_spans.size()) + 64;
  if (bytes > kHistogramBytesMax) return "more buckets than fit in a megabyte";
  if (!(h.zero_count >= 0) || !(h.count >= 0)) return "a count below 0";
  if (!(h.zero_threshold >= 0)) return "a zero threshold below 0";
  double total = h.zero_count;
  std::string problem = spans_problem("positive", h.positive_spans, h.positive_buckets, total);
  if (problem.empty()) {
    problem = spans_problem("negative", h.negative_spans, h.negative_buckets, total);
  }
  if (problem.empty()) problem = bounds_problem(h);
  if (!problem.empty()) return problem;
  // Observations of NaN are counted, and are in no bucket. Sums of counts that are not whole round.
  const bool exact = h.whole && !std::isnan(h.sum);
  if (exact ? total != h.count : total > h.count * (1 + 1e-9)) {
    return "buckets hold " + std::to_string(total) + " observations, the count is " +
           std::to_string(h.count);
  }
  return {};
}

std::string to_text(model::LabelsView labels) {
  std::string out = "{";
  for (const model::LabelView& label : labels) {
    if (out.size() > 1) out += ", ";
    if (out.size() > 200) return out + "...}";
    out.append(label.name.substr(0, 64)).append("=\"").append(label.value.substr(0, 64)) += '"';
  }
  return out + "}";
}

}  // namespace gatehouse::store

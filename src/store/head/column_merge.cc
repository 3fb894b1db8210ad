#include "store/head/column_merge.h"

namespace gatehouse::store {

void add_sample(const model::SampleColumns& from, size_t i, model::SampleColumns& out) {
  const size_t before = out.size();
  if (!from.starts_ms.empty() && from.starts_ms[i] != 0 && out.starts_ms.empty()) {
    out.starts_ms.resize(before);
  }
  const bool histogram = !from.histograms.empty() && from.histograms[i] != nullptr;
  if (histogram && out.histograms.empty()) out.histograms.resize(before);
  out.times_ms.push_back(from.times_ms[i]);
  out.values.push_back(from.values[i]);
  if (before > 0 && !out.starts_ms.empty()) {
    out.starts_ms.push_back(from.starts_ms.empty() ? 0 : from.starts_ms[i]);
  } else if (before == 0 && !from.starts_ms.empty() && from.starts_ms[i] != 0) {
    out.starts_ms.push_back(from.starts_ms[i]);
  }
  if (histogram) {
    out.histograms.push_back(from.histograms[i]);
  } else if (!out.histograms.empty()) {
    out.histograms.emplace_back();
  }
}

void merge_columns(const model::SampleColumns& first, const model::SampleColumns& second,
                   model::SampleColumns& out) {
  out.clear();
  const bool plain = first.histograms.empty() && second.histograms.empty() &&
                     first.starts_ms.empty() && second.starts_ms.empty();
  if (plain && !first.empty() && !second.empty() &&
      (second.times_ms.back() < first.times_ms.front() ||
       first.times_ms.back() < second.times_ms.front())) {
    // One after the other, as a block and the head mostly are.
    const bool swap = second.times_ms.back() < first.times_ms.front();
    const model::SampleColumns& before = swap ? second : first;
    const model::SampleColumns& after = swap ? first : second;
    out.times_ms = before.times_ms;
    out.values = before.values;
    out.times_ms.insert(out.times_ms.end(), after.times_ms.begin(), after.times_ms.end());
    out.values.insert(out.values.end(), after.values.begin(), after.values.end());
    return;
  }
  out.times_ms.reserve(first.size() + second.size());
  out.values.reserve(first.size() + second.size());
  size_t a = 0;
  size_t b = 0;
  while (a < first.size() || b < second.size()) {
    if (b == second.size() || (a < first.size() && first.times_ms[a] <= second.times_ms[b])) {
      if (b < second.size() && first.times_ms[a] == second.times_ms[b]) ++b;
      add_sample(first, a++, out);
    } else {
      add_sample(second, b++, out);
    }
  }
}

}  // namespace gatehouse::store

#include "lang/promql/eval/sample_cleaning.h"

#include <algorithm>

#include "lang/promql/histogram/arithmetic.h"

namespace gatehouse::promql {

void drop_stale(model::SampleColumns& samples) {
  const auto first = std::find_if(samples.values.begin(), samples.values.end(), model::is_stale);
  if (first == samples.values.end()) return;
  auto kept = static_cast<size_t>(first - samples.values.begin());
  for (size_t i = kept; i < samples.size(); ++i) {
    if (model::is_stale(samples.values[i])) continue;
    samples.times_ms[kept] = samples.times_ms[i];
    samples.values[kept] = samples.values[i];
    if (!samples.histograms.empty()) samples.histograms[kept] = std::move(samples.histograms[i]);
    if (!samples.starts_ms.empty()) samples.starts_ms[kept] = samples.starts_ms[i];
    ++kept;
  }
  samples.times_ms.resize(kept);
  samples.values.resize(kept);
  if (!samples.histograms.empty()) samples.histograms.resize(kept);
  if (!samples.starts_ms.empty()) samples.starts_ms.resize(kept);
}

void judge_resets(model::SampleColumns& samples) {
  std::shared_ptr<const model::NativeHistogram> before;
  for (auto& histogram : samples.histograms) {
    if (!histogram) {
      before.reset();
      continue;
    }
    std::shared_ptr<const model::NativeHistogram> now = histogram;
    if (before && histogram->reset == model::CounterReset::kUnknown) {
      auto judged = std::make_shared<model::NativeHistogram>(*histogram);
      judged->reset = is_reset(*histogram, *before) ? model::CounterReset::kReset
                                                    : model::CounterReset::kNotReset;
      histogram = std::move(judged);
    }
    before = std::move(now);
  }
}

}  // namespace gatehouse::promql

#include "lang/promql/eval/source.h"

#include <algorithm>

namespace gatehouse::promql {

Status Block::column(size_t i, Column& out, Worker& /*worker*/) const {
  const std::span<const double> row = values(i);
  out.values.assign(row.begin(), row.end());
  out.histograms = histograms_[i];
  return {};
}

bool Block::one_metric() const {
  for (const SeriesName& name : names_) {
    for (const LabelView& label : name.labels) {
      if (is_schema_label(label.name)) return false;
    }
  }
  return true;
}

void Block::put(size_t i, Column&& column) {
  std::copy(column.values.begin(), column.values.end(), values(i).begin());
  if (column.has_histograms()) histograms_[i] = std::move(column.histograms);
  column.histograms.clear();
}

size_t Block::add(SeriesName name) {
  names_.push_back(name);
  values_.resize(values_.size() + steps_, kNoSample);
  histograms_.emplace_back();
  return names_.size() - 1;
}

size_t Block::add(SeriesName name, Column&& column) {
  const size_t i = add(name);
  put(i, std::move(column));
  return i;
}

bool Block::any(size_t i) const {
  for (double value : values(i)) {
    if (is_present(value)) return true;
  }
  for (const HistogramPtr& histogram : histograms_[i]) {
    if (histogram) return true;
  }
  return false;
}

void Block::drop_empty() {
  size_t kept = 0;
  for (size_t i = 0; i < names_.size(); ++i) {
    if (!any(i)) continue;
    if (kept != i) {
      names_[kept] = names_[i];
      const std::span<double> from = values(i);
      std::copy(from.begin(), from.end(), values(kept).begin());
      histograms_[kept] = std::move(histograms_[i]);
    }
    ++kept;
  }
  names_.resize(kept);
  values_.resize(kept * steps_);
  histograms_.resize(kept);
}

}  // namespace gatehouse::promql

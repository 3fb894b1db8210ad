#include "lang/promql/histogram/arithmetic.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <iterator>

namespace gatehouse::promql {

using model::CounterReset;

namespace {

// 2^-64: a sum of as many of the largest doubles is within range.
constexpr double kShrink = 0x1p-64;

// What adds up to less than this is in no danger of overflowing.
constexpr double kSafeMagnitude = 0x1p1000;

// At least the largest number of a histogram.
double magnitude_of(const NativeHistogram& histogram) {
  double largest = 0;
  const auto look_at = [&largest](double number) {
    if (std::fabs(number) > largest) largest = std::fabs(number);  // NaN is not
  };
  look_at(histogram.count);
  look_at(histogram.sum);
  look_at(histogram.zero_count);
  for (double count : histogram.positive_buckets) look_at(count);
  for (double count : histogram.negative_buckets) look_at(count);
  return largest;
}

// A zero bucket of at least `threshold`, and what it counts: it ends where no bucket
// with a count in it is cut.
struct ZeroBucket {
  double threshold = 0;
  double count = 0;
};

ZeroBucket widened(const std::vector<IndexedCount>& positive,
                   const std::vector<IndexedCount>& negative, int32_t schema, double zero_count,
                   double threshold) {
  for (bool again = true; again;) {
    again = false;
    double count = zero_count;
    for (const auto* side : {&positive, &negative}) {
      for (const IndexedCount& bucket : *side) {
        if (exponential_bound(schema, bucket.index - 1) >= threshold) break;
        count += bucket.count;
        const double upper = exponential_bound(schema, bucket.index);
        if (upper <= threshold) continue;
        threshold = upper;
        again = side == &negative;  // the positive ones were judged by a lower threshold
        break;
      }
      if (again) break;
    }
    if (!again) return {threshold, count};
  }
  return {};
}

void drop_below(std::vector<IndexedCount>& buckets, int32_t schema, double threshold) {
  std::erase_if(buckets, [&](const IndexedCount& bucket) {
    return exponential_bound(schema, bucket.index - 1) < threshold;
  });
}

std::vector<IndexedCount> reduced(const std::vector<IndexedCount>& buckets, int32_t from,
                                  int32_t to) {
  std::vector<IndexedCount> coarse;
  for (const IndexedCount& bucket : buckets) {
    const int32_t index = coarser_index(bucket.index, from, to);
    if (!coarse.empty() && coarse.back().index == index) {
      coarse.back().count += bucket.count;
    } else {
      coarse.push_back({index, bucket.count});
    }
  }
  return coarse;
}

std::vector<double> shared_bounds(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> shared;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(shared));
  return shared;
}

// Where the bucket `index` of `from` lies among the fewer bounds of `to`.
int32_t index_among(const std::vector<double>& from, int32_t index, const std::vector<double>& to) {
  if (static_cast<size_t>(index) >= from.size()) return static_cast<int32_t>(to.size());
  const auto at = std::lower_bound(to.begin(), to.end(), from[static_cast<size_t>(index)]);
  return static_cast<int32_t>(at - to.begin());
}

std::vector<IndexedCount> rebound(const std::vector<IndexedCount>& buckets,
                                  const std::vector<double>& from, const std::vector<double>& to) {
  std::vector<IndexedCount> moved;
  for (const IndexedCount& bucket : buckets) {
    const int32_t index = index_among(from, bucket.index, to);
    if (!moved.empty() && moved.back().index == index) {
      moved.back().count += bucket.count;
    } else {
      moved.push_back({index, bucket.count});
    }
  }
  return moved;
}

// Whether a bucket counts less than it did.
bool any_smaller(const std::vector<IndexedCount>& now, const std::vector<IndexedCount>& before) {
  size_t at = 0;
  for (const IndexedCount& bucket : before) {
    while (at < now.size() && now[at].index < bucket.index) ++at;
    const bool there = at < now.size() && now[at].index == bucket.index;
    if (bucket.count > (there ? now[at].count : 0)) return true;
  }
  return false;
}

}  // namespace

void HistogramSum::adjust_reset(CounterReset other) {
  if (added_ == 0) {
    reset_ = other;
  } else if (other == CounterReset::kGauge) {
    reset_ = CounterReset::kGauge;
  } else if (other != reset_ && reset_ != CounterReset::kGauge) {
    reset_ = CounterReset::kUnknown;
  }
  seen_reset_ = seen_reset_ || other == CounterReset::kReset;
  seen_not_reset_ = seen_not_reset_ || other == CounterReset::kNotReset;
}

void HistogramSum::add_cells(Cells& cells, const std::vector<IndexedCount>& buckets,
                             double factor) {
  size_t at = 0;
  for (const IndexedCount& bucket : buckets) {
    while (at < cells.size() && cells[at].index < bucket.index) ++at;
    if (at == cells.size() || cells[at].index != bucket.index) {
      cells.insert(cells.begin() + static_cast<ptrdiff_t>(at), Cell{bucket.index, {}});
    }
    cells[at].count.add(bucket.count * factor);
  }
}

void HistogramSum::reduce_to(int32_t schema) {
  for (Cells* cells : {&positive_, &negative_}) {
    Cells coarse;
    for (const Cell& cell : *cells) {
      const int32_t index = coarser_index(cell.index, schema_, schema);
      if (coarse.empty() || coarse.back().index != index) coarse.push_back({index, {}});
      coarse.back().count.add(cell.count);
    }
    *cells = std::move(coarse);
  }
  schema_ = schema;
}

void HistogramSum::widen_zero_bucket(double threshold) {
  for (Cells* cells : {&positive_, &negative_}) {
    std::erase_if(*cells, [&](const Cell& cell) {
      if (exponential_bound(schema_, cell.index - 1) >= threshold) return false;
      zero_count_.add(cell.count);
      return true;
    });
  }
  zero_threshold_ = threshold;
}

bool HistogramSum::overflown() const {
  const auto infinite = [](const Cell& cell) { return std::isinf(cell.count.sum); };
  return std::isinf(count_.sum) || std::isinf(sum_.sum) || std::isinf(zero_count_.sum) ||
         std::any_of(positive_.begin(), positive_.end(), infinite) ||
         std::any_of(negative_.begin(), negative_.end(), infinite);
}

void HistogramSum::shrink() {
  const auto shrink_one = [](Kahan& number) {
    number.sum *= kShrink;
    number.rest *= kShrink;
  };
  shrink_one(zero_count_);
  shrink_one(count_);
  shrink_one(sum_);
  for (Cells* cells : {&positive_, &negative_}) {
    for (Cell& cell : *cells) shrink_one(cell.count);
  }
  scale_ *= kShrink;
}

HistogramSum::Outcome HistogramSum::add(const NativeHistogram& histogram, double sign) {
  Outcome outcome;
  if (added_ == 0) {
    schema_ = histogram.schema;
    bounds_ = histogram.bounds;
    zero_threshold_ = histogram.zero_threshold;
  } else if (histogram.custom() != (schema_ == NativeHistogram::kCustomBounds)) {
    outcome.compatible = false;
    return outcome;
  }
  adjust_reset(histogram.reset);
  outcome.reset_collision = seen_reset_ && seen_not_reset_;
  auto positive = unpack(histogram.positive_spans, histogram.positive_buckets);
  auto negative = unpack(histogram.negative_spans, histogram.negative_buckets);
  double zero_count = histogram.zero_count;
  if (histogram.custom()) {
    if (bounds_ != histogram.bounds) {
      outcome.reconciled = true;
      const std::vector<double> shared = shared_bounds(bounds_, histogram.bounds);
      Cells moved;
      for (const Cell& cell : positive_) {
        const int32_t index = index_among(bounds_, cell.index, shared);
        if (moved.empty() || moved.back().index != index) moved.push_back({index, {}});
        moved.back().count.add(cell.count);
      }
      positive_ = std::move(moved);
      positive = rebound(positive, histogram.bounds, shared);
      bounds_ = shared;
    }
  } else {
    if (histogram.schema < schema_) reduce_to(histogram.schema);
    if (histogram.schema > schema_) {
      positive = reduced(positive, histogram.schema, schema_);
      negative = reduced(negative, histogram.schema, schema_);
    }
    // Both zero buckets are widened until neither cuts a bucket of the other.
    while (zero_threshold_ != histogram.zero_threshold) {
      std::vector<IndexedCount> own_positive;
      std::vector<IndexedCount> own_negative;
      for (const Cell& cell : positive_) own_positive.push_back({cell.index, cell.count.value()});
      for (const Cell& cell : negative_) own_negative.push_back({cell.index, cell.count.value()});
      const double wanted = std::max(zero_threshold_, histogram.zero_threshold);
      const ZeroBucket own = widened(own_positive, own_negative, schema_, 0, wanted);
      const ZeroBucket other =
          widened(positive, negative, schema_, histogram.zero_count, own.threshold);
      if (own.threshold != zero_threshold_) widen_zero_bucket(own.threshold);
      if (other.threshold == own.threshold) {
        zero_count = other.count;
        drop_below(positive, schema_, other.threshold);
        drop_below(negative, schema_, other.threshold);
        break;
      }
      widen_zero_bucket(widened(own_positive, own_negative, schema_, 0, other.threshold).threshold);
      if (zero_threshold_ == other.threshold) {
        zero_count = other.count;
        drop_below(positive, schema_, other.threshold);
        drop_below(negative, schema_, other.threshold);
        break;
      }
    }
  }
  const auto add_all = [&] {
    const double factor = sign * scale_;
    zero_count_.add(zero_count * factor);
    count_.add(histogram.count * factor);
    sum_.add(histogram.sum * factor);
    add_cells(positive_, positive, factor);
    add_cells(negative_, negative, factor);
  };
  magnitude_ += magnitude_of(histogram);
  if (scale_ != 1 || magnitude_ < kSafeMagnitude) {
    add_all();
  } else {
    const HistogramSum before = *this;
    add_all();
    if (overflown() && !before.overflown()) {
      const double magnitude = magnitude_;
      *this = before;
      magnitude_ = magnitude;
      shrink();
      add_all();
    }
  }
  ++added_;
  return outcome;
}

HistogramSum::Outcome HistogramSum::merge(const HistogramSum& other) {
  if (other.empty()) return {};
  Outcome outcome = add(other.sum());
  added_ += other.added_ - 1;
  seen_reset_ = seen_reset_ || other.seen_reset_;
  seen_not_reset_ = seen_not_reset_ || other.seen_not_reset_;
  outcome.reset_collision = seen_reset_ && seen_not_reset_;
  return outcome;
}

NativeHistogram HistogramSum::result(double divisor) const {
  const auto number = [&](const Kahan& kahan) {
    return kahan.sum / divisor / scale_ + kahan.rest / divisor / scale_;
  };
  NativeHistogram out;
  out.schema = schema_;
  out.reset = reset_;
  out.bounds = bounds_;
  out.zero_threshold = zero_threshold_;
  out.zero_count = number(zero_count_);
  out.count = number(count_);
  out.sum = number(sum_);
  std::vector<IndexedCount> buckets;
  for (const Cell& cell : positive_) buckets.push_back({cell.index, number(cell.count)});
  pack(buckets, out.positive_spans, out.positive_buckets);
  buckets.clear();
  for (const Cell& cell : negative_) buckets.push_back({cell.index, number(cell.count)});
  pack(buckets, out.negative_spans, out.negative_buckets);
  return out;
}

NativeHistogram compacted(const NativeHistogram& histogram) {
  NativeHistogram out = histogram;
  pack(unpack(histogram.positive_spans, histogram.positive_buckets), out.positive_spans,
       out.positive_buckets);
  pack(unpack(histogram.negative_spans, histogram.negative_buckets), out.negative_spans,
       out.negative_buckets);
  return out;
}

NativeHistogram multiplied(const NativeHistogram& histogram, double factor) {
  NativeHistogram out = histogram;
  out.whole = false;
  out.zero_count *= factor;
  out.count *= factor;
  out.sum *= factor;
  for (double& count : out.positive_buckets) count *= factor;
  for (double& count : out.negative_buckets) count *= factor;
  if (factor < 0) out.reset = CounterReset::kGauge;
  return compacted(out);
}

NativeHistogram divided(const NativeHistogram& histogram, double divisor) {
  NativeHistogram out = histogram;
  out.whole = false;
  out.zero_count /= divisor;
  out.count /= divisor;
  out.sum /= divisor;
  if (divisor == 0) {
    out.positive_spans.clear();
    out.positive_buckets.clear();
    out.negative_spans.clear();
    out.negative_buckets.clear();
    return out;
  }
  for (double& count : out.positive_buckets) count /= divisor;
  for (double& count : out.negative_buckets) count /= divisor;
  if (divisor < 0) out.reset = CounterReset::kGauge;
  return compacted(out);
}

bool equal(const NativeHistogram& a, const NativeHistogram& b) {
  const auto same = [](double x, double y) {
    return std::bit_cast<uint64_t>(x) == std::bit_cast<uint64_t>(y);
  };
  const auto same_buckets = [&same](const std::vector<IndexedCount>& x,
                                    const std::vector<IndexedCount>& y) {
    return std::equal(x.begin(), x.end(), y.begin(), y.end(),
                      [&same](const IndexedCount& p, const IndexedCount& q) {
                        return p.index == q.index && same(p.count, q.count);
                      });
  };
  if (a.schema != b.schema || !same(a.count, b.count) || !same(a.sum, b.sum)) return false;
  if (a.custom() ? a.bounds != b.bounds
                 : a.zero_threshold != b.zero_threshold || !same(a.zero_count, b.zero_count)) {
    return false;
  }
  return same_buckets(unpack(a.positive_spans, a.positive_buckets),
                      unpack(b.positive_spans, b.positive_buckets)) &&
         same_buckets(unpack(a.negative_spans, a.negative_buckets),
                      unpack(b.negative_spans, b.negative_buckets));
}

bool is_reset(const NativeHistogram& histogram, const NativeHistogram& previous) {
  if (histogram.reset == CounterReset::kReset) return true;
  if (histogram.reset == CounterReset::kNotReset) return false;
  if (histogram.count < previous.count) return true;
  if (histogram.custom() != previous.custom()) return true;
  auto now = unpack(histogram.positive_spans, histogram.positive_buckets);
  auto before = unpack(previous.positive_spans, previous.positive_buckets);
  if (histogram.custom()) {
    if (histogram.bounds != previous.bounds) {
      const std::vector<double> shared = shared_bounds(histogram.bounds, previous.bounds);
      now = rebound(now, histogram.bounds, shared);
      before = rebound(before, previous.bounds, shared);
    }
    return any_smaller(now, before);
  }
  // A counter that goes on loses resolution or widens its zero bucket, never the
  // other way.
  if (histogram.schema > previous.schema) return true;
  if (histogram.zero_threshold < previous.zero_threshold) return true;
  auto now_negative = unpack(histogram.negative_spans, histogram.negative_buckets);
  auto before_negative = unpack(previous.negative_spans, previous.negative_buckets);
  const ZeroBucket zero = widened(before, before_negative, previous.schema, previous.zero_count,
                                  histogram.zero_threshold);
  if (zero.threshold != histogram.zero_threshold) return true;
  if (histogram.zero_count < zero.count) return true;
  drop_below(before, previous.schema, zero.threshold);
  drop_below(before_negative, previous.schema, zero.threshold);
  if (previous.schema != histogram.schema) {
    before = reduced(before, previous.schema, histogram.schema);
    before_negative = reduced(before_negative, previous.schema, histogram.schema);
  }
  return any_smaller(now, before) || any_smaller(now_negative, before_negative);
}

Interpolated interpolate(const NativeHistogram& a, const NativeHistogram& b, double fraction,
                         bool counter, bool reset) {
  Interpolated out;
  out.compatible = a.custom() == b.custom();
  if (!out.compatible) return out;
  if (counter && reset) {
    out.histogram = multiplied(b, fraction);
    return out;
  }
  HistogramSum step(b);
  step.add(a, -1);
  HistogramSum sum(a);
  sum.add(multiplied(step.sum(), fraction));
  sum.set_reset(a.reset);
  out.histogram = sum.sum();
  return out;
}

}  // namespace gatehouse::promql

#include "wire/delta_accumulator.h"

#include <algorithm>

namespace gatehouse::wire {

namespace {

// SDKs keep 160 buckets a side and merge above; sums of many may need more. What is
// wider is merged until it fits.
constexpr size_t kWidthMax = 640;
constexpr int32_t kScaleMin = -11;  // below, one bucket holds half of all doubles

uint64_t add(uint64_t a, uint64_t b) {
  uint64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

// Without the zeros at both ends, which say nothing and cost width.
void trim(OtlpBuckets& buckets) {
  auto& counts = buckets.counts;
  while (!counts.empty() && counts.back() == 0) counts.pop_back();
  const auto first = std::find_if(counts.begin(), counts.end(), [](uint64_t c) { return c != 0; });
  buckets.offset = static_cast<int32_t>(std::clamp<int64_t>(
      int64_t{buckets.offset} + (first - counts.begin()), INT32_MIN, INT32_MAX));
  counts.erase(counts.begin(), first);
}

void rescale(OtlpPoint& point, int32_t scale) {
  downscale(point.positive, point.scale - scale);
  downscale(point.negative, point.scale - scale);
  point.scale = scale;
}

Status add_exponential(OtlpPoint& total, OtlpPoint& point) {
  if (point.scale < -64 || point.scale > 64) return invalid_argument("the scale is out of range");
  for (OtlpBuckets* side : {&point.positive, &point.negative}) trim(*side);
  int32_t scale = std::min(total.scale, point.scale);
  for (;; --scale) {
    if (scale < kScaleMin) return invalid_argument("the buckets are too far apart");
    OtlpPoint wide = total;
    rescale(wide, scale);
    rescale(point, scale);
    if (merge(wide.positive, point.positive, kWidthMax) &&
        merge(wide.negative, point.negative, kWidthMax)) {
      total = std::move(wide);
      break;
    }
  }
  total.zero_count = add(total.zero_count, point.zero_count);
  total.zero_threshold = std::max(total.zero_threshold, point.zero_threshold);
  return {};
}

Status add_up(OtlpKind kind, OtlpPoint& total, OtlpPoint& point) {
  switch (kind) {
    case OtlpKind::kSum: total.value += point.value; return {};
    case OtlpKind::kHistogram:
      if (total.bounds != point.bounds ||
          total.bucket_counts.size() != point.bucket_counts.size()) {
        return invalid_argument("the histogram's bounds have changed");
      }
      for (size_t i = 0; i < total.bucket_counts.size(); ++i) {
        total.bucket_counts[i] = add(total.bucket_counts[i], point.bucket_counts[i]);
      }
      break;
    case OtlpKind::kExponentialHistogram: RETURN_IF_ERROR(add_exponential(total, point)); break;
    case OtlpKind::kGauge:
    case OtlpKind::kSummary: return invalid_argument("this kind of metric has no differences");
  }
  total.count = add(total.count, point.count);
  total.has_sum &= point.has_sum;
  total.sum += point.sum;
  return {};
}

size_t bytes_of(const OtlpPoint& point) {
  return 8 * (point.bucket_counts.capacity() + point.bounds.capacity() +
              point.positive.counts.capacity() + point.negative.counts.capacity());
}

}  // namespace

void downscale(OtlpBuckets& buckets, int32_t by) {
  if (by <= 0 || buckets.counts.empty()) return;
  by = std::min(by, 31);
  const int64_t first = buckets.offset;
  const int64_t merged_first = first >> by;
  for (size_t i = 0; i < buckets.counts.size(); ++i) {
    const auto to = static_cast<size_t>(((first + static_cast<int64_t>(i)) >> by) - merged_first);
    const uint64_t count = buckets.counts[i];
    if (to == i) continue;
    buckets.counts[i] = 0;
    buckets.counts[to] = add(buckets.counts[to], count);
  }
  const int64_t last = (first + static_cast<int64_t>(buckets.counts.size()) - 1) >> by;
  buckets.counts.resize(static_cast<size_t>(last - merged_first + 1));
  buckets.offset = static_cast<int32_t>(merged_first);
}

bool merge(OtlpBuckets& into, const OtlpBuckets& other, size_t width_max) {
  if (other.counts.empty()) return into.counts.size() <= width_max;
  if (into.counts.empty()) {
    if (other.counts.size() > width_max) return false;
    into = other;
    return true;
  }
  const int64_t begin = std::min(into.offset, other.offset);
  const int64_t end = std::max(into.offset + static_cast<int64_t>(into.counts.size()),
                               other.offset + static_cast<int64_t>(other.counts.size()));
  if (static_cast<uint64_t>(end - begin) > width_max) return false;
  std::vector<uint64_t> counts(static_cast<size_t>(end - begin));
  for (const OtlpBuckets* side : {static_cast<const OtlpBuckets*>(&into), &other}) {
    for (size_t i = 0; i < side->counts.size(); ++i) {
      uint64_t& count = counts[static_cast<size_t>(side->offset - begin) + i];
      count = add(count, side->counts[i]);
    }
  }
  into.offset = static_cast<int32_t>(begin);
  into.counts = std::move(counts);
  return true;
}

void DeltaAccumulator::account(Stream& stream) {
  held_ -= stream.bytes;
  // The list's and the map's own nodes, by measure.
  stream.bytes = sizeof(Stream) + 2 * stream.key.capacity() + 96 + bytes_of(stream.total);
  held_ += stream.bytes;
}

bool DeltaAccumulator::make_room(size_t bytes, uint64_t now_ns) {
  while (!streams_.empty() &&
         (streams_.size() >= limits_.streams || held_ + bytes > limits_.memory_bytes)) {
    Stream& silent = streams_.front();
    if (silent.total.time_ns + limits_.idle_ns > now_ns) return false;
    held_ -= silent.bytes;
    index_.erase(silent.key);
    streams_.pop_front();
  }
  return streams_.size() < limits_.streams && held_ + bytes <= limits_.memory_bytes;
}

Status DeltaAccumulator::accumulate(std::string_view key, OtlpKind kind, OtlpPoint& point) {
  const auto found = index_.find(key);
  if (found == index_.end()) {
    OtlpPoint first = point;
    first.attributes.clear();
    first.exemplars.clear();
    first.attributes.shrink_to_fit();
    first.exemplars.shrink_to_fit();
    if (kind == OtlpKind::kExponentialHistogram) {
      OtlpPoint empty;
      empty.scale = point.scale;
      empty.has_sum = true;
      empty.start_ns = point.start_ns;
      RETURN_IF_ERROR(add_up(kind, empty, point));
      empty.time_ns = point.time_ns;
      first = std::move(empty);
    }
    if (!make_room(sizeof(Stream) + 2 * key.size() + 96 + bytes_of(first), point.time_ns)) {
      return resource_exhausted("too many streams of delta points");
    }
    streams_.push_back({std::string(key), std::move(first), 0});
    const auto at = std::prev(streams_.end());
    index_.emplace(at->key, at);
    account(*at);
    if (kind != OtlpKind::kExponentialHistogram) return {};
    point.positive = at->total.positive;
    point.negative = at->total.negative;
    point.scale = at->total.scale;
    return {};
  }
  Stream& stream = *found->second;
  if (point.time_ns <= stream.total.time_ns) {
    return invalid_argument("a delta point is not newer than the one before");
  }
  streams_.splice(streams_.end(), streams_, found->second);
  stream.total.time_ns = point.time_ns;
  if (point.no_recorded_value) return {};
  const Status added = add_up(kind, stream.total, point);
  if (!added.ok()) {
    // What cannot be added begins the stream anew, with its own start.
    held_ -= stream.bytes;
    const auto gone = found->second;
    index_.erase(found);
    streams_.erase(gone);
    return added;
  }
  account(stream);
  const OtlpPoint& total = stream.total;
  point.start_ns = total.start_ns;
  point.value = total.value;
  point.count = total.count;
  point.sum = total.sum;
  point.has_sum = total.has_sum;
  point.bucket_counts = total.bucket_counts;
  point.scale = total.scale;
  point.zero_count = total.zero_count;
  point.zero_threshold = total.zero_threshold;
  point.positive = total.positive;
  point.negative = total.negative;
  return {};
}

}  // namespace gatehouse::wire

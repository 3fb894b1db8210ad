#include "store/block/tombstones.h"

#include <algorithm>

#include "base/bytes.h"
#include "store/codec/wrapping.h"

namespace gatehouse::store {
namespace {

constexpr std::string_view kMagic = "GHTOMBS1";

bool take_ranges(std::string_view& in, Tombstones::Ranges& ranges) {
  uint64_t count = 0;
  // A range takes two bytes at least.
  if (!get_varint(in, count) || count == 0 || count > in.size() / 2) return false;
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t begin = 0;
    uint64_t end = 0;
    if (!get_varint(in, begin) || !get_varint(in, end)) return false;
    add_range(ranges, {unzigzag(begin), unzigzag(end)});
  }
  return true;
}

}  // namespace

void add_range(Tombstones::Ranges& ranges, model::TimeRangeMs range) {
  if (range.begin_ms > range.end_ms) return;
  // Those that touch it or lie over it become one with it.
  const auto first =
      std::find_if(ranges.begin(), ranges.end(), [&](const model::TimeRangeMs& other) {
        return other.end_ms >= range.begin_ms || other.end_ms + 1 == range.begin_ms;
      });
  auto last = first;
  while (last != ranges.end() &&
         (last->begin_ms <= range.end_ms || last->begin_ms - 1 == range.end_ms)) {
    range.begin_ms = std::min(range.begin_ms, last->begin_ms);
    range.end_ms = std::max(range.end_ms, last->end_ms);
    ++last;
  }
  ranges.insert(ranges.erase(first, last), range);
}

void Tombstones::add(uint32_t series, model::TimeRangeMs range) {
  add_range(series_[series], range);
}

const Tombstones::Ranges* Tombstones::of(uint32_t series) const {
  const auto found = series_.find(series);
  return found == series_.end() ? nullptr : &found->second;
}

std::string Tombstones::encode() const {
  std::string out(kMagic);
  put_varint(out, series_.size());
  for (const auto& [series, ranges] : series_) {
    put_varint(out, series);
    put_varint(out, ranges.size());
    for (const model::TimeRangeMs& range : ranges) {
      put_varint(out, zigzag(range.begin_ms));
      put_varint(out, zigzag(range.end_ms));
    }
  }
  put_le<uint32_t>(out, crc32c(out));
  return out;
}

Result<Tombstones> Tombstones::parse(std::string_view bytes) {
  const Status damaged = data_loss("the tombstones are damaged");
  if (!bytes.starts_with(kMagic) || bytes.size() < kMagic.size() + 5) return damaged;
  const std::string_view covered = bytes.substr(0, bytes.size() - 4);
  if (get_le<uint32_t>(bytes.data() + covered.size()) != crc32c(covered)) return damaged;
  std::string_view in = covered.substr(kMagic.size());
  Tombstones tombstones;
  uint64_t count = 0;
  if (!get_varint(in, count)) return damaged;
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t series = 0;
    if (!get_varint(in, series) || series > UINT32_MAX) return damaged;
    if (!take_ranges(in, tombstones.series_[static_cast<uint32_t>(series)])) return damaged;
  }
  return tombstones;
}

void drop_deleted(const Tombstones::Ranges& ranges, model::SampleColumns& columns, size_t first) {
  size_t kept = first;
  auto range = ranges.begin();
  for (size_t i = first; i < columns.size(); ++i) {
    const int64_t time = columns.times_ms[i];
    while (range != ranges.end() && range->end_ms < time) ++range;
    if (range != ranges.end() && range->begin_ms <= time) continue;
    if (kept != i) {
      columns.times_ms[kept] = time;
      columns.values[kept] = columns.values[i];
      if (!columns.histograms.empty()) {
        columns.histograms[kept] = std::move(columns.histograms[i]);
      }
      if (!columns.starts_ms.empty()) columns.starts_ms[kept] = columns.starts_ms[i];
    }
    ++kept;
  }
  columns.times_ms.resize(kept);
  columns.values.resize(kept);
  if (!columns.histograms.empty()) columns.histograms.resize(kept);
  if (!columns.starts_ms.empty()) columns.starts_ms.resize(kept);
}

}  // namespace gatehouse::store

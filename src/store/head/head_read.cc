// Head: reading. Matchers become sets of label pairs once, by asking each value of
// a label, and then sets of slots shard by shard; samples are copied under a
// shard's lock and decoded outside of it.
#include <algorithm>
#include <array>
#include <atomic>
#include <numeric>
#include <optional>
#include <set>
#include <unordered_set>

#include "store/head/head.h"

namespace gatehouse::store {
namespace {

// A lock is held for so many series at most before others get a turn.
constexpr size_t kTurn = 1024;
// What comes so many series later is fetched into the processor's cache meanwhile.
constexpr size_t kAhead = 8;

}  // namespace

Head::Resolved Head::resolve(std::span<const model::Matcher> matchers) const {
  Resolved resolved;
  for (const model::Matcher& matcher : matchers) {
    Resolved::Set set;
    // A matcher that takes the empty value is told by what it does not take.
    const bool excludes = matcher.matches_empty();
    if (matcher.op() == model::Matcher::Op::kEqual && !excludes) {
      if (const uint32_t pair = labels_.find(matcher.name(), matcher.value()); pair != 0) {
        set.pairs.push_back(pair);
      }
    } else if (matcher.op() == model::Matcher::Op::kNotEqual && excludes) {
      if (const uint32_t pair = labels_.find(matcher.name(), matcher.value()); pair != 0) {
        set.pairs.push_back(pair);
      }
    } else if (matcher.op() == model::Matcher::Op::kRegex && !excludes &&
               !matcher.literals().empty()) {
      for (const std::string& value : matcher.literals()) {
        if (const uint32_t pair = labels_.find(matcher.name(), value); pair != 0) {
          set.pairs.push_back(pair);
        }
      }
    } else {
      const LabelTable::Name name = labels_.name(matcher.name());
      for (uint32_t pair = name.newest; pair != 0; pair = labels_.next_value(pair)) {
        if (matcher.matches(labels_.value(pair)) != excludes) set.pairs.push_back(pair);
      }
    }
    std::sort(set.pairs.begin(), set.pairs.end());
    if (excludes) {
      if (!set.pairs.empty()) resolved.unwanted.push_back(std::move(set));
    } else {
      resolved.nothing |= set.pairs.empty();
      resolved.wanted.push_back(std::move(set));
    }
  }
  return resolved;
}

std::vector<uint32_t> Head::slots_of(const Shard& shard, const Resolved& resolved) const {
  const auto size_of = [&](const Resolved::Set& set) {
    size_t total = 0;
    for (const uint32_t pair : set.pairs) total += shard.postings().count(pair);
    return total;
  };
  const auto slots_with = [&](const Resolved::Set& set) {
    std::vector<uint32_t> slots;
    for (const uint32_t pair : set.pairs) shard.postings().collect(pair, slots);
    if (!std::is_sorted(slots.begin(), slots.end())) std::sort(slots.begin(), slots.end());
    return slots;
  };
  std::vector<uint32_t> slots;
  std::vector<std::pair<size_t, const Resolved::Set*>> wanted;
  for (const Resolved::Set& set : resolved.wanted) wanted.emplace_back(size_of(set), &set);
  std::sort(wanted.begin(), wanted.end());
  if (wanted.empty()) {
    for (uint32_t slot = 0; slot < shard.slots(); ++slot) {
      if (shard.live(slot)) slots.push_back(slot);
    }
  } else {
    if (wanted[0].first == 0) return slots;
    slots = slots_with(*wanted[0].second);
  }
  // Long lists cost more than looking at the labels of the few series left.
  constexpr size_t kLooksWorthALabelSet = 8;
  std::vector<const Resolved::Set*> check_wanted, check_unwanted;
  std::vector<uint32_t> kept;
  for (size_t i = 1; i < wanted.size(); ++i) {
    if (wanted[i].first > slots.size() * kLooksWorthALabelSet) {
      check_wanted.push_back(wanted[i].second);
      continue;
    }
    const std::vector<uint32_t> other = slots_with(*wanted[i].second);
    kept.clear();
    std::set_intersection(slots.begin(), slots.end(), other.begin(), other.end(),
                          std::back_inserter(kept));
    slots.swap(kept);
  }
  for (const Resolved::Set& set : resolved.unwanted) {
    if (size_of(set) > slots.size() * kLooksWorthALabelSet) {
      check_unwanted.push_back(&set);
      continue;
    }
    const std::vector<uint32_t> other = slots_with(set);
    kept.clear();
    std::set_difference(slots.begin(), slots.end(), other.begin(), other.end(),
                        std::back_inserter(kept));
    slots.swap(kept);
  }
  if (check_wanted.empty() && check_unwanted.empty()) return slots;
  std::vector<uint32_t> pairs;
  std::erase_if(slots, [&](uint32_t slot) {
    shard.pairs_of(slot, pairs);
    for (const Resolved::Set* set : check_wanted) {
      if (std::none_of(pairs.begin(), pairs.end(), [&](uint32_t p) { return set->contains(p); })) {
        return true;
      }
    }
    for (const Resolved::Set* set : check_unwanted) {
      if (std::any_of(pairs.begin(), pairs.end(), [&](uint32_t p) { return set->contains(p); })) {
        return true;
      }
    }
    return false;
  });
  return slots;
}

Result<std::vector<Head::Found>> Head::find_series(std::span<const model::Matcher> matchers,
                                                   model::TimeRangeMs range,
                                                   model::QueryContext& context) const {
  std::vector<Found> found;
  const Resolved resolved = resolve(matchers);
  if (resolved.nothing || range.begin_ms > end_ms() || range.end_ms < begin_ms()) return found;
  for (uint32_t number = 0; number < kShards; ++number) {
    RETURN_IF_ERROR(context.check());
    const Shard& shard = *shards_[number];
    std::vector<uint32_t> slots;
    {
      std::lock_guard lock(shard.state_mutex);
      slots = slots_of(shard, resolved);
    }
    RETURN_IF_ERROR(context.charge(static_cast<int64_t>(slots.size() * sizeof(Found))));
    for (size_t first = 0; first < slots.size(); first += kTurn) {
      std::lock_guard lock(shard.state_mutex);
      for (size_t i = first; i < std::min(slots.size(), first + kTurn); ++i) {
        const uint32_t slot = slots[i];
        if (i + kAhead < slots.size()) shard.prefetch_chunk(slots[i + kAhead]);
        if (!shard.live(slot) || shard.without_samples(slot)) continue;
        const Shard::Last last = shard.last(slot);
        if (last.any && last.time_ms < range.begin_ms) continue;
        if (range.end_ms < end_ms() && shard.first_time_ms(slot) > range.end_ms) continue;
        found.push_back({number, slot, shard.series(slot).generation});
      }
    }
  }
  return found;
}

// Of a series it keeps the row of refs, copied: 25 bytes or so. Views of its labels, ten
// times as much, are made when first asked for, a span of series at a time; many queries
// (a count, a sum over all) never ask.
class HeadSeriesSet : public model::SeriesSet {
 public:
  HeadSeriesSet(const Head& head, model::TimeRangeMs range, model::QueryContext& context,
                std::shared_ptr<const void> pin)
      : head_(head), range_(range), context_(context), pin_(std::move(pin)) {}

  size_t size() const override { return series_.size(); }
  model::LabelsView labels(size_t i) const override {
    std::atomic<const Views*>& place = views_[i / kSpan];
    const Views* views = place.load(std::memory_order_acquire);
    if (views == nullptr) views = make_views(i / kSpan);
    const size_t at = i % kSpan;
    const uint32_t begin = at == 0 ? 0 : views->ends[at - 1];
    return std::span(views->labels).subspan(begin, views->ends[at] - begin);
  }
  Status samples(size_t i, model::SampleColumns& out) const override {
    thread_local RawSeries raw;
    raw.clear();
    const Head::Found& found = series_[i].found;
    const Shard& shard = *head_.shards_[found.shard];
    {
      std::lock_guard lock(shard.state_mutex);
      if (i + kAhead < series_.size() && series_[i + kAhead].found.shard == found.shard) {
        shard.prefetch_chunk(series_[i + kAhead].found.slot);
      }
      if (shard.live(found.slot) && shard.series(found.slot).generation == found.generation) {
        shard.copy(found.slot, range_, raw);
      }
    }
    return decode(raw, range_, out);
  }

  Status take(const std::vector<Head::Found>& found, model::SeriesOrder order) {
    series_.reserve(found.size());
    RETURN_IF_ERROR(context_.charge(static_cast<int64_t>(found.size() * sizeof(Entry))));
    for (size_t first = 0; first < found.size(); first += kTurn) {
      RETURN_IF_ERROR(context_.check());
      const size_t before = rows_.size();
      const size_t last = std::min(found.size(), first + kTurn);
      for (size_t i = first; i < last;) {
        const Shard& shard = *head_.shards_[found[i].shard];
        std::lock_guard lock(shard.state_mutex);
        for (; i < last && head_.shards_[found[i].shard].get() == &shard; ++i) {
          series_.push_back({found[i], rows_.size()});
          rows_ += shard.row_text(found[i].slot);
        }
      }
      RETURN_IF_ERROR(context_.charge(static_cast<int64_t>(rows_.size() - before)));
    }
    if (order == model::SeriesOrder::kByLabels) {
      std::sort(series_.begin(), series_.end(), [&](const Entry& a, const Entry& b) {
        return Shard::compare_rows(head_.labels_, rows_.data() + a.row, rows_.data() + b.row) < 0;
      });
    }
    views_ = std::vector<std::atomic<const Views*>>((series_.size() + kSpan - 1) / kSpan);
    return {};
  }

 private:
  static constexpr size_t kSpan = 128;
  struct Entry {
    Head::Found found;
    size_t row;  // in rows_
  };
  struct Views {
    std::vector<model::LabelView> labels;
    std::array<uint32_t, kSpan> ends{};  // of each series' labels
  };

  const Views* make_views(size_t number) const {
    const size_t last = std::min(series_.size(), (number + 1) * kSpan);
    size_t labels = 0;
    for (size_t i = number * kSpan; i < last; ++i) {
      labels += static_cast<uint8_t>(rows_[series_[i].row]);
    }
    if (!context_.charge_or_refuse(
            static_cast<int64_t>(sizeof(Views) + labels * sizeof(model::LabelView)))) {
      static const Views none{};  // the query ends with an error, whatever it made of these
      return &none;
    }
    auto made = std::make_unique<Views>();
    made->labels.reserve(labels);
    for (size_t i = number * kSpan; i < last; ++i) {
      Shard::labels_of_row(head_.labels_, rows_.data() + series_[i].row, made->labels);
      made->ends[i % kSpan] = static_cast<uint32_t>(made->labels.size());
    }
    const std::lock_guard lock(views_mutex_);
    if (const Views* other = views_[number].load(std::memory_order_relaxed)) return other;
    views_[number].store(made.get(), std::memory_order_release);
    made_.push_back(std::move(made));
    return views_[number].load(std::memory_order_relaxed);
  }

  const Head& head_;
  model::TimeRangeMs range_;
  model::QueryContext& context_;
  std::shared_ptr<const void> pin_;
  std::vector<Entry> series_;
  std::string rows_;  // as Shard::row() has them, one after another
  mutable std::vector<std::atomic<const Views*>> views_;
  mutable std::mutex views_mutex_;
  mutable std::vector<std::unique_ptr<const Views>> made_;
};

Result<std::unique_ptr<model::SeriesSet>> Head::select(std::span<const model::Matcher> matchers,
                                                       model::TimeRangeMs range,
                                                       model::SeriesOrder order,
                                                       model::QueryContext& context,
                                                       std::shared_ptr<const void> pin) const {
  ASSIGN_OR_RETURN(const std::vector<Found> found, find_series(matchers, range, context));
  auto set = std::make_unique<HeadSeriesSet>(*this, range, context, std::move(pin));
  RETURN_IF_ERROR(set->take(found, order));
  return std::unique_ptr<model::SeriesSet>(std::move(set));
}

Result<std::vector<std::string>> Head::label_names(std::span<const model::Matcher> matchers,
                                                   model::TimeRangeMs range,
                                                   model::QueryContext& context) const {
  std::vector<std::string> names;
  if (range.begin_ms > end_ms() || range.end_ms < begin_ms()) return names;
  if (matchers.empty()) {
    // A name is listed as long as one of its pairs has a series.
    for (const LabelTable::Name& name : labels_.names()) {
      bool used = false;
      for (uint32_t number = 0; number < kShards && !used; ++number) {
        std::lock_guard lock(shards_[number]->state_mutex);
        for (uint32_t pair = name.newest; pair != 0 && !used; pair = labels_.next_value(pair)) {
          used = shards_[number]->postings().count(pair) > 0;
        }
      }
      if (used) names.emplace_back(name.name);
    }
  } else {
    ASSIGN_OR_RETURN(const std::vector<Found> found, find_series(matchers, range, context));
    std::unordered_set<std::string_view> seen;
    std::vector<model::LabelView> labels;
    for (const Found& series : found) {
      const Shard& shard = *shards_[series.shard];
      labels.clear();
      std::lock_guard lock(shard.state_mutex);
      shard.labels_of(series.slot, labels);
      for (const model::LabelView& label : labels) seen.insert(label.name);
    }
    names.assign(seen.begin(), seen.end());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// Of the pairs those that a series has, in their order.
Result<std::vector<uint32_t>> Head::pairs_in_use(const std::vector<uint32_t>& pairs,
                                                 model::QueryContext& context) const {
  std::vector<uint32_t> unused(pairs.size()), still;
  std::iota(unused.begin(), unused.end(), 0);
  std::vector<bool> used(pairs.size());
  for (const auto& shard : shards_) {
    RETURN_IF_ERROR(context.check());
    const Postings& postings = shard->postings();
    still.clear();
    std::lock_guard lock(shard->state_mutex);
    for (size_t i = 0; i < unused.size(); ++i) {
      if (i + kAhead < unused.size()) postings.prefetch(pairs[unused[i + kAhead]]);
      if (postings.any(pairs[unused[i]])) {
        used[unused[i]] = true;
      } else {
        still.push_back(unused[i]);
      }
    }
    unused.swap(still);
  }
  std::vector<uint32_t> found;
  found.reserve(pairs.size() - unused.size());
  for (size_t i = 0; i < pairs.size(); ++i) {
    if (used[i]) found.push_back(pairs[i]);
  }
  return found;
}

Result<std::vector<std::string_view>> Head::label_values(std::string_view name,
                                                         std::span<const model::Matcher> matchers,
                                                         model::TimeRangeMs range,
                                                         model::QueryContext& context) const {
  std::vector<std::string_view> values;
  if (range.begin_ms > end_ms() || range.end_ms < begin_ms()) return values;
  if (matchers.empty()) {
    const auto sorted = labels_.sorted_values(name);
    constexpr size_t kBytesAPair = 2 * sizeof(uint32_t) + sizeof(std::string_view);
    RETURN_IF_ERROR(context.charge(static_cast<int64_t>(sorted->size() * kBytesAPair)));
    ASSIGN_OR_RETURN(const std::vector<uint32_t> used, pairs_in_use(*sorted, context));
    values.reserve(used.size());
    for (const uint32_t pair : used) values.push_back(labels_.value(pair));
    return values;
  }
  ASSIGN_OR_RETURN(const std::vector<Found> found, find_series(matchers, range, context));
  std::unordered_set<std::string_view> seen;
  for (const Found& series : found) {
    const Shard& shard = *shards_[series.shard];
    std::lock_guard lock(shard.state_mutex);
    const std::string_view value = shard.value_of(series.slot, name);
    if (!value.empty()) seen.insert(value);
  }
  values.assign(seen.begin(), seen.end());
  std::sort(values.begin(), values.end());
  return values;
}

std::vector<std::pair<std::string, model::MetricMetadata>> Head::metadata(std::string_view metric,
                                                                          size_t limit) const {
  std::lock_guard lock(metadata_mutex_);
  std::vector<std::pair<std::string, model::MetricMetadata>> found;
  if (!metric.empty()) {
    if (const auto at = metadata_.find(metric); at != metadata_.end()) found.push_back(*at);
    return found;
  }
  for (const auto& entry : metadata_) {
    if (limit != 0 && found.size() >= limit) break;
    found.push_back(entry);
  }
  return found;
}

model::MetricMetadata Head::metadata_of(std::string_view metric) const {
  std::lock_guard lock(metadata_mutex_);
  const auto at = metadata_.find(metric);
  return at == metadata_.end() ? model::MetricMetadata{} : at->second;
}

std::vector<model::SampleReader::SeriesExemplars> Head::exemplars(
    std::span<const model::Selector> selectors, model::TimeRangeMs range) const {
  std::map<std::pair<uint32_t, uint32_t>, std::vector<model::Exemplar>> by_series;
  {
    std::lock_guard lock(exemplars_mutex_);
    for (const StoredExemplar& stored : exemplars_) {
      const int64_t time_ms = stored.exemplar.time_ms;
      if (time_ms < range.begin_ms || time_ms > range.end_ms) continue;
      by_series[{stored.shard, stored.slot}].push_back(stored.exemplar);
    }
  }
  std::vector<model::SampleReader::SeriesExemplars> found;
  std::vector<model::LabelView> views;
  for (auto& [place, exemplars] : by_series) {
    views.clear();
    if (!labels_of(place.first, place.second, views)) continue;
    std::vector<model::Labels::Pair> pairs;
    for (const model::LabelView& label : views) pairs.emplace_back(label.name, label.value);
    model::Labels labels(std::move(pairs));
    if (std::none_of(selectors.begin(), selectors.end(),
                     [&](const model::Selector& s) { return s.matches(labels); })) {
      continue;
    }
    std::stable_sort(exemplars.begin(), exemplars.end(),
                     [](const auto& a, const auto& b) { return a.time_ms < b.time_ms; });
    found.push_back({std::move(labels), std::move(exemplars)});
  }
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return a.series < b.series; });
  return found;
}

bool Head::labels_of(uint32_t number, uint32_t slot, std::vector<model::LabelView>& out) const {
  if (number >= kShards) return false;
  const Shard& shard = *shards_[number];
  std::lock_guard lock(shard.state_mutex);
  if (slot >= shard.slots() || shard.series(slot).state == SeriesState::kFree) return false;
  shard.labels_of(slot, out);
  return true;
}

HeadStats Head::stats() const {
  HeadStats stats;
  for (const auto& shard : shards_) {
    std::lock_guard lock(shard->state_mutex);
    stats.series += shard->live_series();
    stats.ended_series += shard->ended_series();
    stats.sealed_chunks += shard->sealed_chunks();
    stats.late_samples += shard->late_samples();
    stats.memory_bytes += shard->memory_bytes();
  }
  stats.begin_ms = begin_ms();
  stats.end_ms = end_ms();
  stats.memory_bytes += labels_.memory_bytes();
  stats.label_pairs = labels_.pairs();
  stats.label_names = labels_.names().size();
  std::lock_guard lock(exemplars_mutex_);
  stats.exemplars = exemplars_.size();
  return stats;
}

Cardinality Head::cardinality(size_t most) const {
  Cardinality top;
  const auto largest = [&](std::vector<NamedCount>& counts) {
    const size_t kept = std::min(most, counts.size());
    std::partial_sort(counts.begin(), counts.begin() + static_cast<std::ptrdiff_t>(kept),
                      counts.end(), [](const NamedCount& a, const NamedCount& b) {
                        return a.count != b.count ? a.count > b.count : a.name < b.name;
                      });
    counts.resize(kept);
  };
  const auto series_of = [&](uint32_t pair) {
    uint64_t total = 0;
    for (const auto& shard : shards_) {
      std::lock_guard lock(shard->state_mutex);
      total += shard->postings().count(pair);
    }
    return total;
  };
  for (const LabelTable::Name& name : labels_.names()) {
    NamedCount of_label{std::string(name.name), 0};
    NamedCount bytes{std::string(name.name), 0};
    for (uint32_t pair = name.newest; pair != 0; pair = labels_.next_value(pair)) {
      const uint64_t series = series_of(pair);
      if (series == 0) continue;
      ++of_label.count;
      bytes.count += name.name.size() + labels_.value(pair).size();
      if (name.name == model::kMetricName) {
        top.series_by_metric.push_back({std::string(labels_.value(pair)), series});
      }
      // The list stays short: only what could be among the largest is kept.
      if (top.series_by_pair.size() >= 64 * most) largest(top.series_by_pair);
      top.series_by_pair.push_back(
          {std::string(name.name) + "=" + std::string(labels_.value(pair)), series});
    }
    if (of_label.count == 0) continue;
    top.values_by_label.push_back(std::move(of_label));
    top.bytes_by_label.push_back(std::move(bytes));
  }
  largest(top.series_by_metric);
  largest(top.values_by_label);
  largest(top.bytes_by_label);
  largest(top.series_by_pair);
  return top;
}

}  // namespace gatehouse::store

#include "collect/publisher.h"

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace gatehouse::collect {

namespace {

// Series appended at a time: enough to spread the store's cost of a call, few enough
// that a batch stays in the cache.
constexpr size_t kBatch = 512;

// A series in the map, besides its labels: node, bucket and the allocator's share.
constexpr int64_t kSeriesBytes = 128;
// Samples for which room is charged at a time.
constexpr size_t kPendingStep = 4096;

void pack_text(std::string& out, std::string_view text) {
  const auto size = static_cast<uint32_t>(text.size());
  out.append(reinterpret_cast<const char*>(&size), sizeof size);
  out.append(text);
}

std::string pack(model::LabelsView labels) {
  std::string out;
  for (const model::LabelView& label : labels) {
    pack_text(out, label.name);
    pack_text(out, label.value);
  }
  out.shrink_to_fit();
  return out;
}

std::string_view unpack_text(std::string_view& packed) {
  uint32_t size = 0;
  std::memcpy(&size, packed.data(), sizeof size);
  const std::string_view text = packed.substr(sizeof size, size);
  packed.remove_prefix(sizeof size + size);
  return text;
}

void unpack(std::string_view packed, std::vector<model::LabelView>& out) {
  while (!packed.empty()) {
    const std::string_view name = unpack_text(packed);
    out.push_back({name, unpack_text(packed)});
  }
}

void sum(model::AppendOutcome& total, const model::AppendOutcome& part) {
  total.samples += part.samples;
  total.histograms += part.histograms;
  total.exemplars += part.exemplars;
  total.duplicate += part.duplicate;
  total.out_of_order += part.out_of_order;
  total.too_old += part.too_old;
  total.too_new += part.too_new;
  total.invalid += part.invalid;
  if (total.first_refusal.empty()) total.first_refusal = part.first_refusal;
}

}  // namespace

SeriesKey series_key(std::string_view text) {
  const XXH128_hash_t hash = XXH3_128bits(text.data(), text.size());
  return {hash.low64, hash.high64};
}

SeriesKey series_key(model::LabelsView labels) {
  static thread_local std::string text;
  text.clear();
  for (const model::LabelView& label : labels) {
    pack_text(text, label.name);
    pack_text(text, label.value);
  }
  return series_key(text);
}

void Publisher::begin(int64_t time_ms) {
  time_ms_ = time_ms;
  ++round_;
  added_ = 0;
  clear_pending();
}

Publisher::Series* Publisher::find(const SeriesKey& key) {
  const auto found = series_.find(key);
  return found == series_.end() ? nullptr : &found->second;
}

Publisher::~Publisher() {
  if (budget_ != nullptr) budget_->release(series_bytes_ + pending_bytes_);
}

bool Publisher::charge(int64_t bytes, int64_t& account) {
  if (budget_ == nullptr) return true;
  if (!budget_->try_charge(bytes)) return essential_;
  account += bytes;
  return true;
}

Publisher::Series* Publisher::remember(const SeriesKey& key, model::LabelsView labels) {
  std::string packed = pack(labels);
  const int64_t before = series_bytes_;
  if (!charge(kSeriesBytes + static_cast<int64_t>(packed.size()), series_bytes_)) return nullptr;
  Series& series = series_[key];
  series.charged = static_cast<uint32_t>(series_bytes_ - before);
  series.packed = std::move(packed);
  series.dropped = labels.empty();
  series.round = round_;
  if (!series.dropped) ++added_;
  return &series;
}

template <typename Predicate>
void Publisher::forget_if(Predicate predicate) {
  int64_t freed = 0;
  std::erase_if(series_, [&](const auto& entry) {
    if (!predicate(entry.second)) return false;
    freed += entry.second.charged;
    return true;
  });
  if (budget_ == nullptr) return;
  budget_->release(freed);
  series_bytes_ -= freed;
}

// A target's samples are pending for some milliseconds, four times a minute: their
// room is not kept.
void Publisher::clear_pending() {
  std::vector<Pending>().swap(pending_);
  std::vector<model::HistogramSample>().swap(histograms_);
  std::vector<model::Exemplar>().swap(exemplars_);
  if (budget_ != nullptr) budget_->release(pending_bytes_);
  pending_bytes_ = 0;
}

bool Publisher::make_room() {
  if (pending_.size() < pending_.capacity()) return true;
  // The vector doubles; old and new are there at a time.
  const size_t more = std::max(kPendingStep, pending_.capacity() * 2);
  if (!charge(static_cast<int64_t>(more * sizeof(Pending)), pending_bytes_)) return false;
  pending_.reserve(more);
  return true;
}

bool Publisher::add(Series& series, const model::Sample& sample, bool tracked) {
  series.round = round_;
  series.tracked = tracked;
  if (series.dropped) return true;
  if (!make_room()) return false;
  const auto at = static_cast<uint32_t>(exemplars_.size());
  pending_.push_back({&series, sample, -1, at, at});
  return true;
}

bool Publisher::add(Series& series, const model::HistogramSample& sample, bool tracked) {
  series.round = round_;
  series.tracked = tracked;
  if (series.dropped) return true;
  if (!make_room()) return false;
  const auto at = static_cast<uint32_t>(exemplars_.size());
  pending_.push_back({&series, {}, static_cast<int32_t>(histograms_.size()), at, at});
  histograms_.push_back(sample);
  return true;
}

void Publisher::add_exemplar(const model::Exemplar& exemplar) {
  if (pending_.empty()) return;
  exemplars_.push_back(exemplar);
  pending_.back().exemplars_end = static_cast<uint32_t>(exemplars_.size());
}

Status Publisher::append_pending(model::AppendOutcome& total) {
  std::vector<model::SeriesAppend> batch;
  std::vector<model::LabelView> labels;
  std::vector<size_t> ends;
  for (size_t begin = 0; begin < pending_.size(); begin += kBatch) {
    const size_t end = std::min(begin + kBatch, pending_.size());
    labels.clear();
    ends.clear();
    batch.assign(end - begin, {});
    for (size_t i = begin; i < end; ++i) {
      unpack(pending_[i].series->packed, labels);
      ends.push_back(labels.size());
    }
    for (size_t i = begin; i < end; ++i) {
      const Pending& pending = pending_[i];
      model::SeriesAppend& append = batch[i - begin];
      const size_t from = i == begin ? 0 : ends[i - begin - 1];
      append.ref = pending.series->ref;
      append.labels = {labels.data() + from, ends[i - begin] - from};
      if (pending.histogram < 0) {
        append.samples = {&pending.sample, 1};
      } else {
        append.histograms = {&histograms_[static_cast<size_t>(pending.histogram)], 1};
      }
      append.exemplars = {exemplars_.data() + pending.exemplars_begin,
                          pending.exemplars_end - pending.exemplars_begin};
    }
    ASSIGN_OR_RETURN(const model::AppendOutcome outcome, appender_.append(batch, {}));
    sum(total, outcome);
    for (size_t i = begin; i < end; ++i) pending_[i].series->ref = batch[i - begin].ref;
  }
  return {};
}

void Publisher::mark_unseen() {
  model::Sample stale;
  stale.time_ms = time_ms_;
  stale.value = model::kStaleValue;
  for (auto& [key, series] : series_) {
    if (series.round == round_ || series.dropped || !series.tracked) continue;
    const auto at = static_cast<uint32_t>(exemplars_.size());
    pending_.push_back({&series, stale, -1, at, at});
  }
}

Result<model::AppendOutcome> Publisher::commit() {
  model::AppendOutcome total;
  mark_unseen();
  const Status appended = append_pending(total);
  clear_pending();
  // What could not be marked now is forgotten as well: the next collection would
  // not know it either.
  forget_if([&](const Series& series) { return series.round != round_; });
  if (!appended.ok()) return appended;
  return total;
}

void Publisher::discard() {
  clear_pending();
  added_ = 0;
  // Series that the store has never heard of have no end to mark.
  forget_if([](const Series& series) { return series.ref == 0; });
  ++round_;
}

Result<model::AppendOutcome> Publisher::end(int64_t time_ms) {
  begin(time_ms);
  return commit();
}

void PublishingSink::add(const Metric& metric, std::span<const model::LabelView> labels,
                         double value) {
  merged_.clear();
  merged_.push_back({model::kMetricName, metric.name});
  for (const model::LabelView& label : labels) {
    if (!label.value.empty()) merged_.push_back(label);
  }
  const size_t own = merged_.size();
  for (const auto& [name, text] : labels_.pairs()) {
    const bool taken =
        std::any_of(merged_.begin(), merged_.begin() + static_cast<ptrdiff_t>(own),
                    [&](const model::LabelView& label) { return label.name == name; });
    if (!taken) merged_.push_back({name, text});
  }
  std::sort(merged_.begin(), merged_.end());
  const SeriesKey key = series_key(model::LabelsView(merged_));
  Publisher::Series* series = publisher_.find(key);
  if (series == nullptr) series = publisher_.remember(key, merged_);
  model::Sample sample;
  sample.time_ms = publisher_.time_ms();
  sample.value = value;
  publisher_.add(*series, sample);
  const auto known = described_.find(std::string(metric.name));
  const size_t said = std::hash<std::string_view>{}(metric.help);
  if (known != described_.end() && known->second == said) return;
  described_[std::string(metric.name)] = said;
  model::MetricMetadata metadata;
  metadata.type = metric.type;
  metadata.help = metric.help;
  publisher_.appender().describe(metric.name, metadata);
}

}  // namespace gatehouse::collect

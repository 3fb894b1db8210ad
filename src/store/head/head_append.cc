// Head: appending. A plan is made for each shard in turn: find the series of the
// batch (their memory is asked for in groups, so that the waits for it overlap),
// make those that are new, choose the samples that may go in.
#include <algorithm>
#include <bit>
#include <cstring>

#include "base/random.h"
#include "store/head/head.h"
#include "store/head/labels_check.h"
#include "store/head/short_text.h"

namespace gatehouse::store {
namespace {

// A batch is worked off in slices, so that a plan stays in the processor's cache, its
// frames within their bound, and no other batch waits for more than some 3 ms of one.
constexpr size_t kSliceSeries = 4'096;
constexpr size_t kSliceSamples = 32'768;
constexpr size_t kSliceLabelBytes = size_t{1} << 20;
// What a series takes beside the text of its labels.
constexpr size_t kSeriesBytes = 256;
constexpr size_t kPairBytes = 16;
// Series whose memory is asked for at once.
constexpr size_t kGroup = 32;
// No clock has shown a time outside of it, and differences stay in range.
constexpr int64_t kTimeMax = int64_t{1} << 53;
// In-order samples of a series that comes in late may lie so far behind the newest.
constexpr int64_t kBehindMs = 3'600'000;

// A ref: generation, slot, shard, and a 1, so that none is 0.
model::SeriesRef make_ref(uint16_t generation, uint32_t slot, uint32_t shard) {
  return uint64_t{generation} << 48 | uint64_t{slot} << 8 | shard << 1 | 1;
}

}  // namespace

struct Head::Plan {
  struct NewSeries {
    uint32_t slot;
    uint32_t tag;
    uint32_t first_pair;
    uint32_t pairs;
    uint32_t append;  // index in the batch, whose labels they are
  };
  // What is known of a series that the batch has touched.
  struct Touched {
    uint32_t slot;
    uint32_t append;
    bool made;
    Shard::Last last;
  };
  struct OfShard {
    std::vector<NewSeries> made;
    std::vector<Touched> touched;
    std::vector<WalSample> samples;
    std::vector<WalHistogram> histograms;
    std::vector<WalExemplar> exemplars;
    std::vector<uint32_t> pairs;
    std::vector<std::pair<uint32_t, uint32_t>> slot_of;  // append, slot
    void clear() {
      made.clear(), touched.clear(), samples.clear(), histograms.clear(), exemplars.clear(),
          pairs.clear(), slot_of.clear();
    }
  };
  std::array<OfShard, kShards> shards;
  std::vector<uint32_t> tags;
  std::vector<uint8_t> shard_of;
  std::vector<uint32_t> order;
  std::array<uint32_t, kShards + 1> begin{};
  std::vector<std::pair<std::string, const model::MetricMetadata*>> metadata;
  // Of new series: tag to index in `made`, for one shard at a time.
  std::unordered_multimap<uint32_t, uint32_t> made_by_tag;
  std::vector<WalSeries> wal_series;
  FrameBatch frames;
  int64_t newest_ms = INT64_MIN;  // of the head, when the batch came
  int64_t window_ms = 0;
  int64_t in_order_from_ms = INT64_MIN;
  int64_t late_from_ms = INT64_MIN;
  int64_t until_ms = INT64_MAX;
  std::string first_refusal;
  int64_t new_bytes = 0;  // of the slice's new series
  bool full = false;      // there was no room for one of them
};

Head::Head(MemoryBudget& budget, const model::Clock& clock, HeadOptions options)
    : budget_(budget),
      clock_(clock),
      options_(options),
      labels_(budget),
      hash_seed_(static_cast<uint32_t>(Random().next())),
      side_memory_(budget) {
  for (auto& shard : shards_) shard = std::make_unique<Shard>(budget, labels_);
}

Head::~Head() = default;

uint32_t Head::tag_and_shard(model::LabelsView labels, uint32_t& shard) const {
  uint64_t hash = hash_seed_;
  for (const model::LabelView& label : labels) {
    // Each goes on from the hash so far: order and borders matter.
    hash = hash_text(hash_text(hash, label.name), label.value);
  }
  shard = static_cast<uint32_t>(hash) & (kShards - 1);
  return static_cast<uint32_t>(hash >> 32);
}

void Head::widen(int64_t begin_ms, int64_t end_ms) {
  int64_t known = begin_ms_.load(std::memory_order_relaxed);
  while (begin_ms < known && !begin_ms_.compare_exchange_weak(known, begin_ms)) {
  }
  known = end_ms_.load(std::memory_order_relaxed);
  while (end_ms > known && !end_ms_.compare_exchange_weak(known, end_ms)) {
  }
}

Result<model::AppendOutcome> Head::append(std::span<model::SeriesAppend> batch,
                                          const model::AppendOptions& options) {
  if (wal_.load() == nullptr) return unavailable("the store is still reading its log");
  thread_local std::unique_ptr<Plan> plan = std::make_unique<Plan>();
  model::AppendOutcome outcome;
  plan->full = false;
  while (!batch.empty()) {
    size_t count = 0;
    size_t samples = 0;
    size_t bytes = 0;
    for (; count < batch.size() && count < kSliceSeries; ++count) {
      samples += batch[count].samples.size() + batch[count].histograms.size();
      for (const model::LabelView& label : batch[count].labels) {
        bytes += label.name.size() + label.value.size();
      }
      if ((samples > kSliceSamples || bytes > kSliceLabelBytes) && count > 0) break;
    }
    RETURN_IF_ERROR(append_some(batch.first(count), options, *plan, outcome));
    batch = batch.subspan(count);
    if (!batch.empty() || bytes > kSliceLabelBytes) wal_.load()->pace();
  }
  if (plan->full) {
    return resource_exhausted(
        "the process's memory budget has no room for new series (memory.limit)");
  }
  return outcome;
}

Status Head::append_some(std::span<model::SeriesAppend> batch, const model::AppendOptions& options,
                         Plan& plan, model::AppendOutcome& outcome) {
  plan.newest_ms = end_ms();
  plan.window_ms = options.out_of_order_ms < 0 ? options_.out_of_order_ms : options.out_of_order_ms;
  plan.in_order_from_ms = plan.late_from_ms = -kTimeMax;
  if (plan.newest_ms != INT64_MIN) {
    plan.in_order_from_ms =
        std::max(plan.in_order_from_ms,
                 plan.newest_ms - std::max(kBehindMs, std::min(plan.window_ms, kTimeMax)));
    plan.late_from_ms =
        std::max(plan.late_from_ms, plan.newest_ms - std::min(plan.window_ms, kTimeMax));
  }
  plan.until_ms =
      options_.future_ms == 0 ? kTimeMax : clock_.wall_ns() / 1'000'000 + options_.future_ms;
  plan.first_refusal.clear();
  plan.metadata.clear();
  plan.new_bytes = 0;

  // By shard.
  plan.tags.resize(batch.size());
  plan.shard_of.resize(batch.size());
  plan.order.resize(batch.size());
  plan.begin.fill(0);
  for (size_t i = 0; i < batch.size(); ++i) {
    uint32_t shard = 0;
    plan.tags[i] = tag_and_shard(batch[i].labels, shard);
    plan.shard_of[i] = static_cast<uint8_t>(shard);
    ++plan.begin[shard + 1];
  }
  for (uint32_t shard = 0; shard < kShards; ++shard) plan.begin[shard + 1] += plan.begin[shard];
  std::array<uint32_t, kShards> next{};
  std::copy_n(plan.begin.begin(), kShards, next.begin());
  for (uint32_t i = 0; i < batch.size(); ++i) plan.order[next[plan.shard_of[i]]++] = i;

  // In order of the shards, as all do: no two wait for each other.
  std::array<std::unique_lock<std::mutex>, kShards> locks;
  for (uint32_t shard = 0; shard < kShards; ++shard) {
    plan.shards[shard].clear();
    if (plan.begin[shard] == plan.begin[shard + 1]) continue;
    locks[shard] = std::unique_lock(shards_[shard]->append_mutex);
  }
  model::AppendOutcome planned;
  for (uint32_t shard = 0; shard < kShards; ++shard) {
    if (locks[shard].owns_lock()) plan_shard(batch, plan, shard, planned);
  }
  plan_metadata(plan, batch);
  if (Status logged = log_plan(plan); !logged.ok()) {
    abandon(plan);
    return logged;
  }
  carry_out(plan, batch);
  outcome.samples += planned.samples;
  outcome.histograms += planned.histograms;
  outcome.exemplars += planned.exemplars;
  outcome.duplicate += planned.duplicate;
  outcome.out_of_order += planned.out_of_order;
  outcome.too_old += planned.too_old;
  outcome.too_new += planned.too_new;
  outcome.invalid += planned.invalid;
  if (outcome.first_refusal.empty()) outcome.first_refusal = plan.first_refusal;
  return {};
}

void Head::plan_shard(std::span<model::SeriesAppend> batch, Plan& plan, uint32_t shard_number,
                      model::AppendOutcome& outcome) {
  Shard& shard = *shards_[shard_number];
  Plan::OfShard& part = plan.shards[shard_number];
  plan.made_by_tag.clear();
  const uint32_t end = plan.begin[shard_number + 1];
  for (uint32_t first = plan.begin[shard_number]; first < end; first += kGroup) {
    const uint32_t last = std::min<uint32_t>(end, first + kGroup);
    uint32_t slots[kGroup];
    for (uint32_t i = first; i < last; ++i) shard.prefetch_entry(plan.tags[plan.order[i]]);
    for (uint32_t i = first; i < last; ++i) {
      uint32_t& slot = slots[i - first] = Shard::kNone;
      const model::SeriesRef ref = batch[plan.order[i]].ref;
      // A ref is but a hint where to look; the labels decide.
      if (ref != 0 && (ref >> 1 & (kShards - 1)) == shard_number) {
        const auto named = static_cast<uint32_t>(ref >> 8 & 0xff'ffff'ffff);
        if (shard.live(named)) slot = named;
      }
      if (slot == Shard::kNone) slot = shard.candidate(plan.tags[plan.order[i]]);
      if (slot == Shard::kNone) continue;
      const auto* at = reinterpret_cast<const char*>(&shard.series(slot));
      __builtin_prefetch(at);
      __builtin_prefetch(at + 64);
    }
    for (uint32_t i = 0; i < last - first; ++i) {
      if (slots[i] != Shard::kNone) shard.prefetch_labels(slots[i]);
    }
    for (uint32_t i = 0; i < last - first; ++i) {
      if (slots[i] != Shard::kNone) shard.prefetch_pairs(slots[i]);
    }
    for (uint32_t i = first; i < last; ++i) {
      const uint32_t index = plan.order[i];
      model::SeriesAppend& append = batch[index];
      const uint32_t tag = plan.tags[index];
      uint32_t slot = slots[i - first];
      if (slot != Shard::kNone && !shard.has_labels(slot, append.labels)) {
        slot = shard.find(tag, append.labels);
      }
      if (slot == Shard::kNone) {
        const auto [from, to] = plan.made_by_tag.equal_range(tag);
        for (auto at = from; at != to && slot == Shard::kNone; ++at) {
          const Plan::NewSeries& made = part.made[at->second];
          if (std::ranges::equal(batch[made.append].labels, append.labels)) slot = made.slot;
        }
      }
      if (slot == Shard::kNone) {
        slot = plan_new_series(plan, shard_number, tag, append, outcome);
        if (slot == Shard::kNone) continue;
        part.made.back().append = index;
      }
      part.slot_of.emplace_back(index, slot);
      plan_samples(plan, shard_number, slot, append, outcome);
    }
  }
}

uint32_t Head::plan_new_series(Plan& plan, uint32_t shard_number, uint32_t tag,
                               const model::SeriesAppend& append, model::AppendOutcome& outcome) {
  Plan::OfShard& part = plan.shards[shard_number];
  std::string problem = labels_problem(append.labels);
  const auto first_pair = static_cast<uint32_t>(part.pairs.size());
  if (problem.empty()) {
    // Asked before the first text is kept: what finds no room must leave nothing behind.
    size_t bytes = kSeriesBytes;
    for (const model::LabelView& label : append.labels) {
      bytes += kPairBytes + label.name.size() + label.value.size();
    }
    plan.new_bytes += static_cast<int64_t>(bytes);
    const int64_t limit = budget_.limit_bytes();
    if (budget_.used_bytes() + plan.new_bytes > limit - limit / 4) {
      plan.full = true;
      return Shard::kNone;
    }
    for (const model::LabelView& label : append.labels) {
      const uint32_t pair = labels_.intern(label.name, label.value);
      if (pair == 0) problem = "4 GiB of label values are the most";
      part.pairs.push_back(pair);
    }
  }
  const uint32_t slot = problem.empty() ? shards_[shard_number]->take_slot() : Shard::kNone;
  if (slot == Shard::kNone) {
    part.pairs.resize(first_pair);
    outcome.invalid += append.samples.size() + append.histograms.size();
    if (plan.first_refusal.empty()) plan.first_refusal = to_text(append.labels) + ": " + problem;
    return slot;
  }
  plan.made_by_tag.emplace(tag, static_cast<uint32_t>(part.made.size()));
  part.made.push_back({slot, tag, first_pair, static_cast<uint32_t>(append.labels.size()), 0});
  Series& series = shards_[shard_number]->series(slot);
  part.touched.push_back({slot, 0, true, {}});
  series.pending = static_cast<uint32_t>(part.touched.size());
  return slot;
}

void Head::plan_samples(Plan& plan, uint32_t shard_number, uint32_t slot,
                        model::SeriesAppend& append, model::AppendOutcome& outcome) {
  Shard& shard = *shards_[shard_number];
  Plan::OfShard& part = plan.shards[shard_number];
  Series& series = shard.series(slot);
  if (series.pending == 0) {
    part.touched.push_back({slot, 0, false, shard.last(slot)});
    series.pending = static_cast<uint32_t>(part.touched.size());
  }
  const bool made = part.touched[series.pending - 1].made;
  Shard::Last& last = part.touched[series.pending - 1].last;
  const auto refuse = [&](uint64_t& count, const char* why, int64_t time_ms) {
    ++count;
    if (plan.first_refusal.empty()) {
      plan.first_refusal = to_text(append.labels) + " at " + std::to_string(time_ms) + ": " + why;
    }
  };
  // Whether a sample may go in. `same`: is the one that is there already this one?
  const auto may = [&](int64_t time_ms, auto same) {
    if (time_ms > plan.until_ms) {
      refuse(outcome.too_new, "too far in the future", time_ms);
      return false;
    }
    if (!last.any || time_ms > last.time_ms) {
      if (time_ms >= plan.in_order_from_ms) return true;
      refuse(outcome.too_old, "too old", time_ms);
      return false;
    }
    uint64_t bits = last.bits;
    const model::NativeHistogram* histogram = last.histogram;
    bool there = time_ms == last.time_ms;
    if (!there && plan.window_ms == 0) {
      refuse(outcome.out_of_order, "out of order", time_ms);
      return false;
    }
    if (!there && time_ms < plan.late_from_ms) {
      refuse(outcome.too_old, "too old", time_ms);
      return false;
    }
    if (!there && !made) there = shard.seen(slot, time_ms, bits, &histogram);
    if (!there) return true;
    if (!same(bits, histogram)) {
      refuse(outcome.duplicate, "another value was there at this time", time_ms);
    }
    return false;
  };
  const uint64_t refused_before = outcome.refused();
  for (const model::Sample& sample : append.samples) {
    const auto bits = std::bit_cast<uint64_t>(sample.value);
    if (!may(sample.time_ms, [&](uint64_t there, const model::NativeHistogram* histogram) {
          return histogram == nullptr && there == bits;
        })) {
      continue;
    }
    part.samples.push_back({slot, sample.time_ms, bits, sample.start_ms});
    if (!last.any || sample.time_ms > last.time_ms) last = {true, sample.time_ms, bits, nullptr};
  }
  const uint64_t refused_floats = outcome.refused() - refused_before;
  outcome.samples += append.samples.size() - refused_floats;
  for (const model::HistogramSample& sample : append.histograms) {
    if (const std::string problem = histogram_problem(sample.histogram); !problem.empty()) {
      refuse(outcome.invalid, problem.c_str(), sample.time_ms);
      continue;
    }
    if (!may(sample.time_ms, [&](uint64_t, const model::NativeHistogram* there) {
          return there != nullptr && *there == sample.histogram;
        })) {
      continue;
    }
    part.histograms.push_back({slot, sample.time_ms, sample.start_ms, &sample.histogram});
    if (!last.any || sample.time_ms > last.time_ms) {
      last = {true, sample.time_ms, 0, &sample.histogram};
    }
  }
  outcome.histograms +=
      append.histograms.size() - (outcome.refused() - refused_before - refused_floats);
  if (options_.exemplars_max == 0) return;
  for (const model::Exemplar& exemplar : append.exemplars) {
    // 128 runes together, after OpenMetrics; of four bytes at most.
    size_t bytes = 0;
    for (const auto& [name, value] : exemplar.labels) bytes += name.size() + value.size();
    if (bytes > 512 || exemplar.time_ms > plan.until_ms || exemplar.time_ms < -kTimeMax) {
      refuse(outcome.invalid, "an exemplar that is too long or in the future", exemplar.time_ms);
      continue;
    }
    part.exemplars.push_back({slot, &exemplar});
    ++outcome.exemplars;
  }
}

bool Head::is_news(std::string_view metric, const model::MetricMetadata& metadata) const {
  // What is said of a metric is for people to read.
  if (metric.empty() || metric.size() > kLabelNameBytesMax ||
      metadata.help.size() + metadata.unit.size() > 4096) {
    return false;
  }
  const auto known = metadata_.find(metric);
  if (known == metadata_.end()) return metadata_.size() < options_.metrics_max;
  return !(known->second == metadata);
}

void Head::describe(std::string_view metric, const model::MetricMetadata& metadata) {
  Wal* const wal = wal_.load();
  if (wal == nullptr) return;
  {
    std::lock_guard lock(metadata_mutex_);
    if (!is_news(metric, metadata)) return;
  }
  FrameBatch frames;
  put_metadata(frames, metric, metadata);
  if (wal->write(frames).ok()) keep_metadata(std::string(metric), metadata);
}

void Head::plan_metadata(Plan& plan, std::span<model::SeriesAppend> batch) {
  std::unique_lock lock(metadata_mutex_, std::defer_lock);
  for (const model::SeriesAppend& append : batch) {
    if (append.metadata == nullptr) continue;
    const std::string_view metric = model::find_label(append.labels, model::kMetricName);
    if (!lock.owns_lock()) lock.lock();
    if (!is_news(metric, *append.metadata)) continue;
    if (!plan.metadata.empty() && plan.metadata.back().first == metric) continue;
    plan.metadata.emplace_back(metric, append.metadata);
  }
}

Status Head::log_plan(Plan& plan) {
  plan.frames.clear();
  int64_t room = 0;
  bool any = false;
  for (const auto& [metric, metadata] : plan.metadata) put_metadata(plan.frames, metric, *metadata);
  for (uint32_t shard = 0; shard < kShards; ++shard) {
    Plan::OfShard& part = plan.shards[shard];
    plan.wal_series.clear();
    for (const Plan::NewSeries& made : part.made) {
      plan.wal_series.push_back(
          {made.slot, std::span(part.pairs).subspan(made.first_pair, made.pairs)});
    }
    const WalPart wal_part{shard, plan.wal_series, part.samples, part.histograms, part.exemplars};
    if (wal_part.empty()) continue;
    if (!any) plan.frames.begin(FrameType::kSamples);
    any = true;
    put_part(plan.frames, wal_part);
    // What a sample takes at most on the average, and what a series takes before its labels.
    room += static_cast<int64_t>(part.samples.size() * 24 + part.made.size() * kSeriesBytes +
                                 part.pairs.size() * kPairBytes + part.exemplars.size() * 512);
    for (const WalHistogram& sample : part.histograms) {
      room += static_cast<int64_t>(200 + 9 * (sample.histogram->positive_buckets.size() +
                                              sample.histogram->negative_buckets.size() +
                                              sample.histogram->bounds.size()));
    }
  }
  if (any) plan.frames.end();
  if (plan.frames.empty()) return {};
  if (!budget_.try_charge(room)) {
    return resource_exhausted("the process's memory budget is used up (memory.limit)");
  }
  Status logged = wal_.load()->write(plan.frames);
  budget_.release(room);
  return logged;
}

void Head::abandon(Plan& plan) {
  for (uint32_t shard = 0; shard < kShards; ++shard) {
    Plan::OfShard& part = plan.shards[shard];
    for (const Plan::Touched& touched : part.touched) {
      shards_[shard]->series(touched.slot).pending = 0;
    }
    for (const Plan::NewSeries& made : part.made) shards_[shard]->give_back_slot(made.slot);
  }
}

void Head::carry_out(Plan& plan, std::span<model::SeriesAppend> batch) {
  const int64_t cut_ms = flush_cut_ms_.load();
  int64_t begin_ms = INT64_MAX;
  int64_t end_ms = INT64_MIN;
  for (uint32_t number = 0; number < kShards; ++number) {
    Plan::OfShard& part = plan.shards[number];
    if (part.touched.empty()) continue;
    Shard& shard = *shards_[number];
    std::lock_guard lock(shard.state_mutex);
    for (const Plan::NewSeries& made : part.made) {
      shard.make_series(made.slot, made.tag,
                        std::span(part.pairs).subspan(made.first_pair, made.pairs));
    }
    for (const WalSample& sample : part.samples) {
      shard.apply(sample, cut_ms);
      begin_ms = std::min(begin_ms, sample.time_ms);
      end_ms = std::max(end_ms, sample.time_ms);
    }
    for (const WalHistogram& sample : part.histograms) {
      shard.apply(sample.slot, sample.time_ms, sample.start_ms, *sample.histogram, cut_ms);
      begin_ms = std::min(begin_ms, sample.time_ms);
      end_ms = std::max(end_ms, sample.time_ms);
    }
    for (const Plan::Touched& touched : part.touched) shard.series(touched.slot).pending = 0;
    for (const auto& [index, slot] : part.slot_of) {
      batch[index].ref = make_ref(shard.series(slot).generation, slot, number);
    }
    shard.settle_memory();
  }
  for (uint32_t number = 0; number < kShards; ++number) {
    for (const WalExemplar& sample : plan.shards[number].exemplars) {
      keep_exemplar(number, sample.slot, *sample.exemplar);
    }
  }
  for (auto& [metric, metadata] : plan.metadata) keep_metadata(metric, *metadata);
  if (begin_ms <= end_ms) widen(begin_ms, end_ms);
}

void Head::keep_exemplar(uint32_t shard, uint32_t slot, const model::Exemplar& exemplar) {
  std::lock_guard lock(exemplars_mutex_);
  if (exemplars_.size() >= options_.exemplars_max) {
    exemplars_.pop_front();
  } else if (!side_memory_.grow(256).ok()) {
    return;
  }
  exemplars_.push_back({shard, slot, shards_[shard]->series(slot).generation, exemplar});
}

void Head::keep_metadata(std::string metric, model::MetricMetadata metadata) {
  std::lock_guard lock(metadata_mutex_);
  const auto known = metadata_.find(metric);
  if (known != metadata_.end()) {
    known->second = std::move(metadata);
    return;
  }
  const size_t bytes = 160 + metric.size() + metadata.help.size() + metadata.unit.size();
  if (metadata_.size() >= options_.metrics_max ||
      !side_memory_.grow(static_cast<int64_t>(bytes)).ok()) {
    return;
  }
  metadata_.emplace(std::move(metric), std::move(metadata));
}

}  // namespace gatehouse::store

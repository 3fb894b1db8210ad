#include "store/head/shard.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/bytes.h"
#include "store/head/column_merge.h"
#include "store/head/short_text.h"

namespace gatehouse::store {
namespace {

// What malloc keeps beside a piece.
constexpr int64_t kMallocBytes = 8;
constexpr uint64_t kUsedBefore = 1u << 31;

int64_t bytes_of(const model::NativeHistogram& h) {
  return static_cast<int64_t>(sizeof h + 8 * (h.positive_buckets.size() +
                                              h.negative_buckets.size() + h.bounds.size() +
                                              h.positive_spans.size() + h.negative_spans.size()));
}

int64_t bytes_of(const LateSample& sample) {
  return static_cast<int64_t>(sizeof sample) + (sample.histogram ? bytes_of(*sample.histogram) : 0);
}

// The next varint of a row of refs.
inline uint32_t next_ref(const unsigned char*& at) {
  uint32_t value = *at++;
  if (value < 0x80) return value;
  value &= 0x7f;
  for (unsigned shift = 7;; shift += 7) {
    const uint32_t byte = *at++;
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
}

}  // namespace

Shard::Shard(MemoryBudget& budget, LabelTable& labels)
    : budget_(budget), labels_(labels), arena_(budget), postings_(budget) {}

Shard::~Shard() { budget_.release(charged_bytes_); }

void Shard::settle_memory() {
  budget_.release(charged_bytes_ - heap_bytes_);
  charged_bytes_ = heap_bytes_;
}

size_t Shard::memory_bytes() const {
  return arena_.memory_bytes() + postings_.memory_bytes() + static_cast<size_t>(heap_bytes_);
}

uint64_t Shard::late_samples() const {
  uint64_t total = 0;
  for (const auto& [slot, samples] : late_) total += samples.size();
  return total;
}

// --- finding -----------------------------------------------------------------

uint32_t Shard::candidate(uint32_t tag) const {
  if (table_.empty()) return kNone;
  const size_t mask = table_.size() - 1;
  for (size_t at = tag & mask; table_[at] != 0; at = (at + 1) & mask) {
    if (table_[at] >> 32 != tag || (table_[at] & kUsedBefore) != 0) continue;
    return static_cast<uint32_t>(table_[at]) - 1;
  }
  return kNone;
}

uint32_t Shard::find(uint32_t tag, model::LabelsView labels) const {
  if (table_.empty()) return kNone;
  const size_t mask = table_.size() - 1;
  for (size_t at = tag & mask; table_[at] != 0; at = (at + 1) & mask) {
    if (table_[at] >> 32 != tag || (table_[at] & kUsedBefore) != 0) continue;
    const uint32_t slot = static_cast<uint32_t>(table_[at]) - 1;
    if (has_labels(slot, labels)) return slot;
  }
  return kNone;
}

bool Shard::has_labels(uint32_t slot, model::LabelsView labels) const {
  const auto* at = reinterpret_cast<const unsigned char*>(arena_.at(series(slot).labels));
  if (*at++ != labels.size()) return false;
  for (const model::LabelView& label : labels) {
    const uint32_t pair = next_ref(at);
    const model::LabelView known = labels_.view(pair);
    if (!same_text(known.value, label.value) || !same_text(known.name, label.name)) return false;
  }
  return true;
}

void Shard::prefetch_pairs(uint32_t slot) const {
  const auto* at = reinterpret_cast<const unsigned char*>(arena_.at(series(slot).labels));
  for (int count = *at++; count > 0; --count) __builtin_prefetch(labels_.record(next_ref(at)));
}

void Shard::pairs_of(uint32_t slot, std::vector<uint32_t>& pairs) const {
  pairs.clear();
  if (series(slot).labels == 0) return;
  const auto* at = reinterpret_cast<const unsigned char*>(arena_.at(series(slot).labels));
  for (int count = *at++; count > 0; --count) pairs.push_back(next_ref(at));
}

void Shard::labels_of_row(const LabelTable& labels, const char* row,
                          std::vector<model::LabelView>& out) {
  const auto* at = reinterpret_cast<const unsigned char*>(row);
  for (int count = *at++; count > 0; --count) out.push_back(labels.view(next_ref(at)));
}

void Shard::labels_of(uint32_t slot, std::vector<model::LabelView>& out) const {
  if (series(slot).labels != 0) labels_of_row(labels_, row(slot), out);
}

std::string_view Shard::row_text(uint32_t slot) const {
  static constexpr std::string_view kNoLabels("\0", 1);
  if (series(slot).labels == 0) return kNoLabels;
  const auto* const begin = reinterpret_cast<const unsigned char*>(row(slot));
  const auto* at = begin;
  for (int count = *at++; count > 0; ++at) count -= *at < 0x80 ? 1 : 0;
  return {row(slot), static_cast<size_t>(at - begin)};
}

int Shard::compare_rows(const LabelTable& labels, const char* a, const char* b) {
  const auto* at_a = reinterpret_cast<const unsigned char*>(a);
  const auto* at_b = reinterpret_cast<const unsigned char*>(b);
  const int size_a = *at_a++;
  const int size_b = *at_b++;
  for (int i = 0; i < std::min(size_a, size_b); ++i) {
    const uint32_t pair_a = next_ref(at_a);
    const uint32_t pair_b = next_ref(at_b);
    if (pair_a == pair_b) continue;
    const model::LabelView label_a = labels.view(pair_a);
    const model::LabelView label_b = labels.view(pair_b);
    if (const int order = label_a.name.compare(label_b.name); order != 0) return order;
    return label_a.value.compare(label_b.value);
  }
  return size_a - size_b;
}

std::string_view Shard::value_of(uint32_t slot, std::string_view name) const {
  const auto* at = reinterpret_cast<const unsigned char*>(arena_.at(series(slot).labels));
  for (int count = *at++; count > 0; --count) {
    const model::LabelView label = labels_.view(next_ref(at));
    if (label.name == name) return label.value;
  }
  return {};
}

Shard::Last Shard::last(uint32_t slot) const {
  const Series& found = series(slot);
  Last result;
  if (found.histogram_open) {
    const HistogramChunk& chunk = histograms_.at(slot);
    result.any = true;
    result.time_ms = chunk.last_time_ms();
    result.histogram = &chunk.last();
  } else if (!found.chunk.empty()) {
    result.any = true;
    result.time_ms = found.chunk.last_time_ms();
    result.bits = found.chunk.last_value_bits();
  }
  return result;
}

bool Shard::seen(uint32_t slot, int64_t time_ms, uint64_t& bits,
                 const model::NativeHistogram** histogram) const {
  const Series& found = series(slot);
  *histogram = nullptr;
  if (const auto late = late_.find(slot); late != late_.end()) {
    const auto at = std::lower_bound(
        late->second.begin(), late->second.end(), time_ms,
        [](const LateSample& sample, int64_t time) { return sample.time_ms < time; });
    if (at != late->second.end() && at->time_ms == time_ms) {
      bits = at->bits;
      *histogram = at->histogram.get();
      return true;
    }
  }
  if (found.histogram_open || found.chunk.empty()) return false;
  if (time_ms < found.chunk.first_time_ms()) return false;
  SampleChunkReader reader(found.chunk.bytes());
  while (reader.next() && reader.time_ms() <= time_ms) {
    if (reader.time_ms() == time_ms) {
      bits = reader.value_bits();
      return true;
    }
  }
  return false;
}

// --- making and ending series ------------------------------------------------

void Shard::make_slots(uint32_t count) {
  while (blocks_.size() * kBlockSeries < count) {
    blocks_.push_back(std::make_unique<Series[]>(kBlockSeries));
    heap_bytes_ += static_cast<int64_t>(kBlockSeries * sizeof(Series));
  }
  slots_ = std::max(slots_, count);
}

uint32_t Shard::take_slot() {
  if (!free_slots_.empty()) {
    const uint32_t slot = free_slots_.back();
    free_slots_.pop_back();
    return slot;
  }
  if (slots_ >= kSlotsMax) return kNone;
  // Readers see the block once a series is made in it, under their lock.
  std::lock_guard lock(state_mutex);
  make_slots(slots_ + 1);
  return slots_ - 1;
}

void Shard::grow_table() {
  const size_t old_size = table_.size();
  size_t size = std::max<size_t>(512, old_size);
  while (live_ * 8 >= size * 5) size *= 2;
  std::vector<uint64_t> larger(size);
  for (const uint64_t entry : table_) {
    if (entry == 0 || (entry & kUsedBefore) != 0) continue;
    size_t at = (entry >> 32) & (size - 1);
    while (larger[at] != 0) at = (at + 1) & (size - 1);
    larger[at] = entry;
  }
  table_ = std::move(larger);
  entries_ = live_;
  heap_bytes_ += (static_cast<int64_t>(size) - static_cast<int64_t>(old_size)) * 8;
}

void Shard::enter(uint32_t slot, uint32_t tag) {
  if ((entries_ + 1) * 5 > table_.size() * 4) grow_table();
  size_t at = tag & (table_.size() - 1);
  while (table_[at] != 0) at = (at + 1) & (table_.size() - 1);
  table_[at] = uint64_t{tag} << 32 | (slot + 1);
  ++entries_;
}

void Shard::forget(uint32_t slot) {
  const size_t mask = table_.size() - 1;
  const uint32_t tag = series(slot).tag;
  for (size_t at = tag & mask; table_[at] != 0; at = (at + 1) & mask) {
    if (table_[at] == (uint64_t{tag} << 32 | (slot + 1))) {
      table_[at] |= kUsedBefore;
      return;
    }
  }
}

void Shard::free_labels(Series& found) {
  if (found.labels == 0) return;
  const auto* begin = reinterpret_cast<const unsigned char*>(arena_.at(found.labels));
  const auto* at = begin;
  for (int count = *at++; count > 0; --count) next_ref(at);
  arena_.free(found.labels, static_cast<size_t>(at - begin));
  found.labels = 0;
}

bool Shard::put_row(Series& to, std::span<const uint32_t> pairs) {
  thread_local std::string row;
  row.assign(1, static_cast<char>(pairs.size()));
  for (const uint32_t pair : pairs) put_varint(row, pair);
  to.labels = arena_.allocate(row.size());
  if (to.labels == 0) return false;
  std::memcpy(arena_.at(to.labels), row.data(), row.size());
  return true;
}

bool Shard::make_series(uint32_t slot, uint32_t tag, std::span<const uint32_t> pairs) {
  make_slots(slot + 1);
  Series& made = series(slot);
  if (made.state == SeriesState::kLive) {
    const uint32_t only[] = {slot};
    end_series(only, 0);
  }
  if (made.state == SeriesState::kEnded) std::erase(ended_slots_, slot);
  clear_samples(slot);
  free_labels(made);
  if (!put_row(made, pairs)) return false;
  made.tag = tag;
  made.state = SeriesState::kLive;
  ++made.generation;
  ++live_;
  enter(slot, tag);
  for (const uint32_t pair : pairs) postings_.prefetch(pair);
  for (const uint32_t pair : pairs) {
    if (!postings_.add(pair, slot)) return false;
  }
  return true;
}

void Shard::end_series(std::span<const uint32_t> slots, uint32_t segment) {
  std::vector<bool> gone(slots_);
  std::vector<uint32_t> pairs, all_pairs;
  for (const uint32_t slot : slots) {
    Series& ended = series(slot);
    gone[slot] = true;
    pairs_of(slot, pairs);
    all_pairs.insert(all_pairs.end(), pairs.begin(), pairs.end());
    forget(slot);
    clear_samples(slot);
    ended.state = SeriesState::kEnded;
    ended.ended_at_segment = segment;
    ended_slots_.push_back(slot);
    --live_;
  }
  std::sort(all_pairs.begin(), all_pairs.end());
  all_pairs.erase(std::unique(all_pairs.begin(), all_pairs.end()), all_pairs.end());
  for (const uint32_t pair : all_pairs) postings_.remove(pair, gone);
}

void Shard::reuse_slots(uint32_t first_segment) {
  std::erase_if(ended_slots_, [&](uint32_t slot) {
    Series& ended = series(slot);
    if (ended.ended_at_segment >= first_segment) return false;
    free_labels(ended);
    ended.state = SeriesState::kFree;
    free_slots_.push_back(slot);
    return true;
  });
}

// --- taking samples in ---------------------------------------------------------

Shard::Sealed Shard::sealed_at(uint32_t ref) const {
  Sealed sealed;
  std::memcpy(&sealed, arena_.at(ref), sizeof sealed);
  return sealed;
}

bool Shard::put_sealed(Series& to, bool histograms, int64_t first_ms, int64_t last_ms,
                       std::string_view bytes) {
  const uint32_t ref = arena_.allocate(sizeof(Sealed) + bytes.size());
  if (ref == 0) return false;
  const Sealed sealed{to.sealed, static_cast<uint32_t>(bytes.size()) | (histograms ? 1u << 31 : 0u),
                      first_ms, last_ms};
  std::memcpy(arena_.at(ref), &sealed, sizeof sealed);
  std::memcpy(arena_.at(ref) + sizeof sealed, bytes.data(), bytes.size());
  to.sealed = ref;
  ++sealed_chunks_;
  return true;
}

void Shard::free_sealed(uint32_t ref) {
  arena_.free(ref, sizeof(Sealed) + sealed_at(ref).size());
  --sealed_chunks_;
}

void Shard::seal(uint32_t slot) {
  Series& open = series(slot);
  if (open.histogram_open) {
    const auto found = histograms_.find(slot);
    const HistogramChunk& chunk = found->second;
    put_sealed(open, true, chunk.first_time_ms(), chunk.last_time_ms(), chunk.bytes());
    heap_bytes_ -= static_cast<int64_t>(chunk.memory_bytes());
    histograms_.erase(found);
    open.histogram_open = false;
  } else if (!open.chunk.empty()) {
    put_sealed(open, false, open.chunk.first_time_ms(), open.chunk.last_time_ms(),
               open.chunk.bytes());
    heap_bytes_ -= static_cast<int64_t>(open.chunk.memory_bytes()) + kMallocBytes;
    open.chunk = SampleChunk();
  }
}

void Shard::add_late(uint32_t slot, LateSample sample) {
  std::vector<LateSample>& samples = late_[slot];
  const auto at =
      std::lower_bound(samples.begin(), samples.end(), sample.time_ms,
                       [](const LateSample& other, int64_t time) { return other.time_ms < time; });
  if (at != samples.end() && at->time_ms == sample.time_ms) return;
  heap_bytes_ += bytes_of(sample);
  samples.insert(at, std::move(sample));
}

void Shard::apply(const WalSample& sample, int64_t flush_cut_ms) {
  Series& to = series(sample.slot);
  if (to.histogram_open || to.chunk.empty()) {
    const Last newest = last(sample.slot);
    if ((newest.any && sample.time_ms <= newest.time_ms) || sample.time_ms < flush_cut_ms) {
      if (newest.any && sample.time_ms == newest.time_ms) return;
      add_late(sample.slot, {sample.time_ms, sample.start_ms, sample.bits, nullptr,
                             sample.time_ms < flush_cut_ms});
      return;
    }
    seal(sample.slot);
    heap_bytes_ += kMallocBytes;
  } else if (sample.time_ms <= to.chunk.last_time_ms() || sample.time_ms < flush_cut_ms) {
    if (sample.time_ms == to.chunk.last_time_ms()) return;
    add_late(sample.slot, {sample.time_ms, sample.start_ms, sample.bits, nullptr,
                           sample.time_ms < flush_cut_ms});
    return;
  } else if (to.chunk.full()) {
    seal(sample.slot);
    heap_bytes_ += kMallocBytes;
  }
  const size_t before = to.chunk.memory_bytes();
  to.chunk.append(sample.time_ms, std::bit_cast<double>(sample.bits), sample.start_ms);
  heap_bytes_ += static_cast<int64_t>(to.chunk.memory_bytes() - before);
}

void Shard::apply(uint32_t slot, int64_t time_ms, int64_t start_ms,
                  const model::NativeHistogram& histogram, int64_t flush_cut_ms) {
  Series& to = series(slot);
  const Last newest = last(slot);
  if ((newest.any && time_ms <= newest.time_ms) || time_ms < flush_cut_ms) {
    if (newest.any && time_ms == newest.time_ms) return;
    add_late(slot, {time_ms, start_ms, 0, std::make_shared<model::NativeHistogram>(histogram),
                    time_ms < flush_cut_ms});
    return;
  }
  if (!to.histogram_open || histograms_.at(slot).full()) seal(slot);
  HistogramChunk& chunk = histograms_[slot];
  const size_t before = to.histogram_open ? chunk.memory_bytes() : 0;
  to.histogram_open = true;
  chunk.append(time_ms, histogram, start_ms);
  heap_bytes_ += static_cast<int64_t>(chunk.memory_bytes()) - static_cast<int64_t>(before);
}

// --- snapshots -----------------------------------------------------------------

bool Shard::restore_chunk(uint32_t slot, const RestoredChunk& chunk_of, bool newest,
                          std::string_view& in) {
  const auto [kind, first_ms, last_ms, bytes] = chunk_of;
  const bool histograms = kind == kHistogramChunk;
  Series& to = series(slot);
  if (newest && !histograms) {
    Result<SampleChunk> chunk = kind == kFloatChunkWithState
                                    ? SampleChunk::resume(bytes, last_ms, in)
                                    : SampleChunk::resume(bytes);
    if (!chunk.ok()) return false;
    to.chunk = std::move(*chunk);
    heap_bytes_ += static_cast<int64_t>(to.chunk.memory_bytes()) + kMallocBytes;
    return true;
  }
  if (newest) {
    Result<HistogramChunk> chunk = HistogramChunk::resume(bytes);
    if (!chunk.ok()) return false;
    heap_bytes_ += static_cast<int64_t>(chunk->memory_bytes());
    histograms_[slot] = std::move(*chunk);
    to.histogram_open = true;
    return true;
  }
  return put_sealed(to, histograms, first_ms, last_ms, bytes);
}

void Shard::restore_late(uint32_t slot, LateSample sample) { add_late(slot, std::move(sample)); }

void Shard::restore_ended(uint32_t slot, std::span<const uint32_t> pairs) {
  make_slots(slot + 1);
  Series& ended = series(slot);
  if (ended.state != SeriesState::kFree || !put_row(ended, pairs)) return;
  ended.state = SeriesState::kEnded;
  ended_slots_.push_back(slot);
}

void Shard::put_snapshot(uint32_t slot, std::string& out) const {
  const Series& from = series(slot);
  put_varint(out, slot);
  out.push_back(from.state == SeriesState::kEnded ? 1 : 0);
  put_le<uint32_t>(out, from.tag);
  // A row is the number of the labels, a byte, and their refs as they are wanted here.
  const std::string_view row = row_text(slot);
  put_varint(out, static_cast<uint8_t>(row[0]));
  out += row.substr(1);
  std::vector<uint32_t> chain;
  for (uint32_t ref = from.sealed; ref != 0; ref = sealed_at(ref).older) chain.push_back(ref);
  const bool open = from.histogram_open || !from.chunk.empty();
  put_varint(out, chain.size() + (open ? 1 : 0));
  for (size_t i = chain.size(); i-- > 0;) {
    const Sealed sealed = sealed_at(chain[i]);
    out.push_back(static_cast<char>(sealed.histograms() ? kHistogramChunk : kFloatChunk));
    put_zigzag(out, sealed.first_ms);
    put_zigzag(out, sealed.last_ms);
    put_text(out, {arena_.at(chain[i]) + sizeof sealed, sealed.size()});
  }
  if (open) {
    const Last newest = last(slot);
    out.push_back(static_cast<char>(from.histogram_open ? kHistogramChunk : kFloatChunkWithState));
    put_zigzag(out, from.histogram_open ? histograms_.at(slot).first_time_ms()
                                        : from.chunk.first_time_ms());
    put_zigzag(out, newest.time_ms);
    put_text(out, from.histogram_open ? histograms_.at(slot).bytes() : from.chunk.bytes());
    if (!from.histogram_open) from.chunk.put_state(out);
  }
  const auto late = late_.find(slot);
  const std::vector<LateSample> none;
  const std::vector<LateSample>& samples = late == late_.end() ? none : late->second;
  const auto floats = static_cast<uint64_t>(std::count_if(
      samples.begin(), samples.end(), [](const LateSample& s) { return s.histogram == nullptr; }));
  put_varint(out, floats);
  for (const LateSample& sample : samples) {
    if (sample.histogram != nullptr) continue;
    put_zigzag(out, sample.time_ms);
    put_zigzag(out, sample.start_ms);
    put_le<uint64_t>(out, sample.bits);
  }
  put_varint(out, samples.size() - floats);
  for (const LateSample& sample : samples) {
    if (sample.histogram == nullptr) continue;
    put_zigzag(out, sample.time_ms);
    put_zigzag(out, sample.start_ms);
    put_histogram(out, *sample.histogram);
  }
}

// --- taking samples out ----------------------------------------------------------

void Shard::clear_samples(uint32_t slot) {
  Series& cleared = series(slot);
  for (uint32_t ref = cleared.sealed; ref != 0;) {
    const uint32_t older = sealed_at(ref).older;
    free_sealed(ref);
    ref = older;
  }
  cleared.sealed = 0;
  if (cleared.histogram_open) {
    heap_bytes_ -= static_cast<int64_t>(histograms_.at(slot).memory_bytes());
    histograms_.erase(slot);
    cleared.histogram_open = false;
  }
  if (!cleared.chunk.empty()) {
    heap_bytes_ -= static_cast<int64_t>(cleared.chunk.memory_bytes()) + kMallocBytes;
    cleared.chunk = SampleChunk();
  }
  if (const auto late = late_.find(slot); late != late_.end()) {
    for (const LateSample& sample : late->second) heap_bytes_ -= bytes_of(sample);
    late_.erase(late);
  }
}

void Shard::refill(uint32_t slot, const model::SampleColumns& samples) {
  for (size_t i = 0; i < samples.size(); ++i) {
    const int64_t start_ms = samples.starts_ms.empty() ? 0 : samples.starts_ms[i];
    if (!samples.histograms.empty() && samples.histograms[i] != nullptr) {
      apply(slot, samples.times_ms[i], start_ms, *samples.histograms[i], INT64_MIN);
    } else {
      apply({slot, samples.times_ms[i], std::bit_cast<uint64_t>(samples.values[i]), start_ms},
            INT64_MIN);
    }
  }
}

Status Shard::delete_samples(uint32_t slot, model::TimeRangeMs range) {
  if (!live(slot)) return {};
  RawSeries raw;
  copy(slot, {}, raw);
  model::SampleColumns all, kept;
  RETURN_IF_ERROR(decode(raw, {}, all));
  for (size_t i = 0; i < all.size(); ++i) {
    if (all.times_ms[i] < range.begin_ms || all.times_ms[i] > range.end_ms)
      add_sample(all, i, kept);
  }
  if (kept.size() == all.size()) return {};
  clear_samples(slot);
  refill(slot, kept);
  return {};
}

Status Shard::truncate(uint32_t slot, int64_t cut_ms) {
  if (!live(slot)) return {};
  Series& from = series(slot);
  if (const auto late = late_.find(slot); late != late_.end()) {
    std::erase_if(late->second, [&](const LateSample& sample) {
      const bool out = sample.time_ms < cut_ms && !sample.during_flush;
      if (out) heap_bytes_ -= bytes_of(sample);
      return out;
    });
    if (late->second.empty()) late_.erase(late);
  }
  // Full chunks: from the newest down to the first that lies before the cut.
  bool straddles = false;
  if (from.histogram_open || !from.chunk.empty()) {
    straddles = (from.histogram_open ? histograms_.at(slot).first_time_ms()
                                     : from.chunk.first_time_ms()) < cut_ms;
  }
  for (uint32_t ref = from.sealed; ref != 0 && !straddles; ref = sealed_at(ref).older) {
    const Sealed sealed = sealed_at(ref);
    if (sealed.first_ms >= cut_ms) continue;
    straddles = true;
  }
  if (!straddles) return {};
  // What is left is put in anew: once in two hours, a chunk's worth a series.
  std::vector<LateSample> late;
  if (const auto found = late_.find(slot); found != late_.end()) {
    late = std::move(found->second);
    for (const LateSample& sample : late) heap_bytes_ -= bytes_of(sample);
    late_.erase(found);
  }
  RawSeries raw;
  copy(slot, {cut_ms, INT64_MAX}, raw);
  model::SampleColumns kept;
  RETURN_IF_ERROR(decode(raw, {cut_ms, INT64_MAX}, kept));
  clear_samples(slot);
  refill(slot, kept);
  for (LateSample& sample : late) add_late(slot, std::move(sample));
  return {};
}

void Shard::flush_is_over() {
  for (auto& [slot, samples] : late_) {
    for (LateSample& sample : samples) sample.during_flush = false;
  }
}

bool Shard::without_samples(uint32_t slot) const {
  const Series& found = series(slot);
  return found.sealed == 0 && !found.histogram_open && found.chunk.empty() && !late_.contains(slot);
}

int64_t Shard::first_time_ms(uint32_t slot) const {
  const Series& found = series(slot);
  int64_t first = INT64_MAX;
  if (const auto late = late_.find(slot); late != late_.end()) {
    first = late->second.front().time_ms;
  }
  if (found.sealed != 0) {
    uint32_t ref = found.sealed;
    while (sealed_at(ref).older != 0) ref = sealed_at(ref).older;
    return std::min(first, sealed_at(ref).first_ms);
  }
  if (found.histogram_open) return std::min(first, histograms_.at(slot).first_time_ms());
  if (!found.chunk.empty()) return std::min(first, found.chunk.first_time_ms());
  return first;
}

// --- reading -----------------------------------------------------------------------

void Shard::copy(uint32_t slot, model::TimeRangeMs range, RawSeries& out) const {
  const Series& from = series(slot);
  const auto add = [&](bool histograms, int64_t first_ms, int64_t last_ms, std::string_view bytes) {
    if (last_ms < range.begin_ms || first_ms > range.end_ms) return;
    out.pieces.push_back({histograms, out.bytes.size(), bytes.size()});
    out.bytes.append(bytes);
  };
  if (from.histogram_open) {
    const HistogramChunk& chunk = histograms_.at(slot);
    add(true, chunk.first_time_ms(), chunk.last_time_ms(), chunk.bytes());
  } else if (!from.chunk.empty()) {
    add(false, from.chunk.first_time_ms(), from.chunk.last_time_ms(), from.chunk.bytes());
  }
  for (uint32_t ref = from.sealed; ref != 0;) {
    const Sealed sealed = sealed_at(ref);
    if (sealed.last_ms < range.begin_ms) break;  // and so do those before it
    add(sealed.histograms(), sealed.first_ms, sealed.last_ms,
        {arena_.at(ref) + sizeof sealed, sealed.size()});
    ref = sealed.older;
  }
  if (late_.empty()) return;
  if (const auto late = late_.find(slot); late != late_.end()) {
    for (const LateSample& sample : late->second) {
      if (sample.time_ms >= range.begin_ms && sample.time_ms <= range.end_ms) {
        out.late.push_back(sample);
      }
    }
  }
}

Status decode(const RawSeries& raw, model::TimeRangeMs range, model::SampleColumns& out) {
  out.clear();
  for (size_t i = raw.pieces.size(); i-- > 0;) {
    const RawSeries::Piece& piece = raw.pieces[i];
    const auto bytes = std::string_view(raw.bytes).substr(piece.offset, piece.size);
    RETURN_IF_ERROR(piece.histograms
                        ? decode_histogram_chunk(bytes, range.begin_ms, range.end_ms, out)
                        : decode_sample_chunk(bytes, range.begin_ms, range.end_ms, out));
  }
  if (raw.late.empty()) return {};
  model::SampleColumns late, merged;
  for (const LateSample& sample : raw.late) {
    if (sample.histogram != nullptr) {
      add_histogram(late, sample.time_ms, *sample.histogram, sample.start_ms);
      continue;
    }
    model::SampleColumns one;
    one.times_ms = {sample.time_ms};
    one.values = {std::bit_cast<double>(sample.bits)};
    if (sample.start_ms != 0) one.starts_ms = {sample.start_ms};
    add_sample(one, 0, late);
  }
  merge_columns(out, late, merged);
  std::swap(out, merged);
  return {};
}

}  // namespace gatehouse::store

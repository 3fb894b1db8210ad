#include "store/head/label_table.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cstring>

namespace gatehouse::store {
namespace {

constexpr uint32_t units(size_t bytes) {
  return static_cast<uint32_t>((bytes + Arena::kUnitBytes - 1) / Arena::kUnitBytes);
}
// In place of a name: a record that stands for lost ones.
constexpr uint32_t kFiller = UINT32_MAX;
constexpr uint32_t kBlockUnits = units(Arena::kBlockBytes);

// The seed of this process: names that collide on purpose would have to guess it.
uint64_t seed() {
  static const uint64_t chosen = static_cast<uint64_t>(reinterpret_cast<uintptr_t>(&seed)) ^
                                 static_cast<uint64_t>(std::hash<std::string>()("labels"));
  return chosen;
}

}  // namespace

LabelTable::~LabelTable() {
  int64_t sorted_pairs = 0;
  for (const auto& [name, pairs] : sorted_) sorted_pairs += static_cast<int64_t>(pairs->size());
  budget_.release(static_cast<int64_t>(table_.capacity() * sizeof(uint64_t)) +
                  sorted_pairs * static_cast<int64_t>(sizeof(uint32_t)));
}

uint32_t LabelTable::word(uint32_t ref, size_t index) const {
  uint32_t value = 0;
  std::memcpy(&value, arena_.at(ref) + index * sizeof(uint32_t), sizeof value);
  return value;
}

uint32_t LabelTable::tag_of(uint32_t name, std::string_view text) {
  const uint64_t hash = XXH3_64bits_withSeed(text.data(), text.size(), seed() + name);
  return static_cast<uint32_t>(hash >> 32);
}

uint32_t LabelTable::find_record(uint32_t name, std::string_view wanted, uint32_t tag) const {
  if (table_.empty()) return 0;
  const size_t mask = table_.size() - 1;
  for (size_t at = tag & mask;; at = (at + 1) & mask) {
    const uint64_t entry = table_[at];
    if (entry == 0) return 0;
    const auto ref = static_cast<uint32_t>(entry);
    if (entry >> 32 == tag && name_of(ref) == name && text(ref) == wanted) return ref;
  }
}

void LabelTable::grow() {
  const size_t size = std::max<size_t>(1024, table_.size() * 2);
  std::vector<uint64_t> larger(size);
  for (const uint64_t entry : table_) {
    if (entry == 0) continue;
    size_t at = (entry >> 32) & (size - 1);
    while (larger[at] != 0) at = (at + 1) & (size - 1);
    larger[at] = entry;
  }
  budget_.release(-static_cast<int64_t>((size - table_.size()) * sizeof(uint64_t)));
  table_ = std::move(larger);
}

void LabelTable::enter(uint32_t ref, uint32_t tag) {
  if ((entries_ + 1) * 5 > table_.size() * 4) grow();
  size_t at = tag & (table_.size() - 1);
  while (table_[at] != 0) at = (at + 1) & (table_.size() - 1);
  table_[at] = uint64_t{tag} << 32 | ref;
  ++entries_;
}

uint32_t LabelTable::make(uint32_t name, std::string_view value, uint32_t tag) {
  const uint32_t ref = arena_.allocate(kHeadBytes + value.size());
  if (ref == 0) return 0;
  uint32_t next = 0;
  if (name != 0) {
    NameState& state = names_[name];
    next = state.newest;
    state.newest = ref;
    ++state.values;
  } else {
    names_[ref];
  }
  const uint32_t head[3] = {name, next, static_cast<uint32_t>(value.size())};
  std::memcpy(arena_.at(ref), head, sizeof head);
  std::memcpy(arena_.at(ref) + kHeadBytes, value.data(), value.size());
  enter(ref, tag);
  whole_end_.store(arena_.end(), std::memory_order_release);
  return ref;
}

uint32_t LabelTable::intern(std::string_view name, std::string_view value) {
  std::lock_guard lock(mutex_);
  const uint32_t name_tag = tag_of(0, name);
  uint32_t name_ref = find_record(0, name, name_tag);
  if (name_ref == 0) name_ref = make(0, name, name_tag);
  if (name_ref == 0) return 0;
  const uint32_t tag = tag_of(name_ref, value);
  const uint32_t ref = find_record(name_ref, value, tag);
  return ref != 0 ? ref : make(name_ref, value, tag);
}

uint32_t LabelTable::find(std::string_view name, std::string_view value) const {
  std::lock_guard lock(mutex_);
  const uint32_t name_ref = find_record(0, name, tag_of(0, name));
  if (name_ref == 0) return 0;
  return find_record(name_ref, value, tag_of(name_ref, value));
}

LabelTable::Name LabelTable::name(std::string_view name) const {
  std::lock_guard lock(mutex_);
  const uint32_t ref = find_record(0, name, tag_of(0, name));
  if (ref == 0) return {};
  const NameState& state = names_.at(ref);
  return {text(ref), state.values, state.newest};
}

std::shared_ptr<const std::vector<uint32_t>> LabelTable::sorted_values(
    std::string_view name_text) const {
  const Name known = name(name_text);
  std::lock_guard lock(sorted_mutex_);
  auto& sorted = sorted_[known.values == 0 ? 0 : name_of(known.newest)];
  if (sorted == nullptr) sorted = std::make_shared<const std::vector<uint32_t>>();
  if (sorted->size() >= known.values) return sorted;
  // Pairs are never taken out: those that are not in yet are the newest.
  auto next = std::make_shared<std::vector<uint32_t>>();
  next->reserve(known.values);
  uint32_t pair = known.newest;
  for (size_t left = known.values - sorted->size(); left > 0; --left, pair = next_value(pair)) {
    next->push_back(pair);
  }
  const auto by_text = [this](uint32_t a, uint32_t b) { return text(a) < text(b); };
  std::sort(next->begin(), next->end(), by_text);
  const auto middle = static_cast<ptrdiff_t>(next->size());
  next->insert(next->end(), sorted->begin(), sorted->end());
  std::inplace_merge(next->begin(), next->begin() + middle, next->end(), by_text);
  budget_.release(-static_cast<int64_t>((next->size() - sorted->size()) * sizeof(uint32_t)));
  sorted = std::move(next);
  return sorted;
}

std::vector<LabelTable::Name> LabelTable::names() const {
  std::lock_guard lock(mutex_);
  std::vector<Name> all;
  all.reserve(names_.size());
  for (const auto& [ref, state] : names_) all.push_back({text(ref), state.values, state.newest});
  return all;
}

uint32_t LabelTable::end() const {
  std::lock_guard lock(mutex_);
  return arena_.end();
}

std::string LabelTable::raw(uint32_t from, uint32_t& to) const {
  std::lock_guard lock(mutex_);
  // Whole blocks, as a record may lie across any other place.
  to = std::min(arena_.end(), (from / kBlockUnits + 4) * kBlockUnits);
  std::string out;
  out.reserve(size_t{to - from} * Arena::kUnitBytes);
  for (uint32_t at = from; at < to;) {
    const uint32_t count = std::min(to - at, kBlockUnits - at % kBlockUnits);
    out.append(arena_.at(at), size_t{count} * Arena::kUnitBytes);
    at += count;
  }
  return out;
}

bool LabelTable::readable(uint32_t ref, uint32_t end) const {
  const uint32_t room = std::min(end - ref, kBlockUnits - ref % kBlockUnits);
  if (ref < Arena::kFirst || ref >= end || room < units(kHeadBytes)) return false;
  const uint32_t length = word(ref, 2);
  return length != 0 && length <= size_t{room} * Arena::kUnitBytes - kHeadBytes;
}

bool LabelTable::is_pair(uint32_t ref) const {
  const uint32_t end = whole_end_.load(std::memory_order_acquire);
  if (!readable(ref, end)) return false;
  const uint32_t name = name_of(ref);
  return name != 0 && readable(name, end) && name_of(name) == 0;
}

// Records that were lost leave a hole. It is filled, so that whoever walks the
// records steps over it.
void LabelTable::fill_hole(uint32_t from, uint32_t to) {
  for (uint32_t at = from; at < to;) {
    const uint32_t piece = std::min(to - at, kBlockUnits - at % kBlockUnits);
    if (piece > units(kHeadBytes)) {
      const uint32_t head[3] = {kFiller, 0,
                                static_cast<uint32_t>(piece * Arena::kUnitBytes - kHeadBytes)};
      std::memcpy(arena_.at(at), head, sizeof head);
    }
    at += piece;
  }
}

bool LabelTable::index_records(uint32_t from, uint32_t to) {
  bool whole = true;
  for (uint32_t at = from; at < to;) {
    const uint32_t in_block = kBlockUnits - at % kBlockUnits;
    if (in_block < units(kHeadBytes) || to - at < units(kHeadBytes) || word(at, 2) == 0) {
      at += in_block;
      continue;
    }
    const uint32_t name = word(at, 0);
    if (!readable(at, arena_.end()) || at + units(kHeadBytes + word(at, 2)) > to) {
      fill_hole(at, to);
      return false;
    }
    const uint32_t after = at + units(kHeadBytes + word(at, 2));
    if (name != 0 && !names_.contains(name)) {
      // Its name's record was lost, and so it is, too.
      whole &= name == kFiller;
      std::memcpy(arena_.at(at), &kFiller, sizeof kFiller);
      at = after;
      continue;
    }
    uint32_t next = 0;
    if (name == 0) {
      names_[at];
    } else {
      NameState& state = names_[name];
      next = state.newest;
      state.newest = at;
      ++state.values;
    }
    std::memcpy(arena_.at(at) + sizeof(uint32_t), &next, sizeof next);
    enter(at, tag_of(name, text(at)));
    at = after;
  }
  return whole;
}

bool LabelTable::import_raw(uint32_t from, std::string_view bytes) {
  std::lock_guard lock(mutex_);
  if (from < Arena::kFirst || bytes.size() % Arena::kUnitBytes != 0) return false;
  // A frame that was lost before this one leaves a hole; a hole of a table's size is none.
  const uint32_t known = arena_.end();
  if (from > known && from - known > units(size_t{16} << 20)) return false;
  const auto count = static_cast<uint32_t>(bytes.size() / Arena::kUnitBytes);
  if (count > UINT32_MAX - from) return false;
  const uint32_t to = from + count;
  if (to <= known) return true;
  if (!arena_.extend(to)) return false;
  if (from > known) fill_hole(known, from);
  const uint32_t begin = std::max(from, known);
  for (uint32_t at = begin; at < to;) {
    const uint32_t piece = std::min(to - at, kBlockUnits - at % kBlockUnits);
    std::memcpy(arena_.at(at), bytes.data() + size_t{at - from} * Arena::kUnitBytes,
                size_t{piece} * Arena::kUnitBytes);
    at += piece;
  }
  const bool whole = index_records(begin, to);
  whole_end_.store(arena_.end(), std::memory_order_release);
  return whole;
}

size_t LabelTable::memory_bytes() const {
  std::lock_guard lock(mutex_);
  return arena_.memory_bytes() + table_.capacity() * sizeof(uint64_t);
}

uint64_t LabelTable::pairs() const {
  std::lock_guard lock(mutex_);
  return entries_ - names_.size();
}

}  // namespace gatehouse::store

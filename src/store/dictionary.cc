#include "store/dictionary.h"

#include <array>
#include <atomic>
#include <mutex>

namespace gatehouse::store {
namespace {

std::atomic<uint64_t> next_instance{1};

// Attribute names are nearly always literals: the same address holds the same
// text, which one comparison confirms.
struct CachedName {
  uint64_t instance = 0;
  const char* address = nullptr;
  const std::string* kept = nullptr;
  uint64_t id = 0;
};
constexpr size_t kCacheEntries = 256;
thread_local std::array<CachedName, kCacheEntries> name_cache;

size_t cache_slot(std::string_view name) {
  const auto address = reinterpret_cast<uintptr_t>(name.data());
  return ((address >> 3) ^ (address >> 11) ^ name.size() * 31) % kCacheEntries;
}

}  // namespace

Dictionary::Dictionary() : instance_(next_instance.fetch_add(1)) {}

void Dictionary::seed(const SegmentIndex& index) {
  std::unique_lock lock(mutex_);
  for (const std::string& name : index.names) {
    names_.push_back(name);
    name_ids_.emplace(names_.back(), names_.size());
  }
  for (const model::Labels& labels : index.streams) {
    streams_.push_back(labels);
    stream_ids_.emplace(labels, static_cast<model::StreamId>(streams_.size()));
  }
}

uint64_t Dictionary::name_id(std::string_view name) {
  CachedName& cached = name_cache[cache_slot(name)];
  if (cached.instance == instance_ && cached.address == name.data() && *cached.kept == name) {
    return cached.id;
  }
  const std::string* kept = nullptr;
  const uint64_t id = find_or_add_name(name, kept);
  if (id != 0) cached = {instance_, name.data(), kept, id};
  return id;
}

uint64_t Dictionary::find_or_add_name(std::string_view name, const std::string*& kept) {
  if (name.empty() || name.size() > kNameBytesMax) return 0;
  {
    std::shared_lock lock(mutex_);
    if (const auto found = name_ids_.find(name); found != name_ids_.end()) {
      kept = &names_[found->second - 1];
      return found->second;
    }
    if (names_.size() >= kNamesMax) return 0;
  }
  std::unique_lock lock(mutex_);
  if (const auto found = name_ids_.find(name); found != name_ids_.end()) {
    kept = &names_[found->second - 1];
    return found->second;
  }
  if (names_.size() >= kNamesMax) return 0;
  kept = &names_.emplace_back(name);
  name_ids_.emplace(*kept, names_.size());
  return names_.size();
}

Result<model::StreamId> Dictionary::stream(const model::Labels& labels) {
  std::unique_lock lock(mutex_);
  if (const auto found = stream_ids_.find(labels); found != stream_ids_.end()) {
    return found->second;
  }
  if (streams_.size() >= kStreamsMax) {
    return resource_exhausted("the record log has its greatest number of streams (" +
                              std::to_string(kStreamsMax) +
                              "); a label holds something that belongs in an attribute");
  }
  streams_.push_back(labels);
  const auto id = static_cast<model::StreamId>(streams_.size());
  stream_ids_.emplace(labels, id);
  return id;
}

size_t Dictionary::name_count() const {
  std::shared_lock lock(mutex_);
  return names_.size();
}

size_t Dictionary::stream_count() const {
  std::shared_lock lock(mutex_);
  return streams_.size();
}

std::vector<std::string_view> Dictionary::names(size_t first_id, size_t last_id) const {
  std::shared_lock lock(mutex_);
  std::vector<std::string_view> out;
  for (size_t id = first_id; id <= last_id; ++id) out.emplace_back(names_[id - 1]);
  return out;
}

std::vector<const model::Labels*> Dictionary::streams(size_t first_id, size_t last_id) const {
  std::shared_lock lock(mutex_);
  std::vector<const model::Labels*> out;
  for (size_t id = first_id; id <= last_id; ++id) out.push_back(&streams_[id - 1]);
  return out;
}

IdTables Dictionary::tables(size_t name_ids, size_t stream_ids) const {
  return {names(1, name_ids), streams(1, stream_ids)};
}

}  // namespace gatehouse::store

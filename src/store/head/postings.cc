#include "store/head/postings.h"

#include <algorithm>
#include <cstring>

namespace gatehouse::store {

Postings::~Postings() { budget_.release(static_cast<int64_t>(table_.capacity() * 8)); }

size_t Postings::find(uint32_t pair) const {
  const size_t mask = table_.size() - 1;
  size_t at = place_of(pair);
  while (table_[at] != 0 && table_[at] >> 32 != pair) at = (at + 1) & mask;
  return at;
}

void Postings::grow() {
  std::vector<uint64_t> old = std::move(table_);
  size_t live = 0;
  for (const uint64_t entry : old) live += static_cast<uint32_t>(entry) != 0;
  size_t size = std::max<size_t>(256, old.size());
  while (live * 8 >= size * 5) size *= 2;
  table_ = std::vector<uint64_t>(size);
  entries_ = live;
  for (const uint64_t entry : old) {
    if (static_cast<uint32_t>(entry) == 0) continue;  // its series are all gone
    table_[find(static_cast<uint32_t>(entry >> 32))] = entry;
  }
  budget_.release((static_cast<int64_t>(old.size()) - static_cast<int64_t>(size)) * 8);
}

uint32_t Postings::make_piece(uint32_t older, uint32_t before, uint32_t room) {
  const uint32_t ref = arena_.allocate(sizeof(Piece) + room * sizeof(uint32_t));
  if (ref == 0) return 0;
  const Piece piece{older, before, 0, static_cast<uint16_t>(room)};
  std::memcpy(arena_.at(ref), &piece, sizeof piece);
  return ref;
}

bool Postings::add(uint32_t pair, uint32_t slot) {
  if ((entries_ + 1) * 5 > table_.size() * 4) grow();
  uint64_t& entry = table_[find(pair)];
  auto handle = static_cast<uint32_t>(entry);
  if (handle == 0) {
    entries_ += entry == 0;
    entry = uint64_t{pair} << 32 | kInline | slot;
    return true;
  }
  if ((handle & kInline) != 0) {
    const uint32_t ref = make_piece(0, 0, 3);
    if (ref == 0) return false;
    const uint32_t first = handle & ~kInline;
    std::memcpy(arena_.at(ref) + sizeof(Piece), &first, sizeof first);
    reinterpret_cast<Piece*>(arena_.at(ref))->used = 1;
    handle = ref;
    entry = uint64_t{pair} << 32 | ref;
  }
  auto* piece = reinterpret_cast<Piece*>(arena_.at(handle));
  if (piece->used == piece->room) {
    const uint32_t total = piece->before + piece->used;
    const uint32_t ref = make_piece(handle, total, std::clamp(total / 2, 3u, kRoomMax));
    if (ref == 0) return false;
    entry = uint64_t{pair} << 32 | ref;
    piece = reinterpret_cast<Piece*>(arena_.at(ref));
  }
  std::memcpy(reinterpret_cast<char*>(piece + 1) + piece->used * sizeof slot, &slot, sizeof slot);
  ++piece->used;
  return true;
}

size_t Postings::count(uint32_t pair) const {
  if (table_.empty()) return 0;
  const auto handle = static_cast<uint32_t>(table_[find(pair)]);
  if (handle == 0) return 0;
  if ((handle & kInline) != 0) return 1;
  const auto* piece = reinterpret_cast<const Piece*>(arena_.at(handle));
  return size_t{piece->before} + piece->used;
}

void Postings::collect(uint32_t pair, std::vector<uint32_t>& out) const {
  if (table_.empty()) return;
  auto handle = static_cast<uint32_t>(table_[find(pair)]);
  if (handle == 0) return;
  if ((handle & kInline) != 0) {
    out.push_back(handle & ~kInline);
    return;
  }
  const auto* piece = reinterpret_cast<const Piece*>(arena_.at(handle));
  size_t end = out.size() + piece->before + piece->used;
  out.resize(end);
  for (;;) {
    end -= piece->used;
    std::memcpy(out.data() + end, piece + 1, piece->used * sizeof(uint32_t));
    if (piece->older == 0) return;
    piece = reinterpret_cast<const Piece*>(arena_.at(piece->older));
  }
}

void Postings::free_chain(uint32_t handle) {
  while (handle != 0 && (handle & kInline) == 0) {
    const auto* piece = reinterpret_cast<const Piece*>(arena_.at(handle));
    const uint32_t older = piece->older;
    arena_.free(handle, sizeof(Piece) + piece->room * sizeof(uint32_t));
    handle = older;
  }
}

void Postings::remove(uint32_t pair, const std::vector<bool>& gone) {
  std::vector<uint32_t> slots;
  collect(pair, slots);
  if (slots.empty()) return;
  const size_t before = slots.size();
  std::erase_if(slots, [&](uint32_t slot) { return slot < gone.size() && gone[slot]; });
  if (slots.size() == before) return;
  uint64_t& entry = table_[find(pair)];
  free_chain(static_cast<uint32_t>(entry));
  entry = uint64_t{pair} << 32;
  for (const uint32_t slot : slots) add(pair, slot);
}

}  // namespace gatehouse::store

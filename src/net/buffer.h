// Growable bytes that are not zeroed first, and a free list of them.
//
// A connection takes a Buffer when bytes arrive and gives it back when it is
// idle again, so that what memory costs is calls in flight, not connections.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <string_view>
#include <vector>

namespace gatehouse::net {

class Buffer {
 public:
  Buffer() = default;
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    swap(other);
    return *this;
  }

  char* data() { return bytes_.get(); }
  std::size_t size() const { return size_; }
  std::size_t capacity() const { return capacity_; }
  bool empty() const { return size_ == 0; }
  std::string_view view() const { return {bytes_.get(), size_}; }
  std::span<const char> span() const { return {bytes_.get(), size_}; }

  void clear() { size_ = 0; }
  // Invalidates views where it has to grow.
  void reserve(std::size_t capacity) {
    if (capacity > capacity_) grow_to(capacity);
  }
  void append(std::string_view bytes) {
    if (capacity_ - size_ < bytes.size()) grow_to(std::max(size_ + bytes.size(), 2 * capacity_));
    if (!bytes.empty()) std::memcpy(bytes_.get() + size_, bytes.data(), bytes.size());
    size_ += bytes.size();
  }
  // Where the next bytes may be written, and how many; then commit() them.
  char* tail() { return bytes_.get() + size_; }
  std::size_t room() const { return capacity_ - size_; }
  void commit(std::size_t bytes) { size_ += bytes; }
  void drop_front(std::size_t bytes) {
    size_ -= bytes;
    if (size_ != 0) std::memmove(bytes_.get(), bytes_.get() + bytes, size_);
  }
  void swap(Buffer& other) noexcept {
    bytes_.swap(other.bytes_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
  }

 private:
  void grow_to(std::size_t capacity) {
    // Large ones are mappings, which realloc() moves without a copy and without having both
    // at once: a loop that takes a body of many megabytes in serves others meanwhile.
    char* const grown = static_cast<char*>(std::realloc(bytes_.get(), capacity));
    if (grown == nullptr) throw std::bad_alloc();
    (void)bytes_.release();
    bytes_.reset(grown);
    capacity_ = capacity;
  }

  struct Free {
    void operator()(char* bytes) const { std::free(bytes); }
  };
  std::unique_ptr<char[], Free> bytes_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace gatehouse::net

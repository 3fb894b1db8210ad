// Tombstones: which samples of a block are deleted, as ranges of time a series.
// A file beside the block, written anew and renamed into its place by each change.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/disk.h"
#include "model/series.h"

namespace gatehouse::store {

class Tombstones {
 public:
  using Ranges = std::vector<model::TimeRangeMs>;  // by time, apart from each other

  bool empty() const { return series_.empty(); }
  size_t series() const { return series_.size(); }
  void add(uint32_t series, model::TimeRangeMs range);
  // Null: nothing of it is deleted.
  const Ranges* of(uint32_t series) const;
  const std::map<uint32_t, Ranges>& all() const { return series_; }

  std::string encode() const;
  static Result<Tombstones> parse(std::string_view bytes);

 private:
  std::map<uint32_t, Ranges> series_;
};

// Adds `range` to those there, joining what touches.
void add_range(Tombstones::Ranges& ranges, model::TimeRangeMs range);
// Takes the samples in the ranges out of `columns`, from row `first` on.
void drop_deleted(const Tombstones::Ranges& ranges, model::SampleColumns& columns, size_t first);

}  // namespace gatehouse::store

// The index of a block as it lies in the mapped file: symbols, label values with
// their postings, and the rows of series. Nothing is unpacked ahead; every access
// is checked against the section it reads.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/matcher.h"
#include "store/block/block_format.h"

namespace gatehouse::store {

class BlockIndex {
 public:
  // Checks the sections' checksums. The index is good as long as `file`.
  static Result<std::unique_ptr<BlockIndex>> open(std::string_view file);

  const BlockMeta& meta() const { return meta_; }
  std::string_view file() const { return file_; }
  uint32_t series() const { return series_; }

  // "" where there is no such symbol, which a file that passed its checks does not ask for.
  std::string_view symbol(uint32_t id) const;
  std::optional<uint32_t> find_symbol(std::string_view text) const;

  // What is known of a label name: its values ascending, each with postings.
  struct Values {
    const char* rows = nullptr;
    uint32_t count = 0;
  };
  uint32_t names() const { return names_; }
  uint32_t name(uint32_t i) const;
  Values values_of(std::string_view name) const;
  uint32_t value(const Values& values, uint32_t i) const;
  bool postings(const Values& values, uint32_t i, std::vector<uint32_t>& out) const;

  // The series that every matcher matches, ascending. kDataLoss.
  Result<std::vector<uint32_t>> select(std::span<const model::Matcher> matchers) const;

 private:
  friend class RowCursor;
  Status read_sections(const Contents& contents);

  std::string_view file_;
  BlockMeta meta_;
  uint32_t symbol_count_ = 0;
  const char* symbol_ends_ = nullptr;
  std::string_view symbol_texts_;
  uint32_t series_ = 0;
  const char* restarts_ = nullptr;
  std::string_view rows_;
  std::string_view postings_;
  uint32_t names_ = 0;
  std::string_view labels_;
};

// Reads rows of series, cheapest in ascending order.
class RowCursor {
 public:
  explicit RowCursor(const BlockIndex& index) : index_(index) {}
  // REQUIRES: series < index.series(). False: damage.
  bool seek(uint32_t series);
  const SeriesRow& row() const { return row_; }

 private:
  const BlockIndex& index_;
  std::string_view rest_;
  SeriesRow row_;
  uint32_t next_ = UINT32_MAX;
};

}  // namespace gatehouse::store

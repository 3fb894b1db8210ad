#include "store/block/block_index.h"

#include <algorithm>
#include <unordered_map>

#include "base/bytes.h"

namespace gatehouse::store {
namespace {

using model::Matcher;

Status damage(std::string_view what) {
  return data_loss("the block's " + std::string(what) + " are damaged");
}

uint32_t word(const char* words, size_t i) { return get_le<uint32_t>(words + 4 * i); }

// A set of series.
class Bits {
 public:
  explicit Bits(uint32_t size) : words_(size / 64 + 1) {}
  void add(uint32_t id) { words_[id / 64] |= uint64_t{1} << (id % 64); }
  bool has(uint32_t id) const { return (words_[id / 64] >> (id % 64) & 1) != 0; }

 private:
  std::vector<uint64_t> words_;
};

// Cheapest first: what says its values outright, then what has to try them.
int rank(const Matcher& matcher) {
  if (matcher.matches_empty()) return 3;
  if (matcher.op() == Matcher::Op::kEqual) return 0;
  return matcher.literals().empty() ? 2 : 1;
}

// One selection's way through the index.
class Selection {
 public:
  explicit Selection(const BlockIndex& index) : index_(index) {}

  Result<std::vector<uint32_t>> run(std::span<const Matcher> matchers) {
    std::vector<const Matcher*> order;
    for (const Matcher& matcher : matchers) order.push_back(&matcher);
    std::stable_sort(order.begin(), order.end(),
                     [](const Matcher* a, const Matcher* b) { return rank(*a) < rank(*b); });
    for (const Matcher* matcher : order) {
      RETURN_IF_ERROR(apply(*matcher));
      if (all_ || !ids_.empty()) continue;
      return ids_;
    }
    if (all_) {
      for (uint32_t i = 0; i < index_.series(); ++i) ids_.push_back(i);
    }
    return std::move(ids_);
  }

 private:
  Status apply(const Matcher& matcher) {
    const BlockIndex::Values values = index_.values_of(matcher.name());
    if (all_ && matcher.op() == Matcher::Op::kEqual && !matcher.matches_empty()) {
      all_ = false;
      const uint32_t i = lower_bound(values, matcher.value());
      if (i == values.count || index_.symbol(index_.value(values, i)) != matcher.value()) return {};
      return index_.postings(values, i, ids_) ? Status() : damage("postings");
    }
    // With few series left, their own values are fewer than the label's.
    if (!all_ && ids_.size() < values.count) return filter(matcher);
    // Of a matcher that the label's absence passes, the values that fail are told.
    const bool wanted = !matcher.matches_empty();
    Bits found(index_.series());
    RETURN_IF_ERROR(collect(matcher, values, wanted, found));
    if (all_) {
      for (uint32_t i = 0; i < index_.series(); ++i) {
        if (found.has(i) == wanted) ids_.push_back(i);
      }
    } else {
      std::erase_if(ids_, [&](uint32_t id) { return found.has(id) != wanted; });
    }
    all_ = false;
    return {};
  }

  Status add(const BlockIndex::Values& values, uint32_t i, Bits& found) {
    scratch_.clear();
    if (!index_.postings(values, i, scratch_)) return damage("postings");
    for (const uint32_t id : scratch_) found.add(id);
    return {};
  }

  // The first value that is not before `text`.
  uint32_t lower_bound(const BlockIndex::Values& values, std::string_view text) const {
    uint32_t low = 0;
    uint32_t high = values.count;
    while (low < high) {
      const uint32_t middle = low + (high - low) / 2;
      if (index_.symbol(index_.value(values, middle)) < text) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  Status add_literal(const BlockIndex::Values& values, std::string_view text, Bits& found) {
    const uint32_t i = lower_bound(values, text);
    if (i == values.count || index_.symbol(index_.value(values, i)) != text) return {};
    return add(values, i, found);
  }

  // Postings of the values for which the matcher is `wanted`.
  Status collect(const Matcher& matcher, const BlockIndex::Values& values, bool wanted,
                 Bits& found) {
    // What = and != say, and a pattern that is a list, is looked up.
    if (matcher.op() == Matcher::Op::kEqual && wanted) {
      return add_literal(values, matcher.value(), found);
    }
    if (matcher.op() == Matcher::Op::kNotEqual && !wanted) {
      return add_literal(values, matcher.value(), found);
    }
    if (!matcher.literals().empty() && wanted) {
      for (const std::string& text : matcher.literals()) {
        RETURN_IF_ERROR(add_literal(values, text, found));
      }
      return {};
    }
    uint32_t begin = 0;
    const std::string_view prefix = matcher.prefix();
    // Before and after what begins with the prefix a pattern matches nothing.
    const bool bounded = !prefix.empty() && matcher.negative() != wanted;
    if (bounded) begin = lower_bound(values, prefix);
    for (uint32_t i = begin; i < values.count; ++i) {
      const std::string_view text = index_.symbol(index_.value(values, i));
      if (bounded && !text.starts_with(prefix)) break;
      if (matcher.matches(text) == wanted) RETURN_IF_ERROR(add(values, i, found));
    }
    return {};
  }

  // Asks the matcher once a distinct value.
  Status filter(const Matcher& matcher) {
    const std::optional<uint32_t> name = index_.find_symbol(matcher.name());
    std::unordered_map<uint32_t, bool> known;
    RowCursor cursor(index_);
    std::vector<uint32_t> kept;
    for (const uint32_t id : ids_) {
      if (!cursor.seek(id)) return damage("series");
      const std::vector<uint32_t>& labels = cursor.row().labels;
      bool matches = matcher.matches_empty();
      for (size_t i = 0; name.has_value() && i < labels.size(); i += 2) {
        if (labels[i] != *name) continue;
        const auto [place, fresh] = known.try_emplace(labels[i + 1], false);
        if (fresh) place->second = matcher.matches(index_.symbol(labels[i + 1]));
        matches = place->second;
        break;
      }
      if (matches) kept.push_back(id);
    }
    ids_ = std::move(kept);
    return {};
  }

  const BlockIndex& index_;
  bool all_ = true;  // every series, as yet not written out
  std::vector<uint32_t> ids_;
  std::vector<uint32_t> scratch_;
};

}  // namespace

Result<std::unique_ptr<BlockIndex>> BlockIndex::open(std::string_view file) {
  ASSIGN_OR_RETURN(const Contents contents, parse_contents(file));
  auto index = std::make_unique<BlockIndex>();
  index->file_ = file;
  RETURN_IF_ERROR(index->read_sections(contents));
  return index;
}

Status BlockIndex::read_sections(const Contents& contents) {
  static constexpr std::string_view kNames[] = {"symbols", "series", "postings", "label values",
                                                "notes on itself"};
  std::array<std::string_view, kSections> sections;
  for (size_t i = 0; i < kSections; ++i) {
    sections[i] = file_.substr(contents[i].offset, contents[i].length);
    if (crc32c(sections[i]) != contents[i].crc) return damage(kNames[i]);
  }
  ASSIGN_OR_RETURN(meta_, parse_meta(sections[static_cast<size_t>(Section::kMeta)]));
  meta_.bytes = file_.size();

  const std::string_view symbols = sections[static_cast<size_t>(Section::kSymbols)];
  if (symbols.size() < 8) return damage("symbols");
  symbol_count_ = get_le<uint32_t>(symbols.data());
  if ((symbols.size() - 8) / 4 < symbol_count_) return damage("symbols");
  symbol_ends_ = symbols.data() + 4;
  symbol_texts_ = symbols.substr(8 + size_t{4} * symbol_count_);

  const std::string_view rows = sections[static_cast<size_t>(Section::kSeries)];
  if (rows.size() < 4) return damage("series");
  series_ = get_le<uint32_t>(rows.data());
  const size_t restarts = (size_t{series_} + kRowsPerRestart - 1) / kRowsPerRestart;
  if ((rows.size() - 4) / 4 < restarts) return damage("series");
  restarts_ = rows.data() + 4;
  rows_ = rows.substr(4 + 4 * restarts);
  // A row takes three bytes at least: what is allocated by series is bounded by the file.
  if (series_ > rows_.size()) return damage("series");

  postings_ = sections[static_cast<size_t>(Section::kPostings)];
  labels_ = sections[static_cast<size_t>(Section::kLabels)];
  if (labels_.size() < 4) return damage("label values");
  names_ = get_le<uint32_t>(labels_.data());
  if ((labels_.size() - 4) / 12 < names_) return damage("label values");
  return {};
}

std::string_view BlockIndex::symbol(uint32_t id) const {
  if (id >= symbol_count_) return {};
  const uint32_t begin = word(symbol_ends_, id);
  const uint32_t end = word(symbol_ends_, size_t{id} + 1);
  if (begin > end || end > symbol_texts_.size()) return {};
  return symbol_texts_.substr(begin, end - begin);
}

std::optional<uint32_t> BlockIndex::find_symbol(std::string_view text) const {
  uint32_t low = 0;
  uint32_t high = symbol_count_;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    const std::string_view found = symbol(middle);
    if (found == text) return middle;
    if (found < text) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return std::nullopt;
}

uint32_t BlockIndex::name(uint32_t i) const {
  return get_le<uint32_t>(labels_.data() + 4 + 12 * i);
}

BlockIndex::Values BlockIndex::values_of(std::string_view name_text) const {
  uint32_t low = 0;
  uint32_t high = names_;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    const std::string_view found = symbol(name(middle));
    if (found == name_text) {
      const char* row = labels_.data() + 4 + size_t{12} * middle;
      const uint32_t at = get_le<uint32_t>(row + 4);
      const uint32_t count = get_le<uint32_t>(row + 8);
      if (at > labels_.size() || count > (labels_.size() - at) / 8) return {};
      return {labels_.data() + at, count};
    }
    if (found < name_text) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return {};
}

uint32_t BlockIndex::value(const Values& values, uint32_t i) const {
  return word(values.rows, size_t{2} * i);
}

bool BlockIndex::postings(const Values& values, uint32_t i, std::vector<uint32_t>& out) const {
  const uint32_t at = word(values.rows, size_t{2} * i + 1);
  return at <= postings_.size() && take_postings(postings_.substr(at), series_, out);
}

Result<std::vector<uint32_t>> BlockIndex::select(std::span<const Matcher> matchers) const {
  return Selection(*this).run(matchers);
}

bool RowCursor::seek(uint32_t series) {
  if (series == next_ - 1 && next_ != UINT32_MAX) return true;
  // Near ahead, rows are walked over; else the cursor goes to the restart before.
  if (next_ > series || series / kRowsPerRestart > (next_ - 1) / kRowsPerRestart || next_ == 0) {
    const uint32_t restart = series / kRowsPerRestart;
    const uint32_t at = word(index_.restarts_, restart);
    next_ = UINT32_MAX;
    if (at > index_.rows_.size()) return false;
    rest_ = index_.rows_.substr(at);
    row_ = {};
    next_ = restart * kRowsPerRestart;
  }
  while (next_ <= series) {
    if (next_ % kRowsPerRestart == 0) {
      row_.labels.clear();
      row_.chunks.clear();
    }
    if (!take_row(rest_, row_)) {
      next_ = UINT32_MAX;
      return false;
    }
    ++next_;
  }
  return true;
}

}  // namespace gatehouse::store

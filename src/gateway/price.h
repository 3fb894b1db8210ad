// Prices of models, and what a call costs in whole nano-dollars.
//
// A model is matched by pattern (* stands for anything): the configuration's
// prices before the built-in table, an exact name before a pattern, the pattern
// with more literal characters before the one with fewer. Provider prefixes
// ("openai/gpt-4o", "eu.anthropic.claude-...") and dated snapshots
// ("gpt-4o-2024-11-20", "claude-sonnet-4-5-20250929", "...@20250929") fall back
// to the plain name. Within a model the entry with the call's service tier goes
// before the one without, and the highest above_input_tokens that the call
// exceeds decides.
//
// Money is exact: prices are whole nano-dollars a token ($0.01 a million tokens
// is 10), products and sums are integers. Only audio seconds round, up. A bill
// beyond 64 bits is the largest number, never a small one.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/result.h"
#include "gateway/config.h"
#include "gateway/usage.h"

namespace gatehouse::gateway {

struct Cost {
  int64_t nanodollars = 0;
  bool priced = false;  // false: the model is in no table, and the cost unknown (0)
};

// The prices of one model, all its tiers; keep it as long as the table.
class ModelPrice {
 public:
  Cost cost(const Usage& usage, std::string_view service_tier) const;

  // What the call can cost at most: every prompt byte a token at the dearest
  // input price, every allowed output token at the dearest output price, over
  // every context step it can reach. `output_tokens_max` <= 0: not said, the
  // model's own limit (or kOutputTokensAssumed) counts. Not covered: inputs that
  // the body only refers to (images by URL, stored conversations).
  int64_t upper_bound(size_t prompt_bytes, int64_t output_tokens_max, int64_t choices,
                      std::string_view service_tier) const;

  bool priced() const { return !entries_.empty(); }
  int64_t output_tokens_max() const;

 private:
  friend class PriceTable;
  const PriceConfig* choose(std::string_view tier, int64_t input_tokens) const;

  std::vector<const PriceConfig*> entries_;  // the configuration's, then the built-in
  size_t overrides_ = 0;                     // how many of them are the configuration's
};

class PriceTable {
 public:
  // What one call gives at most where neither it nor its model's entry says:
  // the output limit of today's widest models.
  static constexpr int64_t kOutputTokensAssumed = 128'000;

  // `overrides` go first. Both are copied.
  explicit PriceTable(std::span<const PriceConfig> overrides,
                      std::span<const PriceConfig> builtin = builtin_prices());
  PriceTable(const PriceTable&) = delete;
  PriceTable& operator=(const PriceTable&) = delete;

  // Never null; !priced() for an unknown model. A look-up costs some hash probes,
  // and for an unknown name a walk over the patterns; callers keep the pointer
  // with their route. It must not outlive the table.
  std::shared_ptr<const ModelPrice> find(std::string_view model) const;

  Cost cost(const Usage& usage, std::string_view model, std::string_view service_tier) const {
    return find(model)->cost(usage, service_tier);
  }

  // The table that is part of the program: src/gateway/prices.yaml.
  static std::span<const PriceConfig> builtin_prices();

 private:
  using Rows = std::vector<const PriceConfig*>;
  struct Entries {
    std::vector<PriceConfig> rows;
    std::unordered_map<std::string, Rows> exact;
    std::vector<std::pair<std::string, Rows>> patterns;  // the most specific first
  };
  static void index(Entries& entries);
  // `names`: the model's own and the plainer ones, in order.
  static const Rows* match(const Entries& entries, std::span<const std::string> names);

  Entries overrides_, builtin_;
};

// Reads a table in the form of prices.yaml (described at its head). Errors carry
// `file`, line and column.
Result<std::vector<PriceConfig>> parse_prices(std::string_view yaml, std::string_view file);

}  // namespace gatehouse::gateway

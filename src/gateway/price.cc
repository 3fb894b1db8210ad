#include "gateway/price.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/text.h"

namespace gatehouse::gateway {

namespace {

constexpr int64_t kMost = std::numeric_limits<int64_t>::max();

int64_t add(int64_t a, int64_t b) {
  int64_t sum;
  return __builtin_add_overflow(a, b, &sum) ? kMost : sum;
}

int64_t multiply(int64_t a, int64_t b) {
  int64_t product;
  return __builtin_mul_overflow(a, b, &product) ? kMost : product;
}

int64_t price_or(int64_t price, int64_t plain) { return price < 0 ? plain : price; }

bool is_digits(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// Without what providers add to a name: a snapshot's date in its forms, a
// version of Bedrock ("-v1:0"), "-latest".
std::string_view without_snapshot(std::string_view name) {
  if (const size_t at = name.find('@'); at != std::string_view::npos) name = name.substr(0, at);
  if (const size_t at = name.rfind("-v"); at != std::string_view::npos) {
    const std::string_view version = name.substr(at + 2);
    const size_t colon = version.find(':');
    if (colon != std::string_view::npos && is_digits(version.substr(0, colon)) &&
        is_digits(version.substr(colon + 1))) {
      name = name.substr(0, at);
    }
  }
  if (name.ends_with("-latest")) return name.substr(0, name.size() - 7);
  const size_t size = name.size();
  if (size > 11 && name[size - 11] == '-' && name[size - 6] == '-' && name[size - 3] == '-' &&
      is_digits(name.substr(size - 10, 4)) && is_digits(name.substr(size - 5, 2)) &&
      is_digits(name.substr(size - 2))) {
    return name.substr(0, size - 11);  // -2024-11-20
  }
  if (const size_t dash = name.rfind('-'); dash != std::string_view::npos && dash > 0) {
    const std::string_view last = name.substr(dash + 1);
    if (is_digits(last) && (last.size() == 8 || last.size() == 4 || last.size() == 3)) {
      return name.substr(0, dash);  // -20250929, -0613, -001
    }
  }
  return name;
}

// "openai/gpt-4o", "bedrock/us.anthropic.claude-…": the part that names the model.
std::string_view without_provider(std::string_view name) {
  if (const size_t slash = name.rfind('/'); slash != std::string_view::npos) {
    name.remove_prefix(slash + 1);
  }
  for (const std::string_view vendor :
       {"anthropic.", "meta.", "mistral.", "deepseek.", "cohere."}) {
    if (const size_t at = name.find(vendor); at == 0 || at == 3 || at == 5 || at == 7) {
      // At the front, or behind a region: "us.", "apac.", "global.".
      if (at == 0 || name[at - 1] == '.') return name.substr(at + vendor.size());
    }
  }
  return name;
}

// The model's name and its plainer forms, the most particular first.
std::vector<std::string> names_of(std::string_view model) {
  std::vector<std::string> out;
  auto push = [&out](std::string_view name) {
    std::string lower = to_lower(name);
    if (!lower.empty() && std::find(out.begin(), out.end(), lower) == out.end()) {
      out.push_back(std::move(lower));
    }
  };
  const std::string_view plain = without_provider(model);
  push(model);
  push(plain);
  push(without_snapshot(model));
  push(without_snapshot(plain));
  return out;
}

// Whether an entry of `own` tier holds for a call of `tier`. Providers call the
// usual one by several names.
bool tier_holds(std::string_view own, std::string_view tier) {
  return own.empty() || own == tier || (own == "priority" && tier == "fast");
}

// Prices for what a model counts, of the dearest kind.
int64_t dearest_input(const PriceConfig& p) {
  return std::max({p.input, p.cached_input, p.cache_write, p.audio_input});
}
int64_t dearest_output(const PriceConfig& p) {
  return std::max({p.output, p.reasoning, p.audio_output});
}

}  // namespace

const PriceConfig* ModelPrice::choose(std::string_view tier, int64_t input_tokens) const {
  auto best_of = [&](size_t begin, size_t end) {
    const PriceConfig* best = nullptr;
    for (size_t i = begin; i < end; ++i) {
      const PriceConfig* entry = entries_[i];
      if (!tier_holds(entry->tier, tier)) continue;
      if (entry->above_input_tokens > 0 && input_tokens <= entry->above_input_tokens) continue;
      if (best == nullptr || (best->tier.empty() && !entry->tier.empty()) ||
          (best->tier.empty() == entry->tier.empty() &&
           entry->above_input_tokens > best->above_input_tokens)) {
        best = entry;
      }
    }
    return best;
  };
  const PriceConfig* own = best_of(0, overrides_);
  return own != nullptr ? own : best_of(overrides_, entries_.size());
}

Cost ModelPrice::cost(const Usage& usage, std::string_view service_tier) const {
  const PriceConfig* price = choose(service_tier, usage.input_tokens);
  if (price == nullptr) return {};
  const int64_t plain_input =
      std::max<int64_t>(0, usage.input_tokens - usage.cached_input_tokens -
                               usage.cache_write_tokens - usage.audio_input_tokens);
  const int64_t plain_output = std::max<int64_t>(
      0, usage.output_tokens - usage.reasoning_tokens - usage.audio_output_tokens);
  int64_t total = price->request;
  auto charge = [&total](int64_t count, int64_t each) {
    total = add(total, multiply(count, each));
  };
  charge(plain_input, price->input);
  charge(usage.cached_input_tokens, price_or(price->cached_input, price->input));
  charge(usage.cache_write_tokens, price_or(price->cache_write, price->input));
  charge(usage.audio_input_tokens, price_or(price->audio_input, price->input));
  charge(plain_output, price->output);
  charge(usage.reasoning_tokens, price_or(price->reasoning, price->output));
  charge(usage.audio_output_tokens, price_or(price->audio_output, price->output));
  charge(usage.images, price->image);
  if (usage.audio_seconds > 0 && price->audio_second > 0) {
    // Milliseconds, so that the product stays whole.
    const auto ms = static_cast<int64_t>(std::ceil(usage.audio_seconds * 1000));
    const int64_t product = multiply(ms, price->audio_second);
    total = add(total, product / 1000 + (product % 1000 > 0 ? 1 : 0));
  }
  return {total, true};
}

int64_t ModelPrice::output_tokens_max() const {
  for (const PriceConfig* entry : entries_) {
    if (entry->output_tokens_max > 0) return entry->output_tokens_max;
  }
  return PriceTable::kOutputTokensAssumed;
}

int64_t ModelPrice::upper_bound(size_t prompt_bytes, int64_t output_tokens_max_asked,
                                int64_t choices, std::string_view service_tier) const {
  // An audio file has at least a thousand bytes a second (8 kbit/s).
  constexpr int64_t kAudioBytesASecond = 1000;
  const auto input = static_cast<int64_t>(prompt_bytes);
  const int64_t output =
      multiply(output_tokens_max_asked > 0 ? output_tokens_max_asked : output_tokens_max(),
               std::max<int64_t>(1, choices));
  // Every input length up to the whole prompt is possible: each step of context
  // is tried by itself. "auto" leaves the tier to the provider.
  int64_t most = 0;
  auto consider = [&](const PriceConfig& price) {
    int64_t total = add(price.request, multiply(input, dearest_input(price)));
    total = add(total, multiply(output, dearest_output(price)));
    total = add(total, multiply(std::max<int64_t>(1, choices), price.image));
    total = add(total, multiply(input / kAudioBytesASecond + 1, price.audio_second));
    most = std::max(most, total);
  };
  for (const PriceConfig* step : entries_) {
    if (step->above_input_tokens > 0 && input <= step->above_input_tokens) continue;
    const int64_t at = step->above_input_tokens + (step->above_input_tokens > 0 ? 1 : 0);
    if (service_tier == "auto") {
      if (const PriceConfig* other = choose(step->tier, at)) consider(*other);
    }
    if (const PriceConfig* own = choose(service_tier, at)) consider(*own);
  }
  return most;
}

PriceTable::PriceTable(std::span<const PriceConfig> overrides,
                       std::span<const PriceConfig> builtin) {
  overrides_.rows.assign(overrides.begin(), overrides.end());
  builtin_.rows.assign(builtin.begin(), builtin.end());
  index(overrides_);
  index(builtin_);
}

void PriceTable::index(Entries& entries) {
  for (const PriceConfig& row : entries.rows) {
    std::string model = to_lower(row.model);
    if (model.find('*') == std::string::npos) {
      entries.exact[std::move(model)].push_back(&row);
      continue;
    }
    const auto at = std::find_if(entries.patterns.begin(), entries.patterns.end(),
                                 [&](const auto& known) { return known.first == model; });
    if (at != entries.patterns.end()) {
      at->second.push_back(&row);
    } else {
      entries.patterns.emplace_back(std::move(model), Rows{&row});
    }
  }
  auto literals = [](const std::string& pattern) {
    return std::count_if(pattern.begin(), pattern.end(), [](char c) { return c != '*'; });
  };
  std::stable_sort(
      entries.patterns.begin(), entries.patterns.end(),
      [&](const auto& a, const auto& b) { return literals(a.first) > literals(b.first); });
}

const PriceTable::Rows* PriceTable::match(const Entries& entries,
                                          std::span<const std::string> names) {
  for (const std::string& name : names) {
    if (const auto at = entries.exact.find(name); at != entries.exact.end()) return &at->second;
  }
  for (const std::string& name : names) {
    for (const auto& [pattern, rows] : entries.patterns) {
      if (glob_match(pattern, name)) return &rows;
    }
  }
  return nullptr;
}

std::shared_ptr<const ModelPrice> PriceTable::find(std::string_view model) const {
  auto out = std::make_shared<ModelPrice>();
  const std::vector<std::string> names = names_of(model);
  if (const Rows* rows = match(overrides_, names)) out->entries_ = *rows;
  out->overrides_ = out->entries_.size();
  if (const Rows* rows = match(builtin_, names)) {
    out->entries_.insert(out->entries_.end(), rows->begin(), rows->end());
  }
  return out;
}

}  // namespace gatehouse::gateway

#include "gateway/price.h"

#include <gtest/gtest.h>

#include <set>

#include "base/case_file_for_test.h"
#include "base/random.h"

namespace gatehouse::gateway {
namespace {

class CostDriver : public CaseDriver {
 public:
  std::string run(const Step& step) override {
    const std::string model = step.words.at(0);
    if (step.verb == "price") {
      PriceConfig price;
      price.model = model;
      price.tier = step.text("tier");
      price.above_input_tokens = step.integer("above");
      price.input = step.integer("input");
      price.cached_input = step.integer("cached", -1);
      price.cache_write = step.integer("written", -1);
      price.output = step.integer("output");
      price.reasoning = step.integer("reasoning", -1);
      price.audio_input = step.integer("audio_in", -1);
      price.audio_output = step.integer("audio_out", -1);
      price.image = step.integer("image");
      price.audio_second = step.integer("second");
      price.request = step.integer("request");
      price.output_tokens_max = step.integer("output_max");
      overrides_.push_back(price);
      return "";
    }
    const PriceTable table(overrides_);
    if (step.verb == "cost") {
      Usage usage;
      usage.input_tokens = step.integer("input");
      usage.cached_input_tokens = step.integer("cached");
      usage.cache_write_tokens = step.integer("written");
      usage.audio_input_tokens = step.integer("audio_in");
      usage.output_tokens = step.integer("output");
      usage.reasoning_tokens = step.integer("reasoning");
      usage.audio_output_tokens = step.integer("audio_out");
      usage.images = step.integer("images");
      usage.audio_seconds = step.number("seconds");
      const Cost cost = table.cost(usage, model, step.text("tier"));
      return cost.priced ? std::to_string(cost.nanodollars) : "unpriced";
    }
    if (step.verb == "bound") {
      return std::to_string(table.find(model)->upper_bound(
          static_cast<size_t>(step.integer("bytes")), step.integer("output"), step.integer("n", 1),
          step.text("tier")));
    }
    return "unknown step";
  }

 private:
  std::vector<PriceConfig> overrides_;
};

TEST(Price, Cases) {
  run_case_folder("test/gateway/cost", [] { return std::make_unique<CostDriver>(); });
}

TEST(Price, BuiltInTableIsSound) {
  std::set<std::string> models;
  std::set<std::string> seen;
  for (const PriceConfig& row : PriceTable::builtin_prices()) {
    models.insert(row.model);
    EXPECT_TRUE(
        seen.insert(row.model + "|" + row.tier + "|" + std::to_string(row.above_input_tokens))
            .second)
        << row.model << " is priced twice";
    EXPECT_LE(row.cached_input, row.input) << row.model;
    EXPECT_GE(row.output_tokens_max, 0);
  }
  EXPECT_GE(models.size(), 120u);
}

TEST(Price, NoCallCostsMoreThanItsBound) {
  const PriceTable table({});
  Random random(11);
  for (const PriceConfig& row : PriceTable::builtin_prices()) {
    const auto price = table.find(row.model);
    for (int i = 0; i < 50; ++i) {
      const size_t bytes = random.below(1'000'000) + 1;
      const auto output_max = static_cast<int64_t>(random.below(10'000)) + 1;
      Usage usage;
      usage.input_tokens = static_cast<int64_t>(random.below(bytes + 1));
      usage.cached_input_tokens =
          static_cast<int64_t>(random.below(static_cast<uint64_t>(usage.input_tokens) + 1));
      usage.cache_write_tokens = usage.input_tokens - usage.cached_input_tokens;
      usage.output_tokens =
          static_cast<int64_t>(random.below(static_cast<uint64_t>(output_max) + 1));
      usage.reasoning_tokens = usage.output_tokens / 2;
      EXPECT_LE(price->cost(usage, row.tier).nanodollars,
                price->upper_bound(bytes, output_max, 1, row.tier))
          << row.model << " " << row.tier;
    }
  }
}

TEST(Price, MistakesInAFileArePointedAt) {
  for (const auto& [yaml, where] : std::vector<std::pair<std::string, std::string>>{
           {"prices:\n  - models: [a]\n    inputs: 1\n", "p.yaml:3:5"},
           {"prices:\n  - models: [a]\n    input: -1\n", "p.yaml:3:12"},
           {"prices:\n  - models: [a]\n    input: x\n", "p.yaml:3:12"},
           {"prices:\n  - input: 1\n", "p.yaml:2:5"},
           {"prices:\n  - models: [a]\n    input: 1\n    also:\n      - {input: 2}\n",
            "p.yaml:5:9"},
           {"prices: 3\n", "p.yaml:1:1"},
           {"prices:\n  - models: [a]\n    input: 1\n    input: 2\n", "p.yaml:4"}}) {
    const auto read = parse_prices(yaml, "p.yaml");
    ASSERT_FALSE(read.ok()) << yaml;
    EXPECT_EQ(read.status().message().rfind(where, 0), 0u) << read.status().message();
  }
}

}  // namespace
}  // namespace gatehouse::gateway

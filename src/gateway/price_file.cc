// The price table's file: read from YAML, and the built-in one embedded in the
// program by the assembler (.incbin), so that it needs no file beside it.
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "gateway/price.h"
#include "wire/yaml.h"

__asm__(
    ".pushsection .rodata\n"
    ".globl gatehouse_prices_begin\n"
    "gatehouse_prices_begin:\n"
    ".incbin \"" GATEHOUSE_PRICES_FILE
    "\"\n"
    ".globl gatehouse_prices_end\n"
    "gatehouse_prices_end:\n"
    ".popsection\n");

extern "C" {
extern const char gatehouse_prices_begin[];
extern const char gatehouse_prices_end[];
}

namespace gatehouse::gateway {

namespace {

class Reader {
 public:
  explicit Reader(std::string_view file) : file_(file) {}

  Result<std::vector<PriceConfig>> read(const wire::YamlNode& root) {
    const wire::YamlNode* list = root.is_mapping() ? root.get("prices") : nullptr;
    if (list == nullptr || !list->is_sequence() || root.entries.size() != 1) {
      return wrong(root, "expected one key, 'prices', with a list");
    }
    for (const wire::YamlNode* item : list->items) RETURN_IF_ERROR(read_item(*item));
    return std::move(out_);
  }

 private:
  Status wrong(const wire::YamlNode& at, const std::string& what) const {
    return invalid_argument(file_ + ":" + std::to_string(at.mark.line) + ":" +
                            std::to_string(at.mark.column) + ": " + what);
  }

  Status read_item(const wire::YamlNode& item) {
    if (!item.is_mapping()) return wrong(item, "expected an entry with 'models' and prices");
    const wire::YamlNode* models = item.get("models");
    if (models == nullptr || !models->is_sequence() || models->items.empty()) {
      return wrong(item, "an entry needs 'models', a list of names or patterns");
    }
    PriceConfig plain;
    RETURN_IF_ERROR(read_prices(item, plain, true));
    std::vector<PriceConfig> rows = {plain};
    if (const wire::YamlNode* also = item.get("also")) {
      if (!also->is_sequence()) return wrong(*also, "'also' is a list");
      for (const wire::YamlNode* other : also->items) {
        if (!other->is_mapping()) return wrong(*other, "expected prices");
        PriceConfig row;
        row.output_tokens_max = plain.output_tokens_max;
        RETURN_IF_ERROR(read_prices(*other, row, false));
        if (row.tier.empty() && row.above_input_tokens == 0) {
          return wrong(*other, "other prices need a 'tier' or 'above_input_tokens'");
        }
        rows.push_back(row);
      }
    }
    for (const wire::YamlNode* model : models->items) {
      if (!model->is_string() || model->value.empty()) return wrong(*model, "expected a name");
      for (PriceConfig row : rows) {
        row.model = model->value;
        out_.push_back(std::move(row));
      }
    }
    return {};
  }

  Status read_prices(const wire::YamlNode& node, PriceConfig& out, bool outer) {
    for (const wire::YamlEntry& entry : node.entries) {
      const std::string& key = entry.key->value;
      const wire::YamlNode& value = *entry.value;
      if (outer && (key == "models" || key == "also")) continue;
      if (key == "tier") {
        if (!value.is_string()) return wrong(value, "'tier' is a name");
        out.tier = value.value;
        continue;
      }
      if (key == "above_input_tokens" || key == "output_tokens_max") {
        const auto count = value.integer();
        if (!count || *count <= 0) return wrong(value, "'" + key + "' is a number above 0");
        (key == "output_tokens_max" ? out.output_tokens_max : out.above_input_tokens) = *count;
        continue;
      }
      int64_t* const price = field(out, key);
      if (price == nullptr) return wrong(*entry.key, "unknown key '" + key + "'");
      // $10,000 a million tokens: far beyond any price, far below an overflow.
      const auto dollars = value.number();
      if (!dollars || !(*dollars >= 0) || *dollars > 10'000) {
        return wrong(value, "'" + key + "' is a number of dollars from 0 to 10000");
      }
      const bool each = key == "image" || key == "audio_second" || key == "request";
      const double nano = *dollars * (each ? 1e9 : 1e3);
      *price = static_cast<int64_t>(std::ceil(nano - 1e-6));  // 1e-6: 0.15 × 1000 is 150
    }
    return {};
  }

  static int64_t* field(PriceConfig& out, std::string_view key) {
    if (key == "input") return &out.input;
    if (key == "cached_input") return &out.cached_input;
    if (key == "cache_write") return &out.cache_write;
    if (key == "output") return &out.output;
    if (key == "reasoning") return &out.reasoning;
    if (key == "audio_input") return &out.audio_input;
    if (key == "audio_output") return &out.audio_output;
    if (key == "image") return &out.image;
    if (key == "audio_second") return &out.audio_second;
    if (key == "request") return &out.request;
    return nullptr;
  }

  std::string file_;
  std::vector<PriceConfig> out_;
};

}  // namespace

Result<std::vector<PriceConfig>> parse_prices(std::string_view yaml, std::string_view file) {
  wire::YamlOptions options;
  options.name = file;
  ASSIGN_OR_RETURN(const wire::YamlStream stream, wire::parse_yaml(yaml, options));
  if (stream.documents().size() != 1) {
    return invalid_argument(std::string(file) + ": expected one document");
  }
  return Reader(file).read(*stream.documents()[0]);
}

std::span<const PriceConfig> PriceTable::builtin_prices() {
  static const std::vector<PriceConfig> prices = [] {
    const std::string_view text(gatehouse_prices_begin,
                                static_cast<size_t>(gatehouse_prices_end - gatehouse_prices_begin));
    auto parsed = parse_prices(text, "prices.yaml");
    if (!parsed.ok()) {  // a test reads this very table
      std::fprintf(stderr, "%s\n", parsed.status().message().c_str());
      std::abort();
    }
    return std::move(*parsed);
  }();
  return prices;
}

}  // namespace gatehouse::gateway

// Any text is read or refused with a place; every walk over what was read ends
// within the bound that the reader promises.
#include "wire/yaml.h"

#include <cstdlib>
#include <string>

using namespace gatehouse::wire;  // NOLINT: a program of one file

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

uint64_t walk(const YamlNode& node, uint32_t depth) {
  require(depth <= 65 && node.mark.line >= 1 && node.mark.column >= 1);
  uint64_t seen = 1;
  require(node.is_null() + node.boolean().has_value() + node.number().has_value() +
              node.is_string() ==
          (node.is_scalar() ? 1 : 0));
  for (const YamlNode* item : node.items) seen += walk(*item, depth + 1);
  for (const auto& [key, value] : node.entries) {
    seen += walk(*key, depth + 1) + walk(*value, depth + 1);
  }
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  YamlOptions options;
  options.name = "f";
  options.nodes_max = 10'000;
  const std::string text(reinterpret_cast<const char*>(bytes), size);
  const auto stream = parse_yaml(text, options);
  if (!stream.ok()) {
    require(stream.status().message().starts_with("f:"));
    return 0;
  }
  uint64_t seen = 0;
  for (const YamlNode* document : stream->documents()) seen += walk(*document, 0);
  require(seen <= 2 * options.nodes_max);
  return 0;
}

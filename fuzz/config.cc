// Any text gives a configuration or problems that name their place, and a
// configuration equals itself.
#include "app/config.h"

#include <cstdlib>
#include <string>

using namespace gatehouse::app;  // NOLINT: a program of one file

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string text(reinterpret_cast<const char*>(bytes), size);
  // Nothing on this machine may be opened, devices least of all.
  if (text.find("file:") != std::string::npos) return 0;
  // Only a text without the secret can be blamed for one that repeats it.
  if (text.find("s3cr3t-value") != std::string::npos) return 0;
  const Environment environment = [](const std::string& name) -> std::optional<std::string> {
    if (name == "SET") return "s3cr3t-value";
    return std::nullopt;
  };
  const LoadedConfig loaded = parse_config(text, "f", environment);
  require(loaded.config.has_value() == loaded.problems.empty());
  require(loaded.problems.size() <= 50);
  for (const std::string& problem : loaded.problems) {
    require(problem.starts_with("f:") && problem.find("s3cr3t-value") == std::string::npos);
  }
  if (loaded.config) require(changed_keys(*loaded.config, *loaded.config).empty());
  return 0;
}

// Queries: nothing crashes, what parses is printed so that it parses to the same
// again, and durations come to something or to an error.
#include "fuzz.h"
#include "lang/promql/duration.h"
#include "lang/promql/parser.h"
#include "lang/promql/printer.h"

using namespace gatehouse;          // NOLINT: a program of one file
using namespace gatehouse::promql;  // NOLINT
using fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view text = fuzz::text_of(bytes, size);
  (void)parse_metric(text).ok();
  (void)parse_duration_ms(text).ok();
  (void)parse_selector(text).ok();
  ParseOptions options;
  options.experimental_functions = true;
  auto expr = parse(text, options);
  if (!expr.ok()) {
    require(!expr.status().message().empty(), "an error says something");
    return 0;
  }
  require((*expr)->depth <= kNestingMax, "trees are bounded");
  require((*expr)->position.end <= text.size(), "positions are within the text");
  const std::string line = to_text(**expr);
  const auto again = parse(line, options);
  require(again.ok(), "what is printed parses");
  require(to_text(**again) == line, "printing is stable");
  const auto pretty = parse(to_pretty_text(**expr), options);
  require(pretty.ok() && to_text(**pretty) == line, "pretty printing says the same");
  (void)resolve_durations(**expr, {15'000, 3'600'000}).ok();
  return 0;
}

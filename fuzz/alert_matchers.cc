// Matchers of any bytes, in both grammars: what is read is written so that it reads the same,
// and matching runs over labels without harm.
#include <algorithm>

#include "alerts/matchers.h"
#include "base/text.h"
#include "fuzz.h"

using namespace gatehouse;          // NOLINT: a program of one file
using namespace gatehouse::alerts;  // NOLINT

namespace {

void check(const Result<Matchers>& matchers) {
  if (!matchers.ok()) {
    fuzz::require(!matchers.status().message().empty(), "a refusal says why");
    return;
  }
  const model::Labels labels{{"alertname", "x"}, {"a", "b"}, {"severity", "page"}};
  (void)matches_all(*matchers, labels);
  const std::string text = matchers_text(*matchers);
  for (const model::Matcher& matcher : *matchers) {
    // Names of bytes that are no UTF-8 are written, and refused when they are read.
    (void)matcher_text(matcher);
  }
  const auto again = parse_utf8_matchers(text);
  if (again.ok()) fuzz::require(matchers_text(*again) == text, "what is written reads the same");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text = fuzz::text_of(bytes, size);
  check(parse_classic_matchers(text));
  const auto newer = parse_utf8_matchers(text);
  check(newer);
  // Alertmanager takes a bare name of bytes that are no UTF-8, and an empty one in quotes; it
  // does not read them as it writes them.
  const auto named = [](const model::Matcher& matcher) { return !matcher.name().empty(); };
  if (newer.ok() && valid_utf8(text) && std::all_of(newer->begin(), newer->end(), named)) {
    fuzz::require(parse_utf8_matchers(matchers_text(*newer)).ok(), "what is read can be written");
  }
  std::string notice;
  check(parse_matchers(text, &notice));
  (void)parse_matcher(text, &notice);
  return 0;
}

// Templates: nothing crashes, parsing and both ways of executing come to an end within small
// bounds, and what HTML mode prints of a hostile text holds no tag of its own.
#include "fuzz.h"
#include "lang/gotemplate/functions.h"
#include "lang/gotemplate/template.h"

using namespace gatehouse;              // NOLINT: a program of one file
using namespace gatehouse::gotemplate;  // NOLINT
using fuzz::require;

namespace {

Value data() {
  const Map labels{{"job", Value("api")}, {"instance", Value("<x onerror=\"1\">'&\\")}};
  return Value(Map{{"Labels", Value(labels)},
                   {"Value", Value(1234.5)},
                   {"Alerts", Value(List{Value(labels), Value(labels)})},
                   {"n", Value(42)},
                   {"t", Value(Time{1'770'000'000'500'000'000, ""})},
                   {"d", Value(Duration{5'400'000'000'000})},
                   {"nil", Value()},
                   {"s", Value("<fuzzed>")}});
}

std::shared_ptr<const Functions> functions() {
  Functions all = *alertmanager_functions([] { return int64_t{0}; });
  const auto rules = prometheus_functions({});
  all.insert(rules->begin(), rules->end());
  return std::make_shared<const Functions>(std::move(all));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string_view text = fuzz::text_of(bytes, size);
  static const auto all = functions();
  static const Value value = data();
  Limits limits;
  limits.steps_max = 2'000;
  limits.output_bytes_max = 64 << 10;
  for (const Escape escape : {Escape::kText, Escape::kHtml}) {
    Templates templates(all, {escape, MissingKey::kDefault});
    if (const Status status = templates.parse("t", text); !status.ok()) {
      require(!status.message().empty(), "an error says something");
      break;
    }
    const auto out = templates.execute("t", value, limits);
    require(out.ok() || !out.status().message().empty(), "an error says something");
    require(!out.ok() || out->size() <= limits.output_bytes_max, "the output is bounded");
    // Only safeHtml and its like let a tag through that the template does not write.
    if (out.ok() && escape == Escape::kHtml && text.find("safe") == std::string_view::npos &&
        text.find("tmpl") == std::string_view::npos &&
        text.find("fuzzed") == std::string_view::npos) {
      require(out->find("<fuzzed>") == std::string::npos, "text stays text");
    }
  }
  return 0;
}

// The test scripts of PromQL (the language of Prometheus's promqltest): load series,
// evaluate a query, compare what comes out. parse_script() reads one; script_run.h
// runs it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "lang/promql/series_notation.h"
#include "model/matcher.h"

namespace gatehouse::promql {

struct ClearCommand {};

struct LoadCommand {
  struct Series {
    NotedSeries noted;
    std::vector<std::optional<int64_t>> start_offsets_ms;  // one a value, or none at all
  };
  int line = 0;
  int64_t step_ms = 0;
  // Classic histograms are also loaded as native ones with custom buckets.
  bool with_custom_buckets = false;
  std::vector<Series> series;
};

// "expect warn msg: text", "expect fail regex: pattern", "expect info": any text.
struct TextExpectation {
  std::optional<std::string> text;
  std::optional<model::Matcher> pattern;
  bool matches(std::string_view actual) const;
  std::string to_string() const;
};

// The moments that the values of a range vector are expected at, in an instant query.
struct ExpectedMoments {
  int64_t begin_ms = 0;
  int64_t end_ms = 0;
  int64_t step_ms = 0;
};

struct EvalCommand {
  int line = 0;
  std::string query;
  bool range = false;
  int64_t begin_ms = 0;  // of an instant query: its time
  int64_t end_ms = 0;
  int64_t step_ms = 0;

  std::optional<TextExpectation> fail;
  std::vector<TextExpectation> warnings;
  std::vector<TextExpectation> infos;
  bool any_warning = false;  // eval_warn and eval_info: at least one, whatever it says
  bool any_info = false;
  bool no_warning = false;
  bool no_info = false;
  bool ordered = false;

  std::optional<double> scalar;
  std::optional<std::string> string;
  std::optional<ExpectedMoments> range_vector;
  std::vector<NotedSeries> series;
};

using ScriptCommand = std::variant<ClearCommand, LoadCommand, EvalCommand>;

// kInvalidArgument: "line N: what is wrong". A query that does not parse is no error
// of the script: it fails when it is run.
Result<std::vector<ScriptCommand>> parse_script(std::string_view text);

}  // namespace gatehouse::promql

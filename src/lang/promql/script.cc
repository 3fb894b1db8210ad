#include "lang/promql/script.h"

#include <algorithm>

#include "base/text.h"
#include "lang/promql/literal.h"
#include "lang/promql/parser.h"

namespace gatehouse::promql {
namespace {

std::string_view trimmed_line(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  line = trim(line);
  return line.starts_with('#') ? std::string_view() : line;
}

// Takes the first word off the front.
std::string_view take_word(std::string_view& text) {
  text = trim(text);
  const size_t end = std::min(text.find_first_of(" \t"), text.size());
  const std::string_view word = text.substr(0, end);
  text = trim(text.substr(end));
  return word;
}

Result<TextExpectation> any_or_matching(std::string_view text) {
  TextExpectation expectation;
  if (text.empty()) return expectation;
  const size_t colon = text.find(':');
  const std::string_view kind = trim(text.substr(0, colon));
  if (colon == std::string_view::npos || (kind != "msg" && kind != "regex")) {
    return invalid_argument("invalid expect statement: " + quote(text));
  }
  const std::string wanted(trim(text.substr(colon + 1)));
  if (kind == "msg") {
    expectation.text = wanted;
    return expectation;
  }
  // Anywhere in the text: a matcher's pattern has to match the whole.
  auto pattern =
      model::Matcher::create(model::Matcher::Op::kRegex, "text", ".*(?:" + wanted + ").*");
  if (!pattern.ok()) return pattern.status();
  expectation.pattern = std::move(*pattern);
  return expectation;
}

class ScriptParser {
 public:
  explicit ScriptParser(std::string_view text) {
    for (const std::string_view line : split(text, '\n')) lines_.push_back(trimmed_line(line));
  }

  Result<std::vector<ScriptCommand>> parse() {
    std::vector<ScriptCommand> commands;
    for (at_ = 0; at_ < lines_.size(); ++at_) {
      if (lines_[at_].empty()) continue;
      auto command = parse_command();
      if (!command.ok()) {
        return command.status().with_context("line " + std::to_string(at_ + 1));
      }
      commands.push_back(std::move(*command));
    }
    return commands;
  }

 private:
  Result<ScriptCommand> parse_command() {
    std::string_view rest = lines_[at_];
    const std::string word = to_lower(take_word(rest));
    if (word == "clear") return ScriptCommand(ClearCommand());
    if (word == "load" || word == "load_with_nhcb") return parse_load(word != "load", rest);
    if (word.starts_with("eval")) return parse_eval(word, rest);
    return invalid_argument("invalid command " + quote(lines_[at_]));
  }

  // The lines of a command end at an empty one, or one with a comment.
  bool next_line() {
    if (at_ + 1 >= lines_.size() || lines_[at_ + 1].empty()) return false;
    ++at_;
    return true;
  }
  int line_number() const { return static_cast<int>(at_) + 1; }

  // --- load.

  Result<ScriptCommand> parse_load(bool with_custom_buckets, std::string_view step) {
    LoadCommand load;
    load.line = line_number();
    load.with_custom_buckets = with_custom_buckets;
    ASSIGN_OR_RETURN(load.step_ms, parse_unit_duration_ms(step));
    std::vector<std::optional<int64_t>> default_starts;
    std::optional<LoadCommand::Series> starts;  // awaits the series it belongs to
    while (next_line()) {
      const std::string_view line = lines_[at_];
      if (const size_t mark = start_mark(line); mark != std::string_view::npos) {
        if (starts) return invalid_argument("a @st line without a line of samples before it");
        ASSIGN_OR_RETURN(auto offsets, parse_start_offsets(line.substr(mark + 3)));
        if (mark == 0) {
          default_starts = std::move(offsets);
          continue;
        }
        starts.emplace();
        ASSIGN_OR_RETURN(starts->noted.labels, parse_metric(line.substr(0, mark)));
        starts->start_offsets_ms = std::move(offsets);
        continue;
      }
      LoadCommand::Series series;
      ASSIGN_OR_RETURN(series.noted, parse_noted_series(line));
      RETURN_IF_ERROR(give_starts(series, starts, default_starts));
      // A series that is given twice is the later one.
      std::erase_if(load.series, [&series](const LoadCommand::Series& each) {
        return each.noted.labels == series.noted.labels;
      });
      load.series.push_back(std::move(series));
    }
    if (starts) return invalid_argument("a @st line without a line of samples behind it");
    return ScriptCommand(std::move(load));
  }

  // Where "@st" follows the metric at once; npos: this is no line of start times.
  static size_t start_mark(std::string_view line) {
    const size_t end = metric_end(line);
    if (end == std::string_view::npos) return end;
    const std::string_view rest = line.substr(end);
    const bool marked =
        rest.starts_with("@st") && (rest.size() == 3 || rest[3] == ' ' || rest[3] == '\t');
    return marked ? end : std::string_view::npos;
  }

  static Status give_starts(LoadCommand::Series& series, std::optional<LoadCommand::Series>& starts,
                            const std::vector<std::optional<int64_t>>& default_starts) {
    const size_t count = series.noted.values.size();
    if (starts) {
      if (starts->noted.labels != series.noted.labels) {
        return invalid_argument("the @st line before is of another metric");
      }
      if (starts->start_offsets_ms.size() != count) {
        return invalid_argument("the @st line has " +
                                std::to_string(starts->start_offsets_ms.size()) +
                                " values, its series has " + std::to_string(count));
      }
      series.start_offsets_ms = std::move(starts->start_offsets_ms);
      starts.reset();
    } else if (!default_starts.empty()) {
      for (size_t i = 0; i < count; ++i) {
        series.start_offsets_ms.push_back(default_starts[i % default_starts.size()]);
      }
    }
    return {};
  }

  // --- eval.

  Result<ScriptCommand> parse_eval(std::string_view word, std::string_view rest) {
    EvalCommand eval;
    eval.line = line_number();
    RETURN_IF_ERROR(read_variant(word, eval));
    RETURN_IF_ERROR(read_times(rest, eval));
    if (rest.empty()) return invalid_argument("the query is missing");
    eval.query = rest;
    while (next_line()) RETURN_IF_ERROR(read_expectation(lines_[at_], eval));
    RETURN_IF_ERROR(check(eval));
    return ScriptCommand(std::move(eval));
  }

  static Status read_variant(std::string_view word, EvalCommand& eval) {
    if (word == "eval_fail") {
      eval.fail.emplace();
    } else if (word == "eval_warn") {
      eval.any_warning = true;
    } else if (word == "eval_info") {
      eval.any_info = true;
    } else if (word == "eval_ordered") {
      eval.ordered = true;
    } else if (word != "eval") {
      return invalid_argument("invalid command " + quote(word));
    }
    return {};
  }

  static Status expect_word(std::string_view& rest, std::string_view wanted) {
    const std::string_view word = take_word(rest);
    if (word == wanted) return {};
    return invalid_argument("expected " + quote(wanted) + ", got " + quote(word));
  }

  static Status read_time(std::string_view& rest, std::string_view before, int64_t& ms) {
    RETURN_IF_ERROR(expect_word(rest, before));
    ASSIGN_OR_RETURN(ms, parse_unit_duration_ms(take_word(rest)));
    return {};
  }

  // "instant at 5m" or "range from 0 to 10m step 1m".
  static Status read_times(std::string_view& rest, EvalCommand& eval) {
    const std::string_view kind = take_word(rest);
    if (kind == "instant") {
      RETURN_IF_ERROR(read_time(rest, "at", eval.begin_ms));
      eval.end_ms = eval.begin_ms;
      return {};
    }
    if (kind != "range") return invalid_argument("expected \"instant\" or \"range\"");
    eval.range = true;
    RETURN_IF_ERROR(read_range(rest, eval.begin_ms, eval.end_ms, eval.step_ms));
    return {};
  }

  static Status read_range(std::string_view& rest, int64_t& begin_ms, int64_t& end_ms,
                           int64_t& step_ms) {
    RETURN_IF_ERROR(read_time(rest, "from", begin_ms));
    RETURN_IF_ERROR(read_time(rest, "to", end_ms));
    RETURN_IF_ERROR(read_time(rest, "step", step_ms));
    if (end_ms < begin_ms) return invalid_argument("the end is before the start");
    // A step of nothing is one moment.
    if (step_ms == 0 && end_ms > begin_ms) return invalid_argument("the step is zero");
    return {};
  }

  static Status read_expectation(std::string_view line, EvalCommand& eval) {
    if (eval.fail && line.starts_with("expected_fail_message")) {
      eval.fail->text = trim(line.substr(21));
      return {};
    }
    if (eval.fail && line.starts_with("expected_fail_regexp")) {
      ASSIGN_OR_RETURN(eval.fail, any_or_matching("regex:" + std::string(line.substr(20))));
      return {};
    }
    std::string_view rest = line;
    if (take_word(rest) == "expect") return read_expect(rest, eval);
    if (const auto number = parse_number(line); number.ok()) {
      eval.scalar = *number;
      return {};
    }
    ASSIGN_OR_RETURN(NotedSeries series, parse_noted_series(line));
    if (series.values.size() > 1 && !eval.range && !eval.range_vector) {
      return invalid_argument("several values in an instant evaluation");
    }
    eval.series.push_back(std::move(series));
    return {};
  }

  static Status read_expect(std::string_view rest, EvalCommand& eval) {
    const std::string_view kind = take_word(rest);
    if (kind == "range") {
      RETURN_IF_ERROR(expect_word(rest, "vector"));
      auto& moments = eval.range_vector.emplace();
      return read_range(rest, moments.begin_ms, moments.end_ms, moments.step_ms);
    }
    if (kind == "string") {
      auto text = unquote(rest);
      if (!text.ok()) return invalid_argument("expected string literal not valid");
      eval.string = std::move(*text);
      return {};
    }
    if (kind == "fail") {
      if (eval.fail) return invalid_argument("multiple expect fail lines are not allowed");
      ASSIGN_OR_RETURN(eval.fail, any_or_matching(rest));
      return {};
    }
    if (kind == "warn" || kind == "info") {
      ASSIGN_OR_RETURN(auto expectation, any_or_matching(rest));
      (kind == "warn" ? eval.warnings : eval.infos).push_back(std::move(expectation));
      return {};
    }
    if (!rest.empty()) return invalid_argument("unexpected " + quote(rest));
    if (kind == "no_warn") {
      eval.no_warning = true;
    } else if (kind == "no_info") {
      eval.no_info = true;
    } else if (kind == "ordered") {
      eval.ordered = true;
    } else {
      return invalid_argument("invalid expect statement " + quote(kind));
    }
    return {};
  }

  static Status check(const EvalCommand& eval) {
    if (!eval.infos.empty() && eval.no_info) {
      return invalid_argument("info and no_info cannot be used together");
    }
    if (!eval.warnings.empty() && eval.no_warning) {
      return invalid_argument("warn and no_warn cannot be used together");
    }
    return {};
  }

  std::vector<std::string_view> lines_;
  size_t at_ = 0;
};

}  // namespace

bool TextExpectation::matches(std::string_view actual) const {
  if (text) return *text == actual;
  return !pattern || pattern->matches(actual);
}

std::string TextExpectation::to_string() const {
  if (text) return quote(*text);
  return pattern ? "a match of " + quote(pattern->value()) : "any text";
}

Result<std::vector<ScriptCommand>> parse_script(std::string_view text) {
  return ScriptParser(text).parse();
}

}  // namespace gatehouse::promql

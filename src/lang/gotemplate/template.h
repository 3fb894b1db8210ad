// Go's text/template and html/template (pkg.go.dev/text/template, .../html/template), as
// rules, notifications and LogQL write them.
//
// A Templates is a set of named templates parsed once and executed often, from any thread.
// In HTML mode what a pipeline prints is escaped for the place it stands in, as
// html/template does. Execution is bounded in steps, depth and output: a template that
// loops or explodes ends with an error.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "lang/gotemplate/value.h"

namespace gatehouse::gotemplate {

struct Limits {
  int64_t steps_max = 1'000'000;      // nodes executed
  size_t output_bytes_max = 4 << 20;  // twice what the largest receiver takes
  int depth_max = 250;                // templates within templates; Go ends at 100,000
  int64_t deadline_steady_ms = INT64_MAX;
};

enum class Escape { kText, kHtml };
// Of a map's key that is not there: Go's "missingkey=default" prints "<no value>", which
// html/template prints as ""; "zero" as alerts' templates ask for prints "".
enum class MissingKey { kDefault, kZero, kError };

struct TemplateOptions {
  Escape escape = Escape::kText;
  MissingKey missing_key = MissingKey::kDefault;
};

class Templates {
 public:
  // `functions`: beside Go's own (and, or, not, len, index, slice, print, printf, println,
  // html, js, urlquery, call, eq, ne, lt, le, gt, ge).
  Templates(std::shared_ptr<const Functions> functions, TemplateOptions options);
  ~Templates();
  Templates(Templates&&) noexcept;
  Templates& operator=(Templates&&) noexcept;

  // Adds the template `name` and all that the text defines; of two with one name the later
  // holds. kInvalidArgument: "NAME:LINE: what is wrong", in Go's words; nothing is added.
  Status parse(std::string_view name, std::string_view text);

  // kNotFound: there is no such template. kInvalidArgument: it failed, and where.
  // kResourceExhausted, kDeadlineExceeded: it went over its limits.
  Result<std::string> execute(std::string_view name, const Value& data,
                              const Limits& limits = {}) const;
  // Executes a text as a template beside these, which it may call but does not change.
  Result<std::string> execute_text(std::string_view text, const Value& data,
                                   const Limits& limits = {}) const;
  bool has(std::string_view name) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace gatehouse::gotemplate

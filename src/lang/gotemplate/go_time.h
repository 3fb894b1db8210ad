// Times and durations as values of templates: their text, and their methods in Go
// (pkg.go.dev/time).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "lang/gotemplate/functions.h"
#include "lang/gotemplate/value.h"

namespace gatehouse::gotemplate {

// Time.String(): "2026-01-02 15:04:05.5 +0000 UTC".
std::string time_text(const Time& time);

// time.ParseDuration: "1h15m30.918s".
std::optional<Duration> parse_duration(std::string_view text);

// A method by its name; nullopt: there is none.
std::optional<Result<Value>> time_member(const Time& time, std::string_view name,
                                         std::span<const Value> arguments);
std::optional<Result<Value>> duration_member(Duration duration, std::string_view name,
                                             std::span<const Value> arguments);

}  // namespace gatehouse::gotemplate

// The program's own log: one JSON object a line on standard error.
//
//   log_info("upstream unhealthy", {{"upstream", name}, {"reason", text}});
//
// Lines are gathered and written by a thread of their own, every 20 ms or
// 64 KiB, so that a call never waits for a terminal or a pipe. When the reader
// is too slow and 4 MiB wait, lines are dropped and counted, and the count is
// logged once there is room again. Never pass a secret, a prompt or personal
// data to it.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace gatehouse {

enum class Severity { kDebug, kInfo, kWarning, kError };
std::string_view name(Severity severity);

struct LogField {
  LogField(std::string_view k, std::string_view v) : key(k), text(v), kind(kText) {}
  LogField(std::string_view k, const char* v) : key(k), text(v), kind(kText) {}
  LogField(std::string_view k, const std::string& v) : key(k), text(v), kind(kText) {}
  LogField(std::string_view k, double v) : key(k), number(v), kind(kNumber) {}
  LogField(std::string_view k, int64_t v) : key(k), integer(v), kind(kInteger) {}
  LogField(std::string_view k, uint64_t v) : LogField(k, static_cast<int64_t>(v)) {}
  LogField(std::string_view k, int v) : LogField(k, int64_t{v}) {}
  LogField(std::string_view k, bool v) : key(k), integer(v), kind(kBool) {}

  std::string_view key;
  std::string_view text;
  double number = 0;
  int64_t integer = 0;
  enum { kText, kNumber, kInteger, kBool } kind;
};

// Lines below this severity are left out. Default: info.
void set_log_severity(Severity severity);
bool log_enabled(Severity severity);

void log(Severity severity, std::string_view message, std::initializer_list<LogField> fields = {});
inline void log_debug(std::string_view message, std::initializer_list<LogField> fields = {}) {
  if (log_enabled(Severity::kDebug)) log(Severity::kDebug, message, fields);
}
inline void log_info(std::string_view message, std::initializer_list<LogField> fields = {}) {
  log(Severity::kInfo, message, fields);
}
inline void log_warning(std::string_view message, std::initializer_list<LogField> fields = {}) {
  log(Severity::kWarning, message, fields);
}
inline void log_error(std::string_view message, std::initializer_list<LogField> fields = {}) {
  log(Severity::kError, message, fields);
}

// Writes what waits. Call before the process ends.
void flush_log();

// Appends `text` to `out` as a JSON string with its quotes; bytes that are not
// UTF-8 become U+FFFD.
void append_json_string(std::string& out, std::string_view text);

}  // namespace gatehouse

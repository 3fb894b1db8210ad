// What the program knows of itself and several APIs show: filled by app, which
// owns the configuration, the listeners and the log.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"

namespace gatehouse::api {

// The configuration in force, or the one that was refused in its stead.
struct ConfigState {
  bool ok = true;
  std::string message;   // with file, line and column; empty where ok
  int64_t since_ms = 0;  // wall: when it was loaded, or refused
  // Budgets of the whole, in nanodollars; 0: none set.
  int64_t daily_budget_nanodollars = 0;
  int64_t monthly_budget_nanodollars = 0;
};

// Every function may be called from any thread and answers at once.
struct ProgramState {
  std::string version;
  int64_t started_ms = 0;  // wall
  std::function<ConfigState()> config;
  std::function<bool()> listening;
  std::function<bool()> records_ready;  // false while records are replayed after the start
  std::function<bool()> draining;
  std::function<Status()> store;  // of the log of records: ok, or its last failure
};

}  // namespace gatehouse::api

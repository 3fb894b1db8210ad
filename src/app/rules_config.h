// `rules:` of gatehouse.yaml.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gatehouse::app {

struct RulesConfig {
  std::vector<std::string> files;  // patterns
  bool ai = true;                  // the rules that come with the program
  int64_t interval_ms = 60'000;    // of groups that say none; as Prometheus
  // Groups evaluated at a time: beside one that is slow, others keep their time.
  int concurrency = 4;
};

}  // namespace gatehouse::app

// A call's Record (gateway/telemetry.h) as the contract's objects, and the
// filter that lists and live streams share. docs/api.md §4.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "api/ui/answer.h"
#include "gateway/activity.h"
#include "model/record.h"

namespace gatehouse::api {

class CallFilter {
 public:
  // The parameters `model`, `key`, `upstream`, `status`, `since`, `trace` and
  // `session`, where they are there.
  static Result<CallFilter> read(const Parameters& parameters);

  bool matches(const model::Record& record) const;
  int64_t since_ns() const { return since_ns_; }

 private:
  std::string model_, key_, upstream_, trace_, session_;
  std::optional<gateway::Outcome> outcome_;
  int status_class_ = 0;  // 4: 4xx
  int status_ = 0;
  int64_t since_ns_ = INT64_MIN;
};

// When the call ended, by its record.
int64_t ended_ns(const model::Record& record);
std::string_view model_of(const model::Record& record);

std::string call_json(const model::Record& record);
// Call with what its page shows. Without `bodies` kept texts are withheld.
std::string call_detail_json(const model::Record& record, bool bodies);

}  // namespace gatehouse::api

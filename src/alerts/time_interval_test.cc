#include "alerts/time_interval.h"

#include <gtest/gtest.h>

#include "base/case_file_for_test.h"
#include "wire/yaml.h"

namespace gatehouse::alerts {
namespace {

class IntervalDriver : public CaseDriver {
 public:
  std::string run(const Step& step) override {
    if (step.verb == "interval") {
      wire::YamlOptions options;
      options.name = "t";
      const auto yaml = wire::parse_yaml(step.rest, options);
      if (!yaml.ok()) return yaml.status().message();
      wire::ConfigLog log{"t", {}, {}};
      interval_ = read_time_interval(log, *yaml->documents().front());
      std::string out;
      for (const std::string& problem : log.problems) out += (out.empty() ? "" : "; ") + problem;
      return out;
    }
    if (step.verb == "at") {
      const auto time_ns = parse_time_ns(step.rest);
      if (!time_ns) return "not a time";
      return interval_.contains(*time_ns / 1'000'000) ? "in" : "out";
    }
    return "unknown step";
  }

 private:
  TimeInterval interval_;
};

TEST(TimeInterval, CasesGiveWhatIsExpected) {
  run_case_folder("test/alerts/time_intervals", [] { return std::make_unique<IntervalDriver>(); });
}

}  // namespace
}  // namespace gatehouse::alerts

// Unit tests of rules in promtool's format (prometheus.io/docs/prometheus/latest/
// configuration/unit_testing_rules), read strictly.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "lang/promql/series_notation.h"
#include "model/labels.h"
#include "model/native_histogram.h"

namespace gatehouse::rules {

struct ExpectedAlert {
  model::Labels labels;  // "alertname" among them
  model::Labels annotations;
};

struct AlertTest {
  int64_t eval_time_ms = 0;
  std::string alert;
  std::vector<ExpectedAlert> expected;
};

struct ExpectedSample {
  model::Labels labels;
  double value = 0;
  std::shared_ptr<const model::NativeHistogram> histogram;  // null: a float
};

struct ExpressionTest {
  std::string query;
  int64_t eval_time_ms = 0;
  std::vector<ExpectedSample> expected;
};

struct UnitTest {
  std::string name;  // may be empty
  int64_t interval_ms = 0;
  int64_t start_ms = 0;  // Unix time of the first sample and evaluation
  std::vector<promql::NotedSeries> series;
  std::vector<AlertTest> alerts;
  std::vector<ExpressionTest> expressions;
  model::Labels external_labels;
  std::string external_url;
};

struct UnitTestFile {
  std::vector<std::string> rule_files;  // patterns, resolved against the file's directory
  int64_t evaluation_interval_ms = 60'000;
  std::vector<std::string> group_eval_order;
  bool fuzzy_compare = false;
  std::vector<UnitTest> tests;
};

// The message of an error has all problems, "NAME:LINE:COLUMN: ...", a line each.
Result<UnitTestFile> read_unit_test_file(std::string_view text, const std::string& name);

}  // namespace gatehouse::rules

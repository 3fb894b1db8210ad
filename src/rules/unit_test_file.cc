#include "rules/unit_test_file.h"

#include <cmath>

#include "base/text.h"
#include "lang/promql/parser.h"
#include "wire/yaml_fields.h"

namespace gatehouse::rules {
namespace {

using wire::ConfigFields;
using wire::ConfigLog;
using wire::YamlMark;
using wire::YamlNode;

model::Labels labels_of(ConfigFields& fields, std::string_view key) {
  std::vector<model::Labels::Pair> pairs;
  fields.pairs(key, pairs);
  return model::Labels(std::move(pairs));
}

class UnitTestReader {
 public:
  explicit UnitTestReader(const std::string& name) { log_.file = name; }

  Result<UnitTestFile> read(std::string_view text) {
    wire::YamlOptions options;
    options.name = log_.file;
    ASSIGN_OR_RETURN(const wire::YamlStream yaml, wire::parse_yaml(text, options));
    if (!yaml.documents().empty() && !yaml.documents().front()->is_null()) {
      read_file_fields(*yaml.documents().front());
    }
    if (log_.problems.empty()) return std::move(out_);
    std::string message;
    for (const std::string& problem : log_.problems) {
      message += (message.empty() ? "" : "\n") + problem;
    }
    return invalid_argument(std::move(message));
  }

 private:
  void read_file_fields(const YamlNode& node) {
    ConfigFields fields(log_, node, "main.unitTestFile");
    fields.texts("rule_files", out_.rule_files);
    for (std::string& path : out_.rule_files) path = wire::resolve_path(log_.file, path);
    if (int64_t ms = 0; fields.duration("evaluation_interval", ms) && ms != 0) {
      out_.evaluation_interval_ms = ms;
    }
    fields.texts("group_eval_order", out_.group_eval_order);
    fields.boolean("fuzzy_compare", out_.fuzzy_compare);
    each(fields, "tests", [this](const YamlNode& test) { read_test(test); });
    fields.done();
  }

  template <typename Read>
  void each(ConfigFields& fields, std::string_view key, Read read) {
    const YamlNode* list = fields.take(key);
    if (!list) return;
    if (!list->is_sequence()) {
      log_.problem(list->mark, std::string(key) + ": a list is expected");
      return;
    }
    for (const YamlNode* item : list->items) read(*item);
  }

  void read_test(const YamlNode& node) {
    UnitTest test;
    test.interval_ms = out_.evaluation_interval_ms;
    ConfigFields fields(log_, node, "main.testGroup");
    fields.text("name", test.name);
    if (int64_t ms = 0; fields.duration("interval", ms) && ms != 0) test.interval_ms = ms;
    each(fields, "input_series", [&](const YamlNode& series) { read_series(series, test); });
    each(fields, "alert_rule_test", [&](const YamlNode& alert) { read_alert(alert, test); });
    each(fields, "promql_expr_test", [&](const YamlNode& expr) { read_expression(expr, test); });
    test.external_labels = labels_of(fields, "external_labels");
    fields.text("external_url", test.external_url);
    read_start(fields, test);
    fields.done();
    out_.tests.push_back(std::move(test));
  }

  // RFC 3339, or Unix seconds.
  void read_start(ConfigFields& fields, UnitTest& test) {
    std::string text;
    if (!fields.text("start_timestamp", text)) return;
    if (const auto time_ns = parse_time_ns(text)) {
      test.start_ms = *time_ns / 1'000'000;
      return;
    }
    const auto seconds = parse_double(text);
    if (!seconds || !std::isfinite(*seconds) || std::abs(*seconds) > 1e11) {
      log_.problem(fields.mark(),
                   "start_timestamp: a time such as 2026-01-02T03:04:05Z or Unix "
                   "seconds are expected, not \"" +
                       text + "\"");
      return;
    }
    test.start_ms = static_cast<int64_t>(*seconds * 1000);
  }

  void read_series(const YamlNode& node, UnitTest& test) {
    ConfigFields fields(log_, node, "main.series");
    std::string series, values;
    fields.text("series", series);
    fields.text("values", values);
    fields.done();
    auto noted = promql::parse_noted_series(series + " " + values);
    if (!noted.ok()) {
      log_.problem(node.mark, "series " + series + ": " + noted.status().message());
      return;
    }
    test.series.push_back(std::move(*noted));
  }

  void read_alert(const YamlNode& node, UnitTest& test) {
    ConfigFields fields(log_, node, "main.alertTestCase");
    AlertTest alert;
    fields.duration("eval_time", alert.eval_time_ms);
    fields.text("alertname", alert.alert);
    if (alert.alert.empty()) {
      log_.problem(node.mark,
                   "an item under alert_rule_test misses required attribute alertname at "
                   "eval_time " +
                       format_duration(alert.eval_time_ms));
    }
    each(fields, "exp_alerts", [&](const YamlNode& item) {
      ConfigFields own(log_, item, "main.alert");
      ExpectedAlert expected;
      expected.labels = labels_of(own, "exp_labels").with("alertname", alert.alert);
      expected.annotations = labels_of(own, "exp_annotations");
      own.done();
      alert.expected.push_back(std::move(expected));
    });
    fields.done();
    test.alerts.push_back(std::move(alert));
  }

  void read_expression(const YamlNode& node, UnitTest& test) {
    ConfigFields fields(log_, node, "main.promqlTestCase");
    ExpressionTest expression;
    fields.text("expr", expression.query);
    fields.duration("eval_time", expression.eval_time_ms);
    each(fields, "exp_samples", [&](const YamlNode& item) {
      if (auto sample = read_sample(item)) expression.expected.push_back(std::move(*sample));
    });
    fields.done();
    test.expressions.push_back(std::move(expression));
  }

  std::optional<ExpectedSample> read_sample(const YamlNode& node) {
    ConfigFields fields(log_, node, "main.sample");
    ExpectedSample sample;
    std::string labels, histogram;
    fields.text("labels", labels);
    fields.text("histogram", histogram);
    if (const YamlNode* value = fields.take("value")) {
      const auto number = value->is_scalar() ? value->number() : std::nullopt;
      if (!number) {
        log_.problem(value->mark, "value: a number is expected");
      }
      sample.value = number.value_or(0);
    }
    fields.done();
    const auto parsed = promql::parse_metric(labels);
    if (!parsed.ok()) {
      log_.problem(node.mark, "labels \"" + labels + "\": " + parsed.status().message());
      return std::nullopt;
    }
    sample.labels = *parsed;
    if (histogram.empty()) return sample;
    const auto noted = promql::parse_noted_series("{} " + histogram);
    if (!noted.ok() || noted->values.size() != 1 || !noted->values[0].histogram) {
      log_.problem(node.mark, "histogram: " + (noted.ok() ? "one histogram is expected"
                                                          : noted.status().message()));
      return std::nullopt;
    }
    sample.histogram = noted->values[0].histogram;
    return sample;
  }

  ConfigLog log_;
  UnitTestFile out_;
};

}  // namespace

Result<UnitTestFile> read_unit_test_file(std::string_view text, const std::string& name) {
  return UnitTestReader(name).read(text);
}

}  // namespace gatehouse::rules

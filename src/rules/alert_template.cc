#include "rules/alert_template.h"

#include "lang/promql/histogram/buckets.h"

namespace gatehouse::rules {
namespace {

using gotemplate::Map;
using gotemplate::Value;

// Variables that are easier to remember than fields, in front of every text.
constexpr std::string_view kDefinitions =
    "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}"
    "{{$externalURL := .ExternalURL}}{{$value := .Value}}";

gotemplate::TemplateOptions template_options() {
  return {gotemplate::Escape::kText, gotemplate::MissingKey::kZero};
}

std::string template_name(std::string_view alert) { return "__alert_" + std::string(alert); }

Value map_of(const model::Labels& labels) {
  Map map;
  for (const auto& [name, value] : labels.pairs()) map.emplace(name, value);
  return map;
}

Value value_of(const promql::Point& point) {
  if (point.histogram) return promql::to_text(*point.histogram);
  return point.value;
}

// The dot of an alert's templates.
class AlertData : public gotemplate::Object {
 public:
  AlertData(Value labels, Value external_labels, std::string external_url, Value value)
      : labels_(std::move(labels)),
        external_labels_(std::move(external_labels)),
        external_url_(std::move(external_url)),
        value_(std::move(value)) {}

  std::optional<Result<Value>> member(std::string_view name,
                                      std::span<const Value>) const override {
    if (name == "Labels") return Result<Value>(labels_);
    if (name == "ExternalLabels") return Result<Value>(external_labels_);
    if (name == "ExternalURL") return Result<Value>(Value(external_url_));
    if (name == "Value") return Result<Value>(value_);
    return std::nullopt;
  }
  std::string text() const override {
    return "{" + labels_.text() + " " + external_labels_.text() + " " + external_url_ + " " +
           value_.text() + "}";
  }

 private:
  Value labels_, external_labels_;
  std::string external_url_;
  Value value_;
};

}  // namespace

Status check_alert_template(std::string_view alert, std::string_view text) {
  if (text.find("{{") == std::string_view::npos) return {};
  static const auto functions = gotemplate::prometheus_functions({});
  gotemplate::Templates templates(functions, template_options());
  return templates.parse(template_name(alert), std::string(kDefinitions) + std::string(text));
}

gotemplate::Value alert_data(const promql::ResultSeries& series, const Value& external_labels,
                             const std::string& external_url) {
  const promql::Point point = series.points.empty() ? promql::Point() : series.points.front();
  return Value(std::shared_ptr<const gotemplate::Object>(std::make_shared<AlertData>(
      map_of(series.labels), external_labels, external_url, value_of(point))));
}

gotemplate::List query_list(const promql::QueryValue& value) {
  gotemplate::List list;
  const auto add = [&list](Value labels, Value number) {
    Map sample;
    sample.emplace("Labels", std::move(labels));
    sample.emplace("Value", std::move(number));
    list.push_back(std::move(sample));
  };
  if (value.type == promql::ValueType::kScalar) add(Map(), value.scalar.value);
  for (const promql::ResultSeries& series : value.series) {
    // A histogram's value is 0 here, as in Prometheus.
    if (!series.points.empty()) add(map_of(series.labels), series.points.front().value);
  }
  return list;
}

AlertTemplate::AlertTemplate(std::string_view alert, std::string text,
                             std::shared_ptr<const gotemplate::Functions> functions)
    : name_(template_name(alert)), text_(std::move(text)) {
  if (text_.find("{{") == std::string::npos) return;
  gotemplate::Templates templates(std::move(functions), template_options());
  const Status status = templates.parse(name_, std::string(kDefinitions) + text_);
  if (status.ok()) {
    templates_.emplace(std::move(templates));
  } else {
    failure_ = "error parsing template " + name_ + ": " + status.message();
  }
}

std::string AlertTemplate::expand(const Value& data, std::string* failure) const {
  if (plain()) return text_;
  std::string why = failure_;
  if (templates_) {
    auto out = templates_->execute(name_, data);
    if (out.ok()) return std::move(*out);
    why = "error executing template " + name_ + ": " + out.status().message();
  }
  if (failure) *failure = why;
  return "<error expanding template: " + why + ">";
}

}  // namespace gatehouse::rules

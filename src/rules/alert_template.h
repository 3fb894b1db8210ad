// Labels and annotations of alerting rules: templates over $labels, $value, $externalLabels
// and $externalURL, with Prometheus's functions (prometheus.io/docs/prometheus/latest/
// configuration/template_reference).
//
// A template that fails gives a text that says so in place of its own, as Prometheus does.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "lang/gotemplate/functions.h"
#include "lang/gotemplate/template.h"
#include "lang/promql/engine.h"

namespace gatehouse::rules {

// "template: __alert_NAME:1: what is wrong" where the text is no template.
Status check_alert_template(std::string_view alert, std::string_view text);

// What a template of an alert sees. `external_labels` is a Map.
gotemplate::Value alert_data(const promql::ResultSeries& series,
                             const gotemplate::Value& external_labels,
                             const std::string& external_url);

// A vector as the function "query" gives it to a template.
gotemplate::List query_list(const promql::QueryValue& value);

class AlertTemplate {
 public:
  // A text that does not parse is told of when it is expanded.
  AlertTemplate(std::string_view alert, std::string text,
                std::shared_ptr<const gotemplate::Functions> functions);

  // True: it depends on nothing, and expands to its text.
  bool plain() const { return !templates_ && failure_.empty(); }
  // `failure`, where it is not null, takes why it failed.
  std::string expand(const gotemplate::Value& data, std::string* failure) const;

 private:
  std::string name_;
  std::string text_;
  std::optional<gotemplate::Templates> templates_;
  std::string failure_;
};

}  // namespace gatehouse::rules

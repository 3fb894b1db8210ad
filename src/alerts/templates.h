// The templates of notifications: Alertmanager's default templates, those of the
// configuration's files over them, and the data they are executed on.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "alerts/notification.h"
#include "base/result.h"
#include "lang/gotemplate/template.h"

namespace gatehouse::alerts {

class NotificationTemplates {
 public:
  // Files as (name, text), in order. kInvalidArgument: which file and line, in Go's words.
  static Result<std::shared_ptr<const NotificationTemplates>> create(
      const std::vector<std::pair<std::string, std::string>>& files);

  // The template's text for a notification's data: any thread, bounded, and ended by the
  // deadline (steady).
  Result<std::string> text(std::string_view source, const gotemplate::Value& data,
                           int64_t deadline_ms = INT64_MAX) const;
  Result<std::string> html(std::string_view source, const gotemplate::Value& data,
                           int64_t deadline_ms = INT64_MAX) const;

 private:
  NotificationTemplates() = default;
  std::unique_ptr<gotemplate::Templates> text_, html_;
};

// The templates that are there before any file's; default_templates.cc.
std::string_view default_templates();
std::string_view default_email_templates();

// .Receiver, .Status, .Alerts (with .Firing and .Resolved), .GroupLabels, .CommonLabels,
// .CommonAnnotations, .ExternalURL, .GroupKey ...
gotemplate::Value template_data(const Notification& notification);
// What all alerts have in common, by name.
std::vector<std::pair<std::string, std::string>> common_labels(const Notification& notification);
std::vector<std::pair<std::string, std::string>> common_annotations(
    const Notification& notification);
// A receiver's name as its templates and webhooks see it: without what stands behind a slash,
// and quoted for a regular expression, as Alertmanager gives it.
std::string template_receiver_name(std::string_view receiver);
// "2026-01-02T03:04:05.678Z" as encoding/json writes a time.
std::string go_json_time(int64_t unix_ms);

// The same from JSON as `amtool template render --template.data` takes it.
Result<gotemplate::Value> template_data_from_json(std::string_view json);

}  // namespace gatehouse::alerts

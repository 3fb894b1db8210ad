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

  // The template's text for a notification's data: any thread, bounded.
  Result<std::string> text(std::string_view source, const gotemplate::Value& data) const;
  Result<std::string> html(std::string_view source, const gotemplate::Value& data) const;

 private:
  NotificationTemplates() = default;
  std::unique_ptr<gotemplate::Templates> text_, html_;
};

// .Receiver, .Status, .Alerts (with .Firing and .Resolved), .GroupLabels, .CommonLabels,
// .CommonAnnotations, .ExternalURL, .GroupKey ...
gotemplate::Value template_data(const Notification& notification);
// The same from JSON as `amtool template render --template.data` takes it.
Result<gotemplate::Value> template_data_from_json(std::string_view json);

}  // namespace gatehouse::alerts

#include "alerts/templates.h"

#include "lang/gotemplate/functions.h"
#include "model/clock.h"

namespace gatehouse::alerts {

namespace {

std::unique_ptr<gotemplate::Templates> make(gotemplate::Escape escape) {
  gotemplate::TemplateOptions options;
  options.escape = escape;
  options.missing_key = gotemplate::MissingKey::kZero;
  auto functions =
      gotemplate::alertmanager_functions([] { return model::system_clock().wall_ns(); });
  return std::make_unique<gotemplate::Templates>(std::move(functions), options);
}

gotemplate::Limits limits(int64_t deadline_ms) {
  gotemplate::Limits limits;
  limits.deadline_steady_ms = deadline_ms;
  return limits;
}

}  // namespace

Result<std::shared_ptr<const NotificationTemplates>> NotificationTemplates::create(
    const std::vector<std::pair<std::string, std::string>>& files) {
  std::shared_ptr<NotificationTemplates> made(new NotificationTemplates());
  made->text_ = make(gotemplate::Escape::kText);
  made->html_ = make(gotemplate::Escape::kHtml);
  for (gotemplate::Templates* set : {made->text_.get(), made->html_.get()}) {
    RETURN_IF_ERROR(set->parse("default.tmpl", default_templates()));
    RETURN_IF_ERROR(set->parse("email.tmpl", default_email_templates()));
    for (const auto& [name, text] : files) RETURN_IF_ERROR(set->parse(name, text));
  }
  return std::shared_ptr<const NotificationTemplates>(std::move(made));
}

Result<std::string> NotificationTemplates::text(std::string_view source,
                                                const gotemplate::Value& data,
                                                int64_t deadline_ms) const {
  return text_->execute_text(source, data, limits(deadline_ms));
}

Result<std::string> NotificationTemplates::html(std::string_view source,
                                                const gotemplate::Value& data,
                                                int64_t deadline_ms) const {
  return html_->execute_text(source, data, limits(deadline_ms));
}

}  // namespace gatehouse::alerts

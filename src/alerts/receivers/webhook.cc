// A POST of Alertmanager's own JSON, or of the payload that the configuration describes.
// 2xx is success; 5xx and 429 are tried again.
#include <optional>

#include "alerts/receivers/kinds.h"
#include "alerts/templated_value.h"
#include "alerts/webhook_message.h"

namespace gatehouse::alerts {

namespace {

class Webhook final : public HttpIntegration {
 public:
  Webhook() : HttpIntegration("webhook", true) {}

  void read_config(wire::ConfigFields& fields, const Globals& globals) {
    read_usual(fields, globals);
    read_secret_url(fields, "url", url_);
    require_secret(fields, "url", url_);
    fields.count("max_alerts", alerts_max_);
    fields.duration("timeout", timeout_ms_);
    if (const wire::YamlNode* node = fields.take("payload")) {
      payload_ = TemplatedValue::from(*node);
    }
  }

  Result<OutgoingRequest> request(Attempt& attempt) const override {
    ASSIGN_OR_RETURN(const std::string source, attempt.secret(url_));
    std::string url = attempt.text(source);
    attempt.remember_secret(url);
    if (!payload_) {
      return json_request(std::move(url), webhook_message(attempt.notification(), alerts_max_));
    }
    const Notification shown = truncated(attempt.notification(), alerts_max_);
    Attempt inner(attempt.templates(), shown, attempt.template_deadline_ms(), attempt.wall_ns());
    std::string body;
    wire::JsonWriter json(body);
    write_templated(json, *payload_, inner);
    attempt.note_failure(inner.failure());
    return json_request(std::move(url), std::move(body));
  }

 private:
  model::SecretText url_;
  uint64_t alerts_max_ = 0;
  std::optional<TemplatedValue> payload_;
};

}  // namespace

std::shared_ptr<Integration> read_webhook(wire::ConfigFields& fields, const Globals& globals) {
  return read_kind<Webhook>(fields, globals);
}

}  // namespace gatehouse::alerts

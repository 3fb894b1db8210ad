// incident.io's alert source for Alertmanager (api-docs.incident.io): the webhook's JSON under a
// version of its own, with a token.
#include "alerts/receivers/kinds.h"
#include "alerts/webhook_message.h"

namespace gatehouse::alerts {

namespace {

// api-docs.incident.io: 512 KB; a longer one is refused whole.
constexpr size_t kBodyBytesMax = 512 << 10;

class IncidentIo final : public HttpIntegration {
 public:
  IncidentIo() : HttpIntegration("incidentio", true) {}

  void read_config(wire::ConfigFields& fields, const Globals& globals) {
    read_usual(fields, globals);
    read_secret_url(fields, "url", url_);
    require_secret(fields, "url", url_);
    fields.secret("alert_source_token", token_);
    fields.count("max_alerts", alerts_max_);
    fields.duration("timeout", timeout_ms_);
    if (client_.authorization && !token_.empty()) {
      fields.log().problem(fields.mark(),
                           "cannot specify alert_source_token or alert_source_token_file when "
                           "using http_config.authorization");
    }
    if (!client_.authorization && token_.empty()) {
      fields.log().problem(fields.mark(),
                           "at least one of alert_source_token, alert_source_token_file or "
                           "http_config.authorization must be configured");
    }
  }

  Result<OutgoingRequest> request(Attempt& attempt) const override {
    ASSIGN_OR_RETURN(std::string url, attempt.secret(url_));
    std::string body = webhook_message(attempt.notification(), alerts_max_, "1");
    // One alert makes the incident; the others are news beside it.
    if (body.size() > kBodyBytesMax) body = webhook_message(attempt.notification(), 1, "1");
    OutgoingRequest out = json_request(std::move(url), std::move(body));
    if (!token_.empty()) {
      ASSIGN_OR_RETURN(const std::string token, attempt.secret(token_));
      out.headers.emplace_back("Authorization", "Bearer " + token);
    }
    return out;
  }

 private:
  model::SecretText url_, token_;
  uint64_t alerts_max_ = 0;
};

}  // namespace

std::shared_ptr<Integration> read_incidentio(wire::ConfigFields& fields, const Globals& globals) {
  return read_kind<IncidentIo>(fields, globals);
}

}  // namespace gatehouse::alerts

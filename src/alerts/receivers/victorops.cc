// Splunk On-Call's REST endpoint
// (help.victorops.com/knowledge-base/rest-endpoint-integration-guide).
#include <map>

#include "alerts/receivers/kinds.h"

namespace gatehouse::alerts {

namespace {

// help.victorops.com: 20,480 characters.
constexpr size_t kStateMessageMax = 20'480;

class VictorOps final : public HttpIntegration {
 public:
  VictorOps() : HttpIntegration("victorops", true) {}

  void read_config(wire::ConfigFields& fields, const Globals& globals) {
    read_usual(fields, globals);
    fields.secret("api_key", api_key_);
    fall_back(fields, api_key_, globals.victorops_api_key, "no global VictorOps API Key set");
    api_url_ = globals.victorops_api_url;
    read_url(fields, "api_url", api_url_);
    fields.text("routing_key", routing_key_);
    require_text(fields, routing_key_, "missing Routing key in VictorOps config");
    fields.text("message_type", message_type_);
    fields.text("state_message", state_message_);
    fields.text("entity_display_name", entity_display_name_);
    fields.text("monitoring_tool", monitoring_tool_);
    fields.pairs("custom_fields", custom_fields_);
    for (const auto& [name, value] : custom_fields_) {
      for (const std::string_view fixed :
           {"routing_key", "message_type", "state_message", "entity_display_name",
            "monitoring_tool", "entity_id", "entity_state"}) {
        if (name != fixed) continue;
        fields.log().problem(fields.mark(), "victorOps config contains custom field " + name +
                                                " which cannot be used as it conflicts with the "
                                                "fixed/static fields");
      }
    }
  }

  Result<OutgoingRequest> request(Attempt& attempt) const override {
    ASSIGN_OR_RETURN(const std::string key, attempt.secret(api_key_));
    std::string type = attempt.text(message_type_);
    if (type != "INFO" && type != "WARNING") type = "CRITICAL";
    if (!attempt.notification().firing()) type = "RECOVERY";
    std::string state = attempt.text(state_message_, Plain::kBody);
    truncate_characters(state, kStateMessageMax);
    std::map<std::string, std::string> members = {
        {"message_type", type},
        {"entity_id", group_key_hash(attempt.notification())},
        {"entity_display_name", attempt.text(entity_display_name_, Plain::kSubject)},
        {"state_message", state},
        {"monitoring_tool", attempt.text(monitoring_tool_)},
    };
    for (const auto& [name, value] : custom_fields_) {
      std::string text = attempt.text(value);
      if (!text.empty()) members.emplace(name, std::move(text));
    }
    std::string body;
    wire::JsonWriter json(body);
    json.begin_object();
    for (const auto& [name, value] : members) json.member(name, value);
    json.end_object();
    const std::string path = key + "/" + attempt.text(routing_key_);
    return json_request(with_path(api_url_, path), std::move(body));
  }

 private:
  model::SecretText api_key_;
  std::string api_url_, routing_key_;
  std::string message_type_ = "CRITICAL";
  std::string state_message_ = R"({{ template "victorops.default.state_message" . }})";
  std::string entity_display_name_ = R"({{ template "victorops.default.entity_display_name" . }})";
  std::string monitoring_tool_ = R"({{ template "victorops.default.monitoring_tool" . }})";
  std::vector<std::pair<std::string, std::string>> custom_fields_;
};

}  // namespace

std::shared_ptr<Integration> read_victorops(wire::ConfigFields& fields, const Globals& globals) {
  return read_kind<VictorOps>(fields, globals);
}

}  // namespace gatehouse::alerts

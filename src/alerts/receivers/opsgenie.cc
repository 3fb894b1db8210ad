// Alert API (docs.opsgenie.com/docs/alert-api): an alert is created under the group's key as its
// alias, and closed by it. With update_alerts, message and description follow by requests of
// their own.
#include <map>

#include "alerts/receivers/kinds.h"
#include "alerts/templates.h"
#include "base/text.h"

namespace gatehouse::alerts {

namespace {

// docs.opsgenie.com/docs/alert-api: 130 characters.
constexpr size_t kMessageMax = 130;

struct Responder {
  std::string id, name, username, type;
};

bool known_type(std::string_view type) {
  for (const std::string_view each : {"team", "teams", "user", "escalation", "schedule"}) {
    if (type == each) return true;
  }
  return false;
}

std::vector<std::string> split_some(const std::string& text) {
  std::vector<std::string> out;
  for (const std::string_view part : split(trim(text), ',')) {
    if (!part.empty()) out.emplace_back(part);
  }
  return out;
}

class Opsgenie final : public HttpIntegration {
 public:
  Opsgenie() : HttpIntegration("opsgenie", true) {}

  void read_config(wire::ConfigFields& fields, const Globals& globals);
  Result<OutgoingRequest> request(Attempt& attempt) const override;
  Reading read(Attempt& attempt, const HttpReply& reply) const override;

 private:
  void read_responders(wire::ConfigFields& fields, std::string_view key,
                       std::vector<Responder>& out);
  void write_responders(wire::JsonWriter& json, std::string_view key,
                        const std::vector<Responder>& responders, Attempt& attempt) const;
  std::string creation(Attempt& attempt) const;
  Result<OutgoingRequest> with_key(Attempt& attempt, std::string method, std::string path,
                                   std::string body) const;
  std::string of_alias(Attempt& attempt, std::string_view what) const;
  std::string message(Attempt& attempt) const;

  model::SecretText api_key_;
  std::string api_url_, entity_, actions_, tags_, note_, priority_;
  std::string message_ = R"({{ template "opsgenie.default.message" . }})";
  std::string description_ = R"({{ template "opsgenie.default.description" . }})";
  std::string source_ = R"({{ template "opsgenie.default.source" . }})";
  std::vector<std::pair<std::string, std::string>> details_;
  std::vector<Responder> responders_, visible_to_;
  bool update_alerts_ = false;
};

void Opsgenie::read_responders(wire::ConfigFields& fields, std::string_view key,
                               std::vector<Responder>& out) {
  const wire::YamlNode* list = fields.take(key);
  if (list == nullptr) return;
  for (const wire::YamlNode* item : list->items) {
    wire::ConfigFields inner(fields.log(), *item, key);
    Responder& each = out.emplace_back();
    inner.text("id", each.id);
    inner.text("name", each.name);
    inner.text("username", each.username);
    inner.text("type", each.type);
    inner.done();
    if (each.id.empty() && each.name.empty() && each.username.empty()) {
      fields.log().problem(item->mark,
                           "opsGenieConfig responder has to have at least one of id, username or "
                           "name specified");
    }
    if (each.type.find("{{") != std::string::npos) continue;
    each.type = to_lower(each.type);
    if (!known_type(each.type)) {
      fields.log().problem(item->mark,
                           "opsGenieConfig responder type does not match valid options "
                           "^(team|teams|user|escalation|schedule)$");
    }
  }
}

void Opsgenie::read_config(wire::ConfigFields& fields, const Globals& globals) {
  read_usual(fields, globals);
  fields.secret("api_key", api_key_);
  fall_back(fields, api_key_, globals.opsgenie_api_key,
            "no global OpsGenie API Key set either inline or in a file");
  api_url_ = globals.opsgenie_api_url;
  read_url(fields, "api_url", api_url_);
  fields.text("message", message_);
  fields.text("description", description_);
  fields.text("source", source_);
  fields.text("entity", entity_);
  fields.text("actions", actions_);
  fields.text("tags", tags_);
  fields.text("note", note_);
  fields.text("priority", priority_);
  fields.pairs("details", details_);
  fields.boolean("update_alerts", update_alerts_);
  read_responders(fields, "responders", responders_);
  read_responders(fields, "visible_to", visible_to_);
}

void write_responder(wire::JsonWriter& json, const Responder& each) {
  json.begin_object();
  write_some(json, "id", each.id);
  write_some(json, "name", each.name);
  write_some(json, "username", each.username);
  json.member("type", each.type);
  json.end_object();
}

void Opsgenie::write_responders(wire::JsonWriter& json, std::string_view key,
                                const std::vector<Responder>& responders, Attempt& attempt) const {
  std::vector<Responder> out;
  for (const Responder& each : responders) {
    Responder made = {attempt.text(each.id), attempt.text(each.name), attempt.text(each.username),
                      attempt.text(each.type)};
    // Filled by labels that this group does not have.
    if (made.id.empty() && made.name.empty() && made.username.empty()) continue;
    if (made.type != "teams") {
      out.push_back(std::move(made));
      continue;
    }
    for (std::string& team : split_some(made.name))
      out.push_back({"", std::move(team), "", "team"});
  }
  if (out.empty()) return;
  json.key(key).begin_array();
  for (const Responder& each : out) write_responder(json, each);
  json.end_array();
}

std::string Opsgenie::message(Attempt& attempt) const {
  std::string out = attempt.text(message_, Plain::kSubject);
  truncate_characters(out, kMessageMax);
  return out;
}

void write_list(wire::JsonWriter& json, std::string_view key, const std::string& text) {
  const std::vector<std::string> parts = split_some(text);
  if (parts.empty()) return;
  json.key(key).begin_array();
  for (const std::string& part : parts) json.string(part);
  json.end_array();
}

std::string Opsgenie::creation(Attempt& attempt) const {
  std::map<std::string, std::string> details;
  for (auto& [name, value] : common_labels(attempt.notification())) details[name] = value;
  for (const auto& [name, value] : details_) details[name] = attempt.text(value);
  std::string body;
  wire::JsonWriter json(body);
  json.begin_object();
  json.member("alias", group_key_hash(attempt.notification()));
  json.member("message", message(attempt));
  write_some(json, "description", attempt.text(description_, Plain::kBody));
  json.key("details").begin_object();
  for (const auto& [name, value] : details) json.member(name, value);
  json.end_object();
  json.member("source", attempt.text(source_));
  write_responders(json, "responders", responders_, attempt);
  write_responders(json, "visibleTo", visible_to_, attempt);
  write_list(json, "tags", attempt.text(tags_));
  write_some(json, "note", attempt.text(note_));
  write_some(json, "priority", attempt.text(priority_));
  write_some(json, "entity", attempt.text(entity_));
  write_list(json, "actions", attempt.text(actions_));
  json.end_object();
  return body;
}

Result<OutgoingRequest> Opsgenie::with_key(Attempt& attempt, std::string method, std::string path,
                                           std::string body) const {
  ASSIGN_OR_RETURN(const std::string source, attempt.secret(api_key_));
  const std::string key = attempt.text(source);
  attempt.remember_secret(key);
  OutgoingRequest out = json_request(with_path(api_url_, path), std::move(body));
  out.method = std::move(method);
  out.headers.emplace_back("Authorization", "GenieKey " + key);
  return out;
}

std::string Opsgenie::of_alias(Attempt& attempt, std::string_view what) const {
  return "v2/alerts/" + group_key_hash(attempt.notification()) + "/" + std::string(what) +
         "?identifierType=alias";
}

std::string one_member(std::string_view key, const std::string& text) {
  std::string body;
  wire::JsonWriter json(body);
  json.begin_object().member(key, text).end_object();
  return body;
}

Result<OutgoingRequest> Opsgenie::request(Attempt& attempt) const {
  if (attempt.notification().firing()) {
    return with_key(attempt, "POST", "v2/alerts", creation(attempt));
  }
  return with_key(attempt, "POST", of_alias(attempt, "close"),
                  one_member("source", attempt.text(source_)));
}

Reading Opsgenie::read(Attempt& attempt, const HttpReply& reply) const {
  Reading reading = usual_reading(reply);
  const int step = attempt.step++;
  if (!reading.delivered || !update_alerts_ || !attempt.notification().firing() || step > 1) {
    return reading;
  }
  const bool first = step == 0;
  const std::string text = first ? message(attempt) : attempt.text(description_, Plain::kBody);
  Result<OutgoingRequest> next =
      with_key(attempt, "PUT", of_alias(attempt, first ? "message" : "description"),
               one_member(first ? "message" : "description", text));
  if (!next.ok()) return failed_reading(next.status().message(), false);
  reading.delivered = false;
  reading.next = std::move(*next);
  return reading;
}

}  // namespace

std::shared_ptr<Integration> read_opsgenie(wire::ConfigFields& fields, const Globals& globals) {
  return read_kind<Opsgenie>(fields, globals);
}

}  // namespace gatehouse::alerts

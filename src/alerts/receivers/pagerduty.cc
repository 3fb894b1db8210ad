// Events API v2 by a routing key, and v1 by a service key
// (developer.pagerduty.com/docs/events-api-v2/overview). The group's key is the incident's.
#include <map>

#include "alerts/receivers/kinds.h"

namespace gatehouse::alerts {

namespace {

// developer.pagerduty.com/docs/events-api-v2/trigger-events: 512 kB an event, and 1024
// characters of its summary.
constexpr size_t kEventBytesMax = 512'000;
constexpr size_t kSummaryMax = 1024;
constexpr std::string_view kV1Url =
    "https://events.pagerduty.com/generic/2010-04-15/create_event.json";

struct Link {
  std::string href, text;
};
struct Image {
  std::string src, alt, href;
};
using Details = std::map<std::string, std::string>;

class PagerDuty final : public HttpIntegration {
 public:
  PagerDuty() : HttpIntegration("pagerduty", true) {}

  void read_config(wire::ConfigFields& fields, const Globals& globals);
  Result<OutgoingRequest> request(Attempt& attempt) const override;
  Reading read(Attempt& attempt, const HttpReply& reply) const override;

 private:
  bool first_version() const { return !service_key_.empty(); }
  void read_links(wire::ConfigFields& fields);
  std::string event_v1(Attempt& attempt, const std::string& key, const Details& details) const;
  std::string event_v2(Attempt& attempt, const std::string& key, const Details& details) const;
  void write_links(wire::JsonWriter& json, Attempt& attempt) const;

  model::SecretText service_key_, routing_key_;
  std::string url_, source_, class_, component_, group_;
  std::string severity_ = "error";
  std::string client_ = R"({{ template "pagerduty.default.client" . }})";
  std::string client_url_ = R"({{ template "pagerduty.default.clientURL" . }})";
  std::string description_ = R"({{ template "pagerduty.default.description" . }})";
  Details details_ = {
      {"firing", R"({{ template "pagerduty.default.instances" .Alerts.Firing }})"},
      {"resolved", R"({{ template "pagerduty.default.instances" .Alerts.Resolved }})"},
      {"num_firing", "{{ .Alerts.Firing | len }}"},
      {"num_resolved", "{{ .Alerts.Resolved | len }}"},
  };
  std::vector<Image> images_;
  std::vector<Link> links_;
};

void PagerDuty::read_links(wire::ConfigFields& fields) {
  if (const wire::YamlNode* list = fields.take("images")) {
    for (const wire::YamlNode* item : list->items) {
      wire::ConfigFields inner(fields.log(), *item, "images");
      Image& image = images_.emplace_back();
      inner.text("src", image.src);
      inner.text("alt", image.alt);
      inner.text("href", image.href);
      inner.done();
    }
  }
  if (const wire::YamlNode* list = fields.take("links")) {
    for (const wire::YamlNode* item : list->items) {
      wire::ConfigFields inner(fields.log(), *item, "links");
      Link& link = links_.emplace_back();
      inner.text("href", link.href);
      inner.text("text", link.text);
      inner.done();
    }
  }
}

void PagerDuty::read_config(wire::ConfigFields& fields, const Globals& globals) {
  read_usual(fields, globals);
  fields.secret("service_key", service_key_);
  fields.secret("routing_key", routing_key_);
  if (service_key_.empty() && routing_key_.empty()) {
    fields.log().problem(fields.mark(), "missing service or routing key in PagerDuty config");
  }
  url_ = globals.pagerduty_url;
  read_url(fields, "url", url_);
  fields.duration("timeout", timeout_ms_);
  fields.text("client", client_);
  fields.text("client_url", client_url_);
  fields.text("description", description_);
  fields.text("severity", severity_);
  if (severity_.empty()) severity_ = "error";
  fields.text("class", class_);
  fields.text("component", component_);
  fields.text("group", group_);
  fields.text("source", source_);
  if (source_.empty()) source_ = client_;
  std::vector<std::pair<std::string, std::string>> details;
  fields.pairs("details", details);
  for (auto& [name, value] : details) details_[name] = std::move(value);
  read_links(fields);
}

void write_details(wire::JsonWriter& json, std::string_view key, const Details& details) {
  json.key(key).begin_object();
  for (const auto& [name, value] : details) json.member(name, value);
  json.end_object();
}

void PagerDuty::write_links(wire::JsonWriter& json, Attempt& attempt) const {
  if (!images_.empty()) {
    json.key("images").begin_array();
    for (const Image& image : images_) {
      const std::string src = attempt.text(image.src);
      if (src.empty()) continue;
      json.begin_object().member("src", src);
      json.member("alt", attempt.text(image.alt)).member("href", attempt.text(image.href));
      json.end_object();
    }
    json.end_array();
  }
  if (links_.empty()) return;
  json.key("links").begin_array();
  for (const Link& link : links_) {
    const std::string href = attempt.text(link.href);
    if (href.empty()) continue;
    json.begin_object().member("href", href).member("text", attempt.text(link.text)).end_object();
  }
  json.end_array();
}

std::string PagerDuty::event_v1(Attempt& attempt, const std::string& key,
                                const Details& details) const {
  const bool firing = attempt.notification().firing();
  std::string description = attempt.text(description_, Plain::kSubject);
  truncate_characters(description, kSummaryMax);
  std::string body;
  wire::JsonWriter json(body);
  json.begin_object();
  json.member("service_key", key);
  json.member("incident_key", group_key_hash(attempt.notification()));
  json.member("event_type", firing ? "trigger" : "resolve");
  json.member("description", description);
  if (firing) {
    write_some(json, "client", attempt.text(client_));
    write_some(json, "client_url", attempt.text(client_url_));
  }
  write_details(json, "details", details);
  json.end_object();
  return body;
}

std::string PagerDuty::event_v2(Attempt& attempt, const std::string& key,
                                const Details& details) const {
  std::string summary = attempt.text(description_, Plain::kSubject);
  truncate_characters(summary, kSummaryMax);
  std::string body;
  wire::JsonWriter json(body);
  json.begin_object();
  json.member("routing_key", key);
  json.member("dedup_key", group_key_hash(attempt.notification()));
  json.member("event_action", attempt.notification().firing() ? "trigger" : "resolve");
  json.key("payload").begin_object();
  json.member("summary", summary);
  std::string source = attempt.text(source_);
  json.member("source", source.empty() ? "Alertmanager" : source);
  std::string severity = attempt.text(severity_);
  json.member("severity", severity.empty() ? "error" : severity);
  write_some(json, "class", attempt.text(class_));
  write_some(json, "component", attempt.text(component_));
  write_some(json, "group", attempt.text(group_));
  write_details(json, "custom_details", details);
  json.end_object();
  write_some(json, "client", attempt.text(client_));
  write_some(json, "client_url", attempt.text(client_url_));
  write_links(json, attempt);
  json.end_object();
  return body;
}

Result<OutgoingRequest> PagerDuty::request(Attempt& attempt) const {
  ASSIGN_OR_RETURN(const std::string source,
                   attempt.secret(first_version() ? service_key_ : routing_key_));
  const std::string key = attempt.text(source);
  attempt.remember_secret(key);
  if (key.empty()) {
    return invalid_argument(first_version() ? "service key cannot be empty"
                                            : "routing key cannot be empty");
  }
  Details details;
  for (const auto& [name, value] : details_) details[name] = attempt.text(value);
  const auto event = [&](const Details& shown) {
    return first_version() ? event_v1(attempt, key, shown) : event_v2(attempt, key, shown);
  };
  std::string body = event(details);
  if (body.size() > kEventBytesMax) {
    body = event({{"error",
                   "Custom details have been removed because the original event exceeds the "
                   "maximum size of 512KB"}});
  }
  return json_request(first_version() ? std::string(kV1Url) : url_, std::move(body));
}

Reading PagerDuty::read(Attempt&, const HttpReply& reply) const {
  Reading reading = usual_reading(reply);
  // Version 1 says so where there are too many events.
  if (first_version() && reply.status == 403) reading.retry = true;
  return reading;
}

}  // namespace

std::shared_ptr<Integration> read_pagerduty(wire::ConfigFields& fields, const Globals& globals) {
  return read_kind<PagerDuty>(fields, globals);
}

}  // namespace gatehouse::alerts

// An issue a group, found again by the label ALERT{key} (developer.atlassian.com/cloud/jira
// /platform/rest): search; create or update; and where the issue's state does not fit the
// group's, look up the transition of the configured name and make it.
#include <algorithm>

#include "alerts/receivers/kinds.h"
#include "alerts/templated_value.h"

namespace gatehouse::alerts {

namespace {

// Jira's own bounds, in characters.
constexpr size_t kSummaryMax = 255;
constexpr size_t kDescriptionMax = 32'767;

// A field that may be left as it is when an issue is updated.
struct Field {
  std::string text;
  bool update = true;
};

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

void read_field(wire::ConfigFields& fields, std::string_view key, Field& out) {
  const wire::YamlNode* node = fields.take(key);
  if (node == nullptr || !node->is_mapping()) {
    fields.text(key, out.text);
    return;
  }
  wire::ConfigFields inner(fields.log(), *node, key);
  inner.text("template", out.text);
  inner.boolean("enable_update", out.update);
  inner.done();
}

class Jira final : public HttpIntegration {
 public:
  Jira() : HttpIntegration("jira", true) {}

  void read_config(wire::ConfigFields& fields, const Globals& globals);
  Result<OutgoingRequest> request(Attempt& attempt) const override;
  Reading read(Attempt& attempt, const HttpReply& reply) const override;

 private:
  // Where in the conversation a reply belongs.
  enum Step { kSearch, kWrite, kTransitions, kTransition };

  void read_labels(wire::ConfigFields& fields);
  OutgoingRequest call(std::string method, std::string_view path, std::string body) const;
  std::string query(Attempt& attempt) const;
  std::string issue(Attempt& attempt, bool update) const;
  void write_description(wire::JsonWriter& json, Attempt& attempt) const;
  Reading found(Attempt& attempt, const wire::JsonView& root) const;
  Reading written(Attempt& attempt) const;
  Reading transitions(Attempt& attempt, const wire::JsonView& root) const;

  std::string api_url_, api_type_ = "auto";
  std::string project_, issue_type_;
  Field summary_ = {R"({{ template "jira.default.summary" . }})", true};
  Field description_ = {R"({{ template "jira.default.description" . }})", true};
  std::string priority_ = R"({{ template "jira.default.priority" . }})";
  std::vector<std::string> labels_;
  bool update_labels_ = true;
  std::string reopen_transition_, resolve_transition_, wont_fix_resolution_;
  int64_t reopen_duration_ms_ = 0;
  TemplatedValue fields_;
};

void Jira::read_labels(wire::ConfigFields& fields) {
  const wire::YamlNode* node = fields.take("labels");
  if (node == nullptr || !node->is_mapping()) {
    fields.texts("labels", labels_);
    return;
  }
  wire::ConfigFields inner(fields.log(), *node, "labels");
  inner.texts("values", labels_);
  inner.boolean("enable_update", update_labels_);
  inner.done();
}

void Jira::read_config(wire::ConfigFields& fields, const Globals& globals) {
  read_usual(fields, globals);
  api_url_ = globals.jira_api_url;
  read_url(fields, "api_url", api_url_);
  require_text(fields, api_url_, "no global Jira Cloud URL set");
  fields.text("api_type", api_type_);
  if (api_type_ != "auto" && api_type_ != "cloud" && api_type_ != "datacenter") {
    fields.log().problem(fields.mark(),
                         "unknown api_type on jira_config, must be auto, cloud or datacenter");
  }
  fields.text("project", project_);
  require_text(fields, project_, "missing project in jira_config");
  fields.text("issue_type", issue_type_);
  require_text(fields, issue_type_, "missing issue_type in jira_config");
  read_field(fields, "summary", summary_);
  read_field(fields, "description", description_);
  read_labels(fields);
  fields.text("priority", priority_);
  fields.text("reopen_transition", reopen_transition_);
  fields.text("resolve_transition", resolve_transition_);
  fields.text("wont_fix_resolution", wont_fix_resolution_);
  fields.duration("reopen_duration", reopen_duration_ms_);
  for (const std::string_view key : {"fields", "custom_fields"}) {
    if (const wire::YamlNode* node = fields.take(key)) fields_ = TemplatedValue::from(*node);
  }
}

OutgoingRequest Jira::call(std::string method, std::string_view path, std::string body) const {
  OutgoingRequest out = json_request(with_path(api_url_, path), std::move(body));
  out.method = std::move(method);
  out.headers.emplace_back("Accept-Language", "en");
  return out;
}

std::string Jira::query(Attempt& attempt) const {
  std::string out;
  if (!wont_fix_resolution_.empty()) {
    out += "resolution != " + quoted(attempt.text(wont_fix_resolution_)) + " and ";
  }
  const int64_t minutes = reopen_duration_ms_ / 60'000;
  if (attempt.notification().firing() && !reopen_transition_.empty() && minutes > 0) {
    out += "(resolutiondate is EMPTY OR resolutiondate >= -" + std::to_string(minutes) + "m) and ";
  } else {
    out += "statusCategory != Done and ";
  }
  return out + "project=" + quoted(attempt.text(project_)) +
         " and labels=" + quoted("ALERT{" + group_key_hash(attempt.notification()) + "}") +
         " order by status ASC,resolutiondate DESC";
}

Result<OutgoingRequest> Jira::request(Attempt& attempt) const {
  attempt.step = kSearch;
  std::string body;
  wire::JsonWriter json(body);
  json.begin_object().member("jql", query(attempt)).member("maxResults", 2);
  json.key("fields").begin_array().string("status").end_array().end_object();
  const size_t host_end = api_url_.find('/', api_url_.find("://") + 3);
  const bool atlassian = api_url_.substr(0, host_end).ends_with("atlassian.net");
  const bool cloud = api_type_ == "cloud" || (api_type_ == "auto" && atlassian);
  OutgoingRequest out = call("POST", cloud ? "search/jql" : "search", std::move(body));
  if (cloud) {
    const size_t version = out.url.find("/2/");
    if (version != std::string::npos) out.url[version + 1] = '3';
  }
  return out;
}

void Jira::write_description(wire::JsonWriter& json, Attempt& attempt) const {
  std::string description = attempt.text(description_.text, Plain::kBody);
  truncate_characters(description, kDescriptionMax);
  const bool third = api_url_.ends_with("/3") || api_url_.ends_with("/3/");
  if (!third) {
    json.member("description", description);
    return;
  }
  // Version 3 takes documents: what is one is sent as it is, a text as its paragraph.
  const auto document = wire::JsonDocument::parse(description);
  if (document.ok() && document->root().is_object()) {
    json.key("description").raw(description);
    return;
  }
  json.key("description").begin_object().member("type", "doc").member("version", 1);
  json.key("content").begin_array().begin_object().member("type", "paragraph");
  json.key("content").begin_array().begin_object();
  json.member("type", "text").member("text", description.empty() ? " " : description);
  json.end_object().end_array().end_object().end_array().end_object();
}

std::string Jira::issue(Attempt& attempt, bool update) const {
  std::string body;
  wire::JsonWriter json(body);
  json.begin_object().key("fields").begin_object();
  json.key("project").begin_object().member("key", attempt.text(project_)).end_object();
  json.key("issuetype").begin_object().member("name", attempt.text(issue_type_)).end_object();
  if (!update || summary_.update) {
    std::string summary = attempt.text(summary_.text, Plain::kSubject);
    truncate_characters(summary, kSummaryMax);
    json.member("summary", summary);
  }
  if (!update || description_.update) write_description(json, attempt);
  if (!update || update_labels_) {
    std::vector<std::string> labels;
    for (const std::string& label : labels_) labels.push_back(attempt.text(label));
    labels.push_back("ALERT{" + group_key_hash(attempt.notification()) + "}");
    std::sort(labels.begin(), labels.end());
    json.key("labels").begin_array();
    for (const std::string& label : labels) json.string(label);
    json.end_array();
  }
  const std::string priority = attempt.text(priority_);
  if (!priority.empty()) json.key("priority").begin_object().member("name", priority).end_object();
  for (const auto& [name, value] : fields_.entries) {
    json.key(name);
    write_templated(json, value, attempt);
  }
  json.end_object().end_object();
  return body;
}

// What the search found: the issue to update, or none.
Reading Jira::found(Attempt& attempt, const wire::JsonView& root) const {
  Reading reading;
  const wire::JsonView first = root["issues"].at(0);
  const std::string key(first["key"].string().value_or(""));
  attempt.step = kWrite;
  if (!key.empty()) {
    attempt.kept["issue"] = key;
    attempt.kept["category"] =
        first["fields"]["status"]["statusCategory"]["key"].string().value_or("");
    reading.next = call("PUT", "issue/" + key, issue(attempt, true));
  } else if (attempt.notification().firing()) {
    reading.next = call("POST", "issue", issue(attempt, false));
  } else {
    reading.delivered = true;  // nothing to close
  }
  return reading;
}

Reading Jira::written(Attempt& attempt) const {
  Reading reading;
  const std::string& key = attempt.kept["issue"];
  const std::string& category = attempt.kept["category"];
  const bool firing = attempt.notification().firing();
  const bool fits = firing ? category != "done" : category == "done";
  const std::string& transition = firing ? reopen_transition_ : resolve_transition_;
  if (key.empty() || category.empty() || fits || transition.empty()) {
    reading.delivered = true;
    return reading;
  }
  attempt.step = kTransitions;
  reading.next = call("GET", "issue/" + key + "/transitions", "");
  return reading;
}

Reading Jira::transitions(Attempt& attempt, const wire::JsonView& root) const {
  const std::string& key = attempt.kept["issue"];
  const std::string& wanted =
      attempt.notification().firing() ? reopen_transition_ : resolve_transition_;
  for (const wire::JsonView each : root["transitions"].items()) {
    if (each["name"].string().value_or("") != wanted) continue;
    std::string body;
    wire::JsonWriter json(body);
    json.begin_object().key("transition").begin_object();
    json.member("id", each["id"].string().value_or("")).end_object().end_object();
    attempt.step = kTransition;
    Reading reading;
    reading.next = call("POST", "issue/" + key + "/transitions", std::move(body));
    return reading;
  }
  return failed_reading("can't find transition " + wanted + " for issue " + key, false);
}

Reading Jira::read(Attempt& attempt, const HttpReply& reply) const {
  Reading reading = usual_reading(reply);
  if (!reading.delivered || attempt.step == kTransition) return reading;
  if (attempt.step == kWrite) return written(attempt);
  const auto document = wire::JsonDocument::parse(reply.body);
  if (!document.ok()) return failed_reading("Jira's answer is not JSON", false);
  return attempt.step == kSearch ? found(attempt, document->root())
                                 : transitions(attempt, document->root());
}

}  // namespace

std::shared_ptr<Integration> read_jira(wire::ConfigFields& fields, const Globals& globals) {
  return read_kind<Jira>(fields, globals);
}

}  // namespace gatehouse::alerts

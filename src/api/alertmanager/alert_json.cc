#include "api/alertmanager/alert_json.h"

#include <algorithm>

#include "base/text.h"

namespace gatehouse::api {

namespace {

using alerts::go_quoted;
using model::Matcher;
using wire::JsonView;
using wire::JsonWriter;

void write_time(JsonWriter& json, std::string_view name, int64_t unix_ms) {
  // A time that is not there is Go's zero time, which clients look for.
  json.member(name, unix_ms == 0 ? std::string("0001-01-01T00:00:00.000Z")
                                 : format_time(unix_ms * 1'000'000));
}

template <typename Pairs>
void write_pairs(JsonWriter& json, std::string_view name, const Pairs& pairs) {
  json.key(name).begin_object();
  for (const auto& [key, value] : pairs) json.member(key, value);
  json.end_object();
}

void write_texts(JsonWriter& json, std::string_view name, const std::vector<std::string>& texts) {
  json.key(name).begin_array();
  for (const std::string& text : texts) json.string(text);
  json.end_array();
}

std::string_view state_name(alerts::AlertState state) {
  switch (state) {
    case alerts::AlertState::kUnprocessed: return "unprocessed";
    case alerts::AlertState::kActive: return "active";
    case alerts::AlertState::kSuppressed: return "suppressed";
  }
  return "";
}

std::string_view state_name(alerts::Silence::State state) {
  switch (state) {
    case alerts::Silence::State::kPending: return "pending";
    case alerts::Silence::State::kActive: return "active";
    case alerts::Silence::State::kExpired: return "expired";
  }
  return "";
}

BodyProblem missing(std::string name) { return {602, std::move(name) + " in body is required"}; }

BodyProblem unparsable(std::string_view body, std::string why) {
  return {400, "parsing " + std::string(body) + " body from \"\" failed, because " + why};
}

std::string_view kind_of(const JsonView& json) {
  return json.is_object()   ? "object"
         : json.is_array()  ? "array"
         : json.is_string() ? "string"
         : json.is_bool()   ? "bool"
                            : "number";
}

// Members of strings; false: it is something else.
bool read_pairs(const JsonView& json, std::vector<model::Labels::Pair>& out) {
  if (json.is_null() || !json.present()) return true;
  if (!json.is_object()) return false;
  for (const auto [name, value] : json.members()) {
    const auto text = value.string();
    if (!text && !value.is_null()) return false;
    out.emplace_back(name, text.value_or(""));
  }
  return true;
}

std::optional<BodyProblem> read_time(const JsonView& json, std::string_view body, int64_t& out) {
  if (!json.present() || json.is_null()) return std::nullopt;
  const auto text = json.string();
  if (!text) return unparsable(body, "a time is expected, not a " + std::string(kind_of(json)));
  if (text->empty()) return std::nullopt;
  const auto time_ms = parse_alert_time_ms(*text);
  if (!time_ms) {
    return unparsable(body, "parsing time " + go_quoted(*text) +
                                " as \"2006-01-02 15:04:05\": cannot parse " + go_quoted(*text) +
                                " as \"2006\"");
  }
  out = *time_ms;
  return std::nullopt;
}

std::optional<BodyProblem> read_alert(const JsonView& json, size_t place, model::Alert& out) {
  if (!json.is_object()) {
    return unparsable("alerts", "json: cannot unmarshal " + std::string(kind_of(json)) +
                                    " into Go value of type models.PostableAlert");
  }
  if (!json["labels"].present() || json["labels"].is_null()) {
    return missing(std::to_string(place) + ".labels");
  }
  std::vector<model::Labels::Pair> labels;
  if (!read_pairs(json["labels"], labels) || !read_pairs(json["annotations"], out.annotations)) {
    return unparsable("alerts", "json: cannot unmarshal into Go value of type models.LabelSet");
  }
  out.labels = model::Labels(std::move(labels));
  std::sort(out.annotations.begin(), out.annotations.end());
  if (auto problem = read_time(json["startsAt"], "alerts", out.starts_at_ms)) return problem;
  if (auto problem = read_time(json["endsAt"], "alerts", out.ends_at_ms)) return problem;
  out.generator_url = json["generatorURL"].string().value_or("");
  return std::nullopt;
}

std::optional<BodyProblem> read_matcher(const JsonView& json, size_t place, alerts::Matchers& out) {
  const std::string at = "matchers." + std::to_string(place) + ".";
  const auto regex = json["isRegex"].boolean();
  const auto name = json["name"].string();
  const auto value = json["value"].string();
  if (!regex) return missing(at + "isRegex");
  if (!name) return missing(at + "name");
  if (!value) return missing(at + "value");
  const bool equal = json["isEqual"].boolean().value_or(true);
  const Matcher::Op op = *regex ? (equal ? Matcher::Op::kRegex : Matcher::Op::kNotRegex)
                                : (equal ? Matcher::Op::kEqual : Matcher::Op::kNotEqual);
  const std::string prefix = "silence invalid: invalid label matcher " + std::to_string(place);
  if (name->empty()) return BodyProblem{400, prefix + ": invalid label name \"\""};
  auto matcher = Matcher::create(op, std::string(*name), std::string(*value));
  if (!matcher.ok()) {
    return BodyProblem{400, prefix + ": invalid regular expression " + go_quoted(*value) + ": " +
                                matcher.status().message()};
  }
  out.push_back(std::move(*matcher));
  return std::nullopt;
}

std::optional<BodyProblem> read_recurrence(const JsonView& json, alerts::Silence& out) {
  if (!json.present() || json.is_null()) return std::nullopt;
  alerts::Recurrence recurrence;
  for (const JsonView day : json["weekdays"].items()) {
    const auto number = day.integer();
    if (!number || *number < 0 || *number > 6) {
      return BodyProblem{400, "recurrence.weekdays are numbers from 0 (Sunday) to 6"};
    }
    recurrence.weekdays.push_back(static_cast<int>(*number));
  }
  if (auto problem = read_time(json["until"], "silence", recurrence.until_ms)) return problem;
  recurrence.location = json["location"].string().value_or("");
  out.recurrence = std::move(recurrence);
  return std::nullopt;
}

}  // namespace

std::optional<int64_t> parse_alert_time_ms(std::string_view text) {
  if (text.starts_with("0001-01-01T00:00:00")) return 0;
  // Nanoseconds of Unix time end in 2262; what lies beyond never comes.
  std::string within(text);
  const auto year = parse_uint(text.substr(0, 4));
  if (year && *year > 2261) within.replace(0, 4, "2261");
  if (within.size() > 10 && within[10] == ' ') within[10] = 'T';
  const auto time_ns = parse_time_ns(within);
  if (!time_ns) return std::nullopt;
  return *time_ns / 1'000'000;
}

void write_alert(JsonWriter& json, const alerts::AlertView& view) {
  json.begin_object();
  write_pairs(json, "annotations", view.alert.annotations);
  write_time(json, "endsAt", view.alert.ends_at_ms);
  json.member("fingerprint", alerts::fingerprint_text(view.fingerprint));
  json.key("receivers").begin_array();
  for (const std::string& name : view.receivers) {
    json.begin_object().member("name", name).end_object();
  }
  json.end_array();
  write_time(json, "startsAt", view.alert.starts_at_ms);
  json.key("status").begin_object();
  write_texts(json, "inhibitedBy", view.inhibited_by);
  write_texts(json, "mutedBy", view.muted_by);
  write_texts(json, "silencedBy", view.silenced_by);
  json.member("state", state_name(view.state)).end_object();
  write_time(json, "updatedAt", view.updated_at_ms);
  if (!view.alert.generator_url.empty()) json.member("generatorURL", view.alert.generator_url);
  write_pairs(json, "labels", view.alert.labels.pairs());
  // Beyond Alertmanager, and only where there is something to say.
  if (view.alert.vanished) json.member("vanished", true);
  if (view.flapping) json.member("flapping", true);
  json.end_object();
}

void write_group(JsonWriter& json, const alerts::GroupView& group) {
  json.begin_object().key("alerts").begin_array();
  for (const alerts::AlertView& alert : group.alerts) write_alert(json, alert);
  json.end_array();
  write_pairs(json, "labels", group.labels.pairs());
  json.key("receiver").begin_object().member("name", group.receiver).end_object();
  json.end_object();
}

void write_silence(JsonWriter& json, const alerts::Silence& silence, int64_t now_ms) {
  json.begin_object().member("id", silence.id);
  json.key("status").begin_object();
  json.member("state", state_name(silence.state_at(now_ms))).end_object();
  write_time(json, "updatedAt", silence.updated_at_ms);
  if (!silence.annotations.empty()) write_pairs(json, "annotations", silence.annotations);
  json.member("comment", silence.comment).member("createdBy", silence.created_by);
  write_time(json, "endsAt", silence.ends_at_ms);
  json.key("matchers").begin_array();
  for (const Matcher& matcher : silence.matchers) {
    const bool regex =
        matcher.op() == Matcher::Op::kRegex || matcher.op() == Matcher::Op::kNotRegex;
    json.begin_object().member("isEqual", !matcher.negative()).member("isRegex", regex);
    json.member("name", matcher.name()).member("value", matcher.value()).end_object();
  }
  json.end_array();
  if (silence.recurrence) {
    json.key("recurrence").begin_object().key("weekdays").begin_array();
    for (const int day : silence.recurrence->weekdays) json.integer(day);
    json.end_array();
    if (silence.recurrence->until_ms != 0) write_time(json, "until", silence.recurrence->until_ms);
    json.member("location", silence.recurrence->location).end_object();
  }
  write_time(json, "startsAt", silence.starts_at_ms);
  json.end_object();
}

std::optional<BodyProblem> read_alerts(const JsonView& root, std::vector<model::Alert>& out) {
  if (!root.is_array()) {
    return unparsable("alerts", "json: cannot unmarshal " + std::string(kind_of(root)) +
                                    " into Go value of type models.PostableAlerts");
  }
  out.reserve(root.size());
  for (const JsonView item : root.items()) {
    model::Alert alert;
    if (auto problem = read_alert(item, out.size(), alert)) return problem;
    out.push_back(std::move(alert));
  }
  return std::nullopt;
}

std::optional<BodyProblem> read_silence(const JsonView& root, std::string_view named,
                                        alerts::Silence& out) {
  if (!root.is_object()) {
    return unparsable("silence", "json: cannot unmarshal " + std::string(kind_of(root)) +
                                     " into Go value of type models.PostableSilence");
  }
  const auto text = [&root](std::string_view key) { return root[key].string(); };
  if (!text("comment")) return missing("comment");
  if (!text("createdBy") && named.empty()) return missing("createdBy");
  if (!root["endsAt"].present() || root["endsAt"].is_null()) return missing("endsAt");
  if (!root["matchers"].is_array()) return missing("matchers");
  if (root["matchers"].size() == 0) {
    return BodyProblem{612, "matchers in body should have at least 1 items"};
  }
  if (!root["startsAt"].present() || root["startsAt"].is_null()) return missing("startsAt");
  out.id = text("id").value_or("");
  out.comment = *text("comment");
  out.created_by = text("createdBy").value_or("");
  if (out.created_by.empty()) out.created_by = named;
  if (auto problem = read_time(root["startsAt"], "silence", out.starts_at_ms)) return problem;
  if (auto problem = read_time(root["endsAt"], "silence", out.ends_at_ms)) return problem;
  for (const JsonView matcher : root["matchers"].items()) {
    if (auto problem = read_matcher(matcher, out.matchers.size(), out.matchers)) return problem;
  }
  if (!read_pairs(root["annotations"], out.annotations)) {
    return unparsable("silence", "json: cannot unmarshal into Go value of type models.LabelSet");
  }
  return read_recurrence(root["recurrence"], out);
}

}  // namespace gatehouse::api

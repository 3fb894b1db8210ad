#include "alerts/silence_text.h"

#include "wire/json.h"

namespace gatehouse::alerts {

namespace {

using Op = model::Matcher::Op;

Result<model::Matcher> matcher_from(const wire::JsonView& json) {
  const auto name = json["name"].string();
  const auto value = json["value"].string();
  if (!name || !value) return data_loss("a stored silence has a matcher without name or value");
  const bool equal = json["isEqual"].boolean().value_or(true);
  const bool regex = json["isRegex"].boolean().value_or(false);
  const Op op = regex ? (equal ? Op::kRegex : Op::kNotRegex) : (equal ? Op::kEqual : Op::kNotEqual);
  return model::Matcher::create(op, std::string(*name), std::string(*value));
}

std::string text_of(const wire::JsonView& json) {
  const auto text = json.string();
  return text ? std::string(*text) : std::string();
}

}  // namespace

std::string silence_to_json(const Silence& silence) {
  std::string out;
  wire::JsonWriter json(out);
  json.begin_object().key("matchers").begin_array();
  for (const model::Matcher& matcher : silence.matchers) {
    const bool regex = matcher.op() == Op::kRegex || matcher.op() == Op::kNotRegex;
    json.begin_object().member("name", matcher.name()).member("value", matcher.value());
    json.member("isRegex", regex).member("isEqual", !matcher.negative()).end_object();
  }
  json.end_array().member("starts_at_ms", silence.starts_at_ms);
  json.member("ends_at_ms", silence.ends_at_ms).member("updated_at_ms", silence.updated_at_ms);
  json.member("created_by", silence.created_by).member("comment", silence.comment);
  json.key("annotations").begin_array();
  for (const auto& [name, value] : silence.annotations) {
    json.begin_object().member("name", name).member("value", value).end_object();
  }
  json.end_array();
  if (silence.recurrence) {
    json.key("recurrence").begin_object().key("weekdays").begin_array();
    for (const int day : silence.recurrence->weekdays) json.integer(day);
    json.end_array().member("until_ms", silence.recurrence->until_ms);
    json.member("location", silence.recurrence->location).end_object();
  }
  json.end_object();
  return out;
}

Result<Silence> silence_from_json(std::string_view id, std::string_view text) {
  ASSIGN_OR_RETURN(const auto document, wire::JsonDocument::parse(text));
  const wire::JsonView root = document.root();
  Silence silence;
  silence.id = id;
  for (const wire::JsonView each : root["matchers"].items()) {
    ASSIGN_OR_RETURN(auto matcher, matcher_from(each));
    silence.matchers.push_back(std::move(matcher));
  }
  silence.starts_at_ms = root["starts_at_ms"].integer().value_or(0);
  silence.ends_at_ms = root["ends_at_ms"].integer().value_or(0);
  silence.updated_at_ms = root["updated_at_ms"].integer().value_or(0);
  silence.created_by = text_of(root["created_by"]);
  silence.comment = text_of(root["comment"]);
  for (const wire::JsonView each : root["annotations"].items()) {
    silence.annotations.emplace_back(text_of(each["name"]), text_of(each["value"]));
  }
  if (const wire::JsonView json = root["recurrence"]; json.present()) {
    Recurrence recurrence;
    for (const wire::JsonView day : json["weekdays"].items()) {
      recurrence.weekdays.push_back(static_cast<int>(day.integer().value_or(0)));
    }
    recurrence.until_ms = json["until_ms"].integer().value_or(0);
    recurrence.location = text_of(json["location"]);
    silence.recurrence = std::move(recurrence);
  }
  return silence;
}

}  // namespace gatehouse::alerts

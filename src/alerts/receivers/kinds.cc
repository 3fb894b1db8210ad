#include "alerts/receivers/kinds.h"

namespace gatehouse::alerts {

namespace {

// What is wrong with a URL of the configuration, in Alertmanager's words; empty: nothing.
std::string url_fault(std::string_view url) {
  const size_t colon = url.find(':');
  const std::string_view scheme = colon == std::string_view::npos ? "" : url.substr(0, colon);
  if (scheme != "http" && scheme != "https") {
    return "unsupported scheme \"" + std::string(scheme) + "\" for URL";
  }
  const std::string_view rest = url.substr(colon + 1);
  if (!rest.starts_with("//") || rest.find_first_not_of("/?#") != 2) {
    return "missing host for URL";
  }
  return {};
}

}  // namespace

bool read_url(wire::ConfigFields& fields, std::string_view key, std::string& out) {
  const wire::YamlNode* node = fields.take(key);
  if (node == nullptr || !fields.text(key, out)) return false;
  const std::string fault = url_fault(out);
  if (fault.empty()) return true;
  fields.log().problem(node->mark, std::string(key) + ": " + fault);
  return false;
}

void read_secret_url(wire::ConfigFields& fields, std::string_view key, model::SecretText& out) {
  fields.secret(key, out);
  const wire::YamlNode* node = fields.take(key);
  // What the configuration's own view shows for a secret is taken for one; a template's outcome
  // is known when it is used.
  const bool later = out.text == "<secret>" || out.text.find("{{") != std::string::npos;
  if (node == nullptr || out.text.empty() || later) return;
  const std::string fault = url_fault(out.text);
  if (!fault.empty()) fields.log().problem(node->mark, std::string(key) + ": " + fault);
}

void read_host_port(wire::ConfigFields& fields, std::string_view key, std::string& out) {
  const wire::YamlNode* node = fields.take(key);
  if (node == nullptr || !fields.text(key, out) || out.empty()) return;
  const size_t colon = out.rfind(':');
  const std::string quoted = "address \"" + out + "\": ";
  if (colon == std::string::npos || out.find(']', colon) != std::string::npos) {
    fields.log().problem(node->mark, quoted + "missing port in address");
  } else if (colon + 1 == out.size()) {
    fields.log().problem(node->mark, quoted + "port cannot be empty");
  }
}

void require_secret(wire::ConfigFields& fields, std::string_view key,
                    const model::SecretText& secret) {
  if (!secret.empty()) return;
  const std::string name(key);
  fields.log().problem(fields.mark(),
                       "one of " + name + " or " + name + "_file must be configured");
}

void require_text(wire::ConfigFields& fields, std::string_view text, std::string_view problem) {
  if (text.empty()) fields.log().problem(fields.mark(), problem);
}

void fall_back(wire::ConfigFields& fields, model::SecretText& secret,
               const model::SecretText& global, std::string_view problem) {
  if (secret.empty()) secret = global;
  if (secret.empty()) fields.log().problem(fields.mark(), problem);
}

void write_some(wire::JsonWriter& json, std::string_view key, const std::string& text) {
  if (!text.empty()) json.member(key, text);
}

std::vector<AttachmentField> read_attachment_fields(wire::ConfigFields& fields,
                                                    std::string_view program) {
  std::vector<AttachmentField> out;
  const wire::YamlNode* list = fields.take("fields");
  if (list == nullptr) return out;
  const std::string where = std::string(program) + " field configuration";
  for (const wire::YamlNode* item : list->items) {
    wire::ConfigFields inner(fields.log(), *item, "fields");
    AttachmentField& field = out.emplace_back();
    inner.text("title", field.title);
    inner.text("value", field.value);
    bool beside = false;
    if (inner.boolean("short", beside)) field.short_field = beside;
    inner.done();
    require_text(inner, field.title, "missing title in " + where);
    require_text(inner, field.value, "missing value in " + where);
  }
  return out;
}

void write_attachment_fields(wire::JsonWriter& json, const std::vector<AttachmentField>& fields,
                             bool short_fields, Attempt& attempt) {
  if (fields.empty()) return;
  json.key("fields").begin_array();
  for (const AttachmentField& field : fields) {
    json.begin_object();
    write_some(json, "title", attempt.text(field.title));
    write_some(json, "value", attempt.text(field.value));
    json.member("short", field.short_field.value_or(short_fields));
    json.end_object();
  }
  json.end_array();
}

std::string with_path(std::string url, std::string_view path) {
  if (!url.ends_with('/')) url += '/';
  url += path;
  return url;
}

}  // namespace gatehouse::alerts

#include "alerts/templated_value.h"

namespace gatehouse::alerts {

namespace {

using Kind = TemplatedValue::Kind;

void write(wire::JsonWriter& json, const TemplatedValue& value, Attempt* attempt);

// Text that a template made: what it reads as in YAML. Its strings are no templates again, so
// that a label's value cannot be one; and "Latency: high" stays a sentence, where Alertmanager
// makes it a mapping.
void write_made(wire::JsonWriter& json, const std::string& text) {
  const auto parsed = wire::parse_yaml(text);
  const bool one = parsed.ok() && parsed->documents().size() == 1;
  const wire::YamlNode* root = one && !text.empty() ? parsed->documents().front() : nullptr;
  const bool sentence = root == nullptr || (root->is_scalar() && root->is_string()) ||
                        (root->is_mapping() && !text.starts_with('{'));
  if (sentence) {
    json.string(text);
    return;
  }
  write(json, TemplatedValue::from(*root), nullptr);
}

void write(wire::JsonWriter& json, const TemplatedValue& value, Attempt* attempt) {
  switch (value.kind) {
    case Kind::kNull: json.null(); break;
    case Kind::kBoolean: json.boolean(value.boolean); break;
    case Kind::kInteger: json.integer(value.integer); break;
    case Kind::kNumber: json.number(value.number); break;
    case Kind::kString:
      if (attempt == nullptr) {
        json.string(value.text);
      } else {
        write_made(json, attempt->text(value.text, Plain::kSubject));
      }
      break;
    case Kind::kList:
      json.begin_array();
      for (const TemplatedValue& item : value.items) write(json, item, attempt);
      json.end_array();
      break;
    case Kind::kMapping:
      json.begin_object();
      for (const auto& [name, entry] : value.entries) {
        json.key(attempt == nullptr ? name : attempt->text(name));
        write(json, entry, attempt);
      }
      json.end_object();
      break;
  }
}

}  // namespace

TemplatedValue TemplatedValue::from(const wire::YamlNode& node) {
  TemplatedValue out;
  if (node.is_sequence()) {
    out.kind = Kind::kList;
    for (const wire::YamlNode* item : node.items) out.items.push_back(from(*item));
  } else if (node.is_mapping()) {
    out.kind = Kind::kMapping;
    for (const wire::YamlEntry& entry : node.entries) {
      if (entry.key->is_scalar()) out.entries.emplace_back(entry.key->value, from(*entry.value));
    }
  } else if (const auto boolean = node.boolean()) {
    out.kind = Kind::kBoolean;
    out.boolean = *boolean;
  } else if (const auto integer = node.integer()) {
    out.kind = Kind::kInteger;
    out.integer = *integer;
  } else if (const auto number = node.number()) {
    out.kind = Kind::kNumber;
    out.number = *number;
  } else if (!node.is_null()) {
    out.kind = Kind::kString;
    out.text = node.value;
  }
  return out;
}

void write_templated(wire::JsonWriter& json, const TemplatedValue& value, Attempt& attempt) {
  write(json, value, &attempt);
}

}  // namespace gatehouse::alerts

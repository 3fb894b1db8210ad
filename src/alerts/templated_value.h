// TemplatedValue: a JSON value whose strings are templates, as users write it in YAML: Jira's
// fields, a webhook's payload. A string that comes out as a number, a list or a mapping of YAML
// is that value (Alertmanager's DeepCopyWithTemplate).
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "alerts/attempt.h"
#include "wire/json.h"
#include "wire/yaml.h"

namespace gatehouse::alerts {

struct TemplatedValue {
  enum class Kind { kNull, kBoolean, kInteger, kNumber, kString, kList, kMapping };
  Kind kind = Kind::kNull;
  bool boolean = false;
  int64_t integer = 0;
  double number = 0;
  std::string text;
  std::vector<TemplatedValue> items;
  std::vector<std::pair<std::string, TemplatedValue>> entries;

  static TemplatedValue from(const wire::YamlNode& node);
};

// Appends the value with its templates executed.
void write_templated(wire::JsonWriter& json, const TemplatedValue& value, Attempt& attempt);

}  // namespace gatehouse::alerts

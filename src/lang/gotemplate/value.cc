#include "lang/gotemplate/value.h"

#include <algorithm>

#include "lang/gotemplate/format.h"
#include "lang/gotemplate/go_time.h"

namespace gatehouse::gotemplate {
namespace {

bool is_text(const Value& value) { return value.as<std::string>() != nullptr; }

std::string_view name_of(SafeText::Kind kind) {
  switch (kind) {
    case SafeText::Kind::kHtml: return "template.HTML";
    case SafeText::Kind::kUrl: return "template.URL";
    case SafeText::Kind::kJs: return "template.JS";
    case SafeText::Kind::kCss: return "template.CSS";
    case SafeText::Kind::kAttribute: return "template.HTMLAttr";
  }
  return "";
}

}  // namespace

Value Object::json() const {
  if (const List* elements = list()) return Value(*elements);
  if (const Map* members = map()) return Value(*members);
  return Value(text());
}

bool Value::truth() const {
  if (const auto* flag = as<bool>()) return *flag;
  if (const auto* whole = as<int64_t>()) return *whole != 0;
  if (const auto* number = as<double>()) return *number != 0;
  if (const auto* duration = as<Duration>()) return duration->ns != 0;
  if (const std::string* text = text_of(*this)) return !text->empty();
  if (const auto* list = as<std::shared_ptr<const List>>()) return !(*list)->empty();
  if (const auto* map = as<std::shared_ptr<const Map>>()) return !(*map)->empty();
  if (const auto* object = as<std::shared_ptr<const Object>>()) {
    if (!*object) return false;
    if (const List* list = (*object)->list()) return !list->empty();
    if (const Map* map = (*object)->map()) return !map->empty();
  }
  return !nil();
}

std::string Value::text() const {
  if (const std::string* text = text_of(*this)) return *text;
  if (const auto* time = as<Time>()) return time_text(*time);
  if (const auto* object = as<std::shared_ptr<const Object>>()) {
    return *object ? (*object)->text() : "<nil>";
  }
  return sprint({this, 1}).value_or("");
}

std::string_view Value::type_name() const {
  if (nil()) return "<nil>";
  if (as<bool>()) return "bool";
  if (as<int64_t>()) return "int";
  if (as<double>()) return "float64";
  if (as<std::string>()) return "string";
  if (as<Time>()) return "time.Time";
  if (as<Duration>()) return "time.Duration";
  if (const auto* safe = as<SafeText>()) return name_of(safe->kind);
  // Lists and maps of texts alone are what Go's programs pass as []string and labels.
  if (const auto* list = as<std::shared_ptr<const List>>()) {
    const bool texts = !(*list)->empty() && std::all_of((*list)->begin(), (*list)->end(), is_text);
    return texts ? "[]string" : "[]interface {}";
  }
  if (const auto* map = as<std::shared_ptr<const Map>>()) {
    const bool texts =
        !(*map)->empty() && std::all_of((*map)->begin(), (*map)->end(),
                                        [](const auto& entry) { return is_text(entry.second); });
    return texts ? "map[string]string" : "map[string]interface {}";
  }
  const auto* object = as<std::shared_ptr<const Object>>();
  return object && *object ? (*object)->type_name() : "<nil>";
}

}  // namespace gatehouse::gotemplate

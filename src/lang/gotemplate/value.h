// What Go's templates compute with: the values that a template's data may hold, and how
// they read there (truth, comparison, "%v"). After Go 1.24's text/template.
//
// Maps have strings as keys and are ranged in their order, as Go does for sorted keys. An
// Object has fields and methods by name, asked for with arguments; KV, Pairs, times and the
// alerts of a notification are Objects.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace gatehouse::gotemplate {

class Value;
using List = std::vector<Value>;
using Map = std::map<std::string, Value, std::less<>>;

// A moment: Unix nanoseconds, and the zone it is shown in (UTC where empty; a name of the
// zone database, or "Local").
struct Time {
  int64_t unix_ns = 0;
  std::string zone;
};

struct Duration {
  int64_t ns = 0;
};

// Text that html/template passes unescaped where its kind fits (template.HTML, .URL, ...).
struct SafeText {
  enum class Kind : uint8_t { kHtml, kUrl, kJs, kCss, kAttribute };
  Kind kind = Kind::kHtml;
  std::string text;
};

class Object {
 public:
  virtual ~Object() = default;
  // The field or method of that name; nullopt: there is none. An error ends the template.
  virtual std::optional<Result<Value>> member(std::string_view name,
                                              std::span<const Value> arguments) const = 0;
  // What "{{ . }}" prints.
  virtual std::string text() const = 0;
  // As messages name it: "template.Alert".
  virtual std::string_view type_name() const { return "object"; }
  // What range goes over, and index, len and slice take; null: none of it.
  virtual const List* list() const { return nullptr; }
  virtual const Map* map() const { return nullptr; }
  // What toJson writes: by default the list, the map or the text.
  virtual Value json() const;
};

class Value {
 public:
  using Variant = std::variant<std::monostate, bool, int64_t, double, std::string, Time, Duration,
                               SafeText, std::shared_ptr<const List>, std::shared_ptr<const Map>,
                               std::shared_ptr<const Object>>;

  Value() = default;  // nil
  Value(bool value) : value_(value) {}
  Value(int value) : value_(static_cast<int64_t>(value)) {}
  Value(int64_t value) : value_(value) {}
  Value(double value) : value_(value) {}
  Value(std::string value) : value_(std::move(value)) {}
  Value(std::string_view value) : value_(std::string(value)) {}
  Value(const char* value) : value_(std::string(value)) {}
  Value(Time value) : value_(std::move(value)) {}
  Value(Duration value) : value_(value) {}
  Value(SafeText value) : value_(std::move(value)) {}
  Value(List value) : value_(std::make_shared<const List>(std::move(value))) {}
  Value(Map value) : value_(std::make_shared<const Map>(std::move(value))) {}
  Value(std::shared_ptr<const Object> value) : value_(std::move(value)) {}

  const Variant& variant() const { return value_; }
  template <typename T>
  const T* as() const {
    return std::get_if<T>(&value_);
  }
  bool nil() const { return value_.index() == 0; }
  // Not nil, false, 0, "", nor empty.
  bool truth() const;
  // As "%v" prints it.
  std::string text() const;
  // "string", "int", "map[string]...": for messages.
  std::string_view type_name() const;

 private:
  Variant value_;
};

// What templates may call by name. An error ends the template.
using Function = std::function<Result<Value>(std::span<const Value> arguments)>;
using Functions = std::map<std::string, Function, std::less<>>;

}  // namespace gatehouse::gotemplate

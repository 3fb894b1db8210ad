// The types that config_table.cc is made of.
#include "app/config_schema.h"

#include <charconv>
#include <cmath>
#include <limits>
#include <map>

#include "base/text.h"

namespace gatehouse::app {

using wire::JsonWriter;
using wire::YamlNode;

namespace {

// A value of a message: quoted, short, or not at all where it must stay hidden.
std::string got(const ScalarText& given) {
  if (given.hidden) return "got something else (not shown, as it may be secret)";
  constexpr size_t kShown = 60;
  std::string shown = given.text.substr(0, kShown);
  if (given.text.size() > kShown) shown += "…";
  return "got \"" + shown + "\"";
}

constexpr std::string_view kSubstitution = "\\$\\{";

// A value of another type may also be a string that is substituted.
void or_substituted(JsonWriter& out, const std::function<void()>& own) {
  out.key("anyOf").begin_array().begin_object();
  own();
  out.end_object().begin_object().member("type", "string").member("pattern", kSubstitution);
  out.end_object().end_array();
}

// A type whose value is one scalar.
class ScalarType : public Type {
 public:
  explicit ScalarType(std::string label) : label_(std::move(label)) {}
  std::string label() const override { return label_; }
  void read(ConfigReader& reader, const YamlNode& node, const std::string& path,
            void* target) const override {
    const auto given = reader.scalar(node, path, label_);
    if (!given) return;
    const std::string expected = set(*given, target);
    if (!expected.empty()) {
      reader.problem(node.mark, path + ": expected " + expected + ", " + got(*given), advice());
    }
  }

 protected:
  // "" or what was expected.
  virtual std::string set(const ScalarText& given, void* target) const = 0;
  virtual std::string advice() const { return {}; }

 private:
  std::string label_;
};

std::string quoted(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

class TextType : public ScalarType {
 public:
  TextType(std::string label, TextCheck check, std::string example, bool secret)
      : ScalarType(std::move(label)),
        check_(std::move(check)),
        example_(std::move(example)),
        secret_(secret) {}
  void read(ConfigReader& reader, const YamlNode& node, const std::string& path,
            void* target) const override {
    auto given = reader.scalar(node, path, label());
    if (!given) return;
    if (!given->is_string && !given->hidden) {
      reader.problem(node.mark, path + ": expected text, got a " + kind_of(node),
                     "put it in quotes");
      return;
    }
    given->hidden |= secret_;
    const std::string expected = check_ ? check_(given->text) : "";
    if (!expected.empty()) {
      reader.problem(node.mark, path + ": expected " + expected + ", " + got(*given), advice());
      return;
    }
    *static_cast<std::string*>(target) = given->text;
  }
  void schema(JsonWriter& out) const override { out.member("type", "string"); }
  std::string show(const void* value) const override {
    if (secret_) return {};
    const auto& text = *static_cast<const std::string*>(value);
    return text.empty() ? text : quoted(text);
  }
  bool equal(const void* a, const void* b) const override {
    return *static_cast<const std::string*>(a) == *static_cast<const std::string*>(b);
  }

 protected:
  std::string set(const ScalarText&, void*) const override { return {}; }
  std::string advice() const override { return example_.empty() ? "" : "for example " + example_; }

 private:
  static std::string kind_of(const YamlNode& node) {
    if (node.is_null()) return "null";
    return node.boolean() ? "bool" : "number";
  }
  TextCheck check_;
  std::string example_;
  bool secret_;
};

class BoolType : public ScalarType {
 public:
  BoolType() : ScalarType("bool") {}
  void schema(JsonWriter& out) const override {
    or_substituted(out, [&] { out.member("type", "boolean"); });
  }
  std::string show(const void* value) const override {
    return *static_cast<const bool*>(value) ? "true" : "false";
  }
  bool equal(const void* a, const void* b) const override {
    return *static_cast<const bool*>(a) == *static_cast<const bool*>(b);
  }

 protected:
  std::string set(const ScalarText& given, void* target) const override {
    const bool yes = given.text == "true";
    if (!yes && given.text != "false") return "true or false";
    *static_cast<bool*>(target) = yes;
    return {};
  }
};

template <typename T>
class IntType : public ScalarType {
 public:
  IntType(T least, T most) : ScalarType("whole number"), least_(least), most_(most) {}
  void schema(JsonWriter& out) const override {
    or_substituted(out, [&] {
      out.member("type", "integer").key("minimum").integer(static_cast<int64_t>(least_));
      if (most_ != std::numeric_limits<T>::max()) {
        out.key("maximum").integer(static_cast<int64_t>(most_));
      }
    });
  }
  std::string show(const void* value) const override {
    return std::to_string(*static_cast<const T*>(value));
  }
  bool equal(const void* a, const void* b) const override {
    return *static_cast<const T*>(a) == *static_cast<const T*>(b);
  }

 protected:
  std::string set(const ScalarText& given, void* target) const override {
    T value{};
    const char* end = given.text.data() + given.text.size();
    const auto parsed = std::from_chars(given.text.data(), end, value);
    if (parsed.ec != std::errc() || parsed.ptr != end || value < least_ || value > most_) {
      if (most_ == std::numeric_limits<T>::max()) {
        return "a whole number of at least " + std::to_string(least_);
      }
      return "a whole number from " + std::to_string(least_) + " to " + std::to_string(most_);
    }
    *static_cast<T*>(target) = value;
    return {};
  }

 private:
  T least_, most_;
};

std::string short_number(double value) {
  char digits[32];
  return {digits, std::to_chars(digits, digits + sizeof digits, value).ptr};
}

class NumberType : public ScalarType {
 public:
  NumberType(double least, double most) : ScalarType("number"), least_(least), most_(most) {}
  void schema(JsonWriter& out) const override {
    or_substituted(out, [&] {
      out.member("type", "number").member("minimum", least_).member("maximum", most_);
    });
  }
  std::string show(const void* value) const override {
    return short_number(*static_cast<const double*>(value));
  }
  bool equal(const void* a, const void* b) const override {
    return *static_cast<const double*>(a) == *static_cast<const double*>(b);
  }

 protected:
  std::string set(const ScalarText& given, void* target) const override {
    const auto value = parse_double(given.text);
    if (!value || !(*value >= least_ && *value <= most_)) {
      return "a number from " + short_number(least_) + " to " + short_number(most_);
    }
    *static_cast<double*>(target) = *value;
    return {};
  }

 private:
  double least_, most_;
};

class DurationType : public ScalarType {
 public:
  explicit DurationType(int64_t least_ms) : ScalarType("duration"), least_ms_(least_ms) {}
  void schema(JsonWriter& out) const override {
    out.member("type", "string")
        .member("pattern", "^([0-9]+(ms|s|m|h|d|w|y))+$|^0$|\\$\\{")
        .key("examples")
        .begin_array()
        .string("30s")
        .string("1h30m")
        .end_array();
  }
  std::string show(const void* value) const override {
    return format_duration(*static_cast<const int64_t*>(value));
  }
  bool equal(const void* a, const void* b) const override {
    return *static_cast<const int64_t*>(a) == *static_cast<const int64_t*>(b);
  }

 protected:
  std::string set(const ScalarText& given, void* target) const override {
    const auto value = parse_duration_ms(given.text);
    if (!value) return "a duration";
    if (*value < least_ms_) return "a duration of at least " + format_duration(least_ms_);
    *static_cast<int64_t*>(target) = *value;
    return {};
  }
  std::string advice() const override { return "write it with its unit, as 250ms, 30s or 1h30m"; }

 private:
  int64_t least_ms_;
};

template <typename T>
class SizeType : public ScalarType {
 public:
  explicit SizeType(T least) : ScalarType("size"), least_(least) {}
  void schema(JsonWriter& out) const override {
    out.key("anyOf").begin_array().begin_object().member("type", "integer").member("minimum", 0);
    out.end_object().begin_object().member("type", "string");
    out.member("pattern", "^[0-9]+ *(B|kB|KB|MB|GB|KiB|MiB|GiB|TiB)?$|\\$\\{");
    out.key("examples").begin_array().string("32MiB").end_array().end_object().end_array();
  }
  std::string show(const void* value) const override {
    return show_size(*static_cast<const T*>(value));
  }
  static std::string show_size(T bytes) {
    auto size = static_cast<uint64_t>(bytes);
    constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    while (unit < 4 && size >= 1024 && size % 1024 == 0) {
      size /= 1024;
      ++unit;
    }
    return std::to_string(size) + (size == 0 ? "" : kUnits[unit]);
  }
  bool equal(const void* a, const void* b) const override {
    return *static_cast<const T*>(a) == *static_cast<const T*>(b);
  }

 protected:
  std::string set(const ScalarText& given, void* target) const override {
    const auto value = parse_size_bytes(given.text);
    if (!value) return "a size";
    if (static_cast<T>(*value) < least_) return "a size of at least " + show_size(least_);
    *static_cast<T*>(target) = static_cast<T>(*value);
    return {};
  }
  std::string advice() const override { return "write it with its unit, as 64KiB, 32MiB or 10GiB"; }

 private:
  T least_;
};

// Decimal text times 10^digits, exactly; none where that is no whole number or
// does not fit.
std::optional<int64_t> scaled_decimal(std::string_view text, int digits) {
  const size_t point = text.find('.');
  const std::string_view whole = text.substr(0, point);
  std::string_view fraction = point == std::string_view::npos ? "" : text.substr(point + 1);
  if (point != std::string_view::npos && fraction.empty()) return {};
  while (fraction.ends_with('0')) fraction.remove_suffix(1);
  if (whole.empty() || fraction.size() > static_cast<size_t>(digits)) return {};
  std::string all(whole);
  all += fraction;
  all.append(static_cast<size_t>(digits) - fraction.size(), '0');
  if (all.find_first_not_of("0123456789") != std::string::npos) return {};
  const auto value = parse_uint(all);
  if (!value || *value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return {};
  return static_cast<int64_t>(*value);
}

class MoneyType : public ScalarType {
 public:
  MoneyType(std::string label, int digits) : ScalarType(std::move(label)), digits_(digits) {}
  void schema(JsonWriter& out) const override {
    or_substituted(out, [&] { out.member("type", "number").member("minimum", 0); });
  }
  std::string show(const void* value) const override {
    int64_t scaled = *static_cast<const int64_t*>(value);
    if (scaled < 0) return {};
    std::string text = std::to_string(scaled);
    const auto places = static_cast<size_t>(digits_);
    if (text.size() <= places) text.insert(0, places + 1 - text.size(), '0');
    text.insert(text.size() - places, ".");
    while (text.ends_with('0')) text.pop_back();
    if (text.ends_with('.')) text.pop_back();
    return text;
  }
  bool equal(const void* a, const void* b) const override {
    return *static_cast<const int64_t*>(a) == *static_cast<const int64_t*>(b);
  }

 protected:
  std::string set(const ScalarText& given, void* target) const override {
    const auto value = scaled_decimal(given.text, digits_);
    if (!value) {
      return "an amount in dollars with at most " + std::to_string(digits_) + " decimals";
    }
    *static_cast<int64_t*>(target) = *value;
    return {};
  }
  std::string advice() const override { return "write it as 2.50, without a sign or exponent"; }

 private:
  int digits_;
};

class ChoiceType : public ScalarType {
 public:
  ChoiceType(std::vector<std::string> names, std::function<void(void*, size_t)> set,
             std::function<size_t(const void*)> get)
      : ScalarType("one of"),
        names_(std::move(names)),
        set_(std::move(set)),
        get_(std::move(get)) {}
  std::string label() const override { return listed(); }
  void read(ConfigReader& reader, const YamlNode& node, const std::string& path,
            void* target) const override {
    const auto given = reader.scalar(node, path, "name");
    if (!given) return;
    for (size_t i = 0; i < names_.size(); ++i) {
      if (names_[i] == given->text) return set_(target, i);
    }
    const std::vector<std::string_view> names(names_.begin(), names_.end());
    const auto meant = given->hidden ? std::nullopt : closest(given->text, names);
    reader.problem(node.mark, path + ": expected one of " + listed() + ", " + got(*given),
                   meant ? "did you mean \"" + std::string(*meant) + "\"?" : "");
  }
  void schema(JsonWriter& out) const override {
    or_substituted(out, [&] {
      out.key("enum").begin_array();
      for (const std::string& name : names_) out.string(name);
      out.end_array();
    });
  }
  std::string show(const void* value) const override { return names_[get_(value)]; }
  bool equal(const void* a, const void* b) const override { return get_(a) == get_(b); }

 protected:
  std::string set(const ScalarText&, void*) const override { return {}; }

 private:
  std::string listed() const {
    std::string out;
    for (const std::string& name : names_) out += (out.empty() ? "" : ", ") + name;
    return out;
  }
  std::vector<std::string> names_;
  std::function<void(void*, size_t)> set_;
  std::function<size_t(const void*)> get_;
};

using StringMap = std::map<std::string, std::string>;

class MapType : public Type {
 public:
  MapType(std::string label, TextCheck check_key, TextCheck check_value)
      : label_(std::move(label)),
        check_key_(std::move(check_key)),
        value_("string", std::move(check_value), {}, true) {}
  void read(ConfigReader& reader, const YamlNode& node, const std::string& path,
            void* target) const override {
    if (!node.is_mapping()) {
      reader.problem(node.mark, path + ": expected a " + label_);
      return;
    }
    auto& map = *static_cast<StringMap*>(target);
    map.clear();
    for (const auto& [key, value] : node.entries) {
      const std::string expected = key->is_scalar() ? check_key_(key->value) : "a name";
      if (!expected.empty()) {
        reader.problem(key->mark, path + ": expected " + expected + ", got \"" + key->value + "\"");
        continue;
      }
      const auto [place, fresh] = map.emplace(key->value, std::string());
      if (!fresh) {
        reader.problem(key->mark, path + ": the key \"" + key->value + "\" occurs twice",
                       "remove one of them");
        continue;
      }
      value_.read(reader, *value, path + "." + key->value, &place->second);
    }
  }
  void schema(JsonWriter& out) const override {
    out.member("type", "object").key("additionalProperties").begin_object();
    out.member("type", "string").end_object();
  }
  std::string label() const override { return label_; }
  std::string show(const void*) const override { return "{}"; }
  bool equal(const void* a, const void* b) const override {
    return *static_cast<const StringMap*>(a) == *static_cast<const StringMap*>(b);
  }

 private:
  std::string label_;
  TextCheck check_key_;
  TextType value_;  // hidden in messages: headers carry credentials
};

}  // namespace

void ObjectType::read(ConfigReader& reader, const YamlNode& node, const std::string& path,
                      void* target) const {
  const std::string before = path.empty() ? "" : path + ".";
  // "storage:" with nothing below it is what is left when all lines under it
  // are commented out.
  if (!node.is_mapping() && !node.is_null()) {
    reader.problem(node.mark, (path.empty() ? "" : path + ": ") + "expected a mapping, got a " +
                                  (node.is_sequence() ? "list" : "single value"));
    return;
  }
  std::map<std::string_view, const YamlNode*> seen;
  for (const auto& [key, value] : node.entries) {
    const std::string name = key->is_scalar() ? key->value : "";
    if (extensions && name.starts_with("x-")) continue;
    const auto [known, fresh] = seen.emplace(key->value, key);
    if (!fresh) {
      reader.problem(key->mark,
                     "the key \"" + before + name + "\" occurs twice, first on line " +
                         std::to_string(known->second->mark.line),
                     "remove one of them");
      continue;
    }
    const Field* found = nullptr;
    std::vector<std::string_view> names;
    for (const Field& field : fields) {
      names.push_back(field.name);
      if (field.name == name) found = &field;
    }
    if (found == nullptr) {
      const auto meant = closest(name, names);
      std::string all;
      for (const auto& each : names) all.append(all.empty() ? "" : ", ").append(each);
      reader.problem(
          key->mark, "unknown key \"" + before + name + "\"",
          meant ? "did you mean \"" + std::string(*meant) + "\"?" : "the keys here are " + all);
      continue;
    }
    found->type->read(reader, *value, before + name, found->value_of(target));
  }
  for (const Field& field : fields) {
    if (field.required && seen.count(field.name) == 0) {
      reader.problem(node.mark,
                     (path.empty() ? "" : path + ": ") + "\"" + field.name + "\" is missing");
    }
  }
  if (check) check(reader, node, path, target);
}

void ObjectType::schema(JsonWriter& out) const {
  out.member("type", "object").member("additionalProperties", false);
  out.key("properties").begin_object();
  const auto defaults = make();
  for (const Field& field : fields) {
    out.key(field.name).begin_object();
    std::string description = field.description;
    const std::string shown = field.default_text.empty()
                                  ? field.type->show(field.value_of(defaults.get()))
                                  : field.default_text;
    if (!field.required && !shown.empty()) description += " Default: " + shown + ".";
    out.member("description", description);
    field.type->schema(out);
    out.end_object();
  }
  out.end_object();
  if (extensions) {
    out.key("patternProperties").begin_object().key("^x-").begin_object().end_object().end_object();
  }
  out.key("required").begin_array();
  for (const Field& field : fields) {
    if (field.required) out.string(field.name);
  }
  out.end_array();
}

bool ObjectType::equal(const void* a, const void* b) const {
  for (const Field& field : fields) {
    // value_of only computes an address.
    if (!field.type->equal(field.value_of(const_cast<void*>(a)),
                           field.value_of(const_cast<void*>(b)))) {
      return false;
    }
  }
  return true;
}

std::string with_place(const std::string& path, size_t index) {
  return path + "[" + std::to_string(index) + "]";
}

void read_list(ConfigReader& reader, const YamlNode& node, const std::string& path,
               const Type& element, bool single, const std::function<void()>& clear,
               const std::function<void*()>& grow) {
  if (node.is_null()) return;  // as for a mapping with nothing in it
  if (!node.is_sequence()) {
    if (single) {
      clear();
      element.read(reader, node, path, grow());
      return;
    }
    reader.problem(
        node.mark,
        path + ": expected a list, got a " + (node.is_mapping() ? "mapping" : "single value"),
        "begin each item with \"- \"");
    return;
  }
  clear();
  size_t index = 0;
  for (const YamlNode* item : node.items) {
    element.read(reader, *item, with_place(path, index++), grow());
  }
}

void list_schema(JsonWriter& out, const Type& element, bool single) {
  if (single) out.key("anyOf").begin_array().begin_object();
  out.member("type", "array").key("items").begin_object();
  element.schema(out);
  out.end_object();
  if (!single) return;
  out.end_object().begin_object();
  element.schema(out);
  out.end_object().end_array();
}

TypePtr text_type(std::string label, TextCheck check, std::string example) {
  return std::make_shared<TextType>(std::move(label), std::move(check), std::move(example), false);
}
TypePtr secret_type() {
  const auto check = [](const std::string& text) {
    for (const char c : text) {
      if (c == '\n' || c == '\r' || c == '\0') return "a secret of one line";
    }
    return text.empty() ? "a secret that is not empty" : "";
  };
  return std::make_shared<TextType>("secret", check, "", true);
}
TypePtr bool_type() { return std::make_shared<BoolType>(); }
TypePtr int_type(int64_t least, int64_t most) {
  return std::make_shared<IntType<int>>(static_cast<int>(least), static_cast<int>(most));
}
TypePtr int64_type(int64_t least, int64_t most) {
  return std::make_shared<IntType<int64_t>>(least, most);
}
TypePtr count_type(size_t least, size_t most) {
  return std::make_shared<IntType<size_t>>(least, most);
}
TypePtr number_type(double least, double most) { return std::make_shared<NumberType>(least, most); }
TypePtr duration_type(int64_t least_ms) { return std::make_shared<DurationType>(least_ms); }
TypePtr size_type(size_t least) { return std::make_shared<SizeType<size_t>>(least); }
TypePtr size64_type(int64_t least) { return std::make_shared<SizeType<int64_t>>(least); }
TypePtr money_type(std::string label, int digits) {
  return std::make_shared<MoneyType>(std::move(label), digits);
}
TypePtr choice_type(std::vector<std::string> names, std::function<void(void*, size_t)> set,
                    std::function<size_t(const void*)> get) {
  return std::make_shared<ChoiceType>(std::move(names), std::move(set), std::move(get));
}
TypePtr map_type(std::string label, TextCheck check_key, TextCheck check_value) {
  return std::make_shared<MapType>(std::move(label), std::move(check_key), std::move(check_value));
}

}  // namespace gatehouse::app

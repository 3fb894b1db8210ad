// The language in which config_table.cc describes gatehouse.yaml: a Type reads
// a YAML node into a C++ value, and can say of itself what it takes. Types are
// immutable and shared; a value is reached by an untyped pointer that the Type
// of that value casts back, which keeps the table free of template bulk.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/config_reader.h"
#include "wire/json.h"
#include "wire/yaml.h"

namespace gatehouse::app {

class ObjectType;

class Type {
 public:
  virtual ~Type() = default;
  // Reads `node` into the value at `target`, noting problems under `path`.
  virtual void read(ConfigReader& reader, const wire::YamlNode& node, const std::string& path,
                    void* target) const = 0;
  virtual void schema(wire::JsonWriter& out) const = 0;   // the members of a schema object
  virtual std::string label() const = 0;                  // "duration", "list of CIDR"
  virtual std::string show(const void* value) const = 0;  // as YAML; empty: not worth showing
  virtual bool equal(const void* a, const void* b) const = 0;
  // The mapping within, of objects and lists of them.
  virtual const ObjectType* object() const { return nullptr; }
};
using TypePtr = std::shared_ptr<const Type>;

struct Field {
  std::string name;
  TypePtr type;
  std::function<void*(void*)> value_of;  // of the enclosing struct
  std::string description;
  bool required = false;
  std::string default_text;  // where the default depends on something else
};

// A mapping with known keys, read into a struct.
class ObjectType : public Type {
 public:
  // Runs after the fields were read: checks that concern several of them.
  using Check = std::function<void(ConfigReader&, const wire::YamlNode&, const std::string& path,
                                   void* target)>;

  void read(ConfigReader&, const wire::YamlNode&, const std::string&, void*) const override;
  void schema(wire::JsonWriter& out) const override;
  std::string label() const override { return "mapping"; }
  std::string show(const void*) const override { return {}; }
  bool equal(const void* a, const void* b) const override;
  const ObjectType* object() const override { return this; }

  std::vector<Field> fields;
  Check check;
  bool extensions = false;  // keys that begin with x- are passed over
  // A value as constructed, for the defaults.
  std::function<std::shared_ptr<void>()> make;
};

template <typename S>
class ObjectOf : public ObjectType {
 public:
  ObjectOf() {
    make = [] { return std::make_shared<S>(); };
  }
  // `get` is a lambda from S& to a reference to the field's value.
  template <typename Get>
  ObjectOf& add(std::string name, TypePtr type, Get get, std::string description) {
    fields.push_back({std::move(name),
                      std::move(type),
                      [get](void* self) -> void* { return &get(*static_cast<S*>(self)); },
                      std::move(description),
                      false,
                      {}});
    return *this;
  }
  ObjectOf& required() {
    fields.back().required = true;
    return *this;
  }
  ObjectOf& default_is(std::string text) {
    fields.back().default_text = std::move(text);
    return *this;
  }
  template <typename Check>
  ObjectOf& checked(Check function) {
    check = [function](ConfigReader& reader, const wire::YamlNode& node, const std::string& path,
                       void* self) { function(reader, node, path, *static_cast<S*>(self)); };
    return *this;
  }
};

// What a scalar's text must be: "" where it is fine, or what is expected.
using TextCheck = std::function<std::string(const std::string&)>;

TypePtr text_type(std::string label = "string", TextCheck check = {}, std::string example = {});
TypePtr secret_type();  // never shown
TypePtr bool_type();
// A whole number in [least, most], stored as int, int64_t or size_t.
TypePtr int_type(int64_t least, int64_t most);
TypePtr int64_type(int64_t least, int64_t most);
TypePtr count_type(size_t least, size_t most);
TypePtr number_type(double least, double most);
TypePtr duration_type(int64_t least_ms);  // int64_t, milliseconds
TypePtr size_type(size_t least);          // size_t, bytes
TypePtr size64_type(int64_t least);       // int64_t, bytes
// A decimal number of dollars, stored as int64_t: the number times 10^digits,
// exactly. -1 stands for "not given".
TypePtr money_type(std::string label, int digits);
// One of the names, whose places are the enumerators' values (0, 1, …).
TypePtr choice_type(std::vector<std::string> names, std::function<void(void*, size_t)> set,
                    std::function<size_t(const void*)> get);

template <typename E>
TypePtr enum_type(std::vector<std::string> names) {
  return choice_type(
      std::move(names), [](void* at, size_t i) { *static_cast<E*>(at) = static_cast<E>(i); },
      [](const void* at) { return static_cast<size_t>(*static_cast<const E*>(at)); });
}

TypePtr map_type(std::string label, TextCheck check_key,
                 TextCheck check_value);  // std::map<string, string>

// Reads each item of a sequence; with `single`, anything else as its one item.
void read_list(ConfigReader& reader, const wire::YamlNode& node, const std::string& path,
               const Type& element, bool single, const std::function<void()>& clear,
               const std::function<void*()>& grow);
void list_schema(wire::JsonWriter& out, const Type& element, bool single);
std::string with_place(const std::string& path, size_t index);

template <typename T>
class ListType : public Type {
 public:
  ListType(TypePtr element, bool single) : element_(std::move(element)), single_(single) {}

  void read(ConfigReader& reader, const wire::YamlNode& node, const std::string& path,
            void* target) const override {
    auto& list = *static_cast<std::vector<T>*>(target);
    read_list(
        reader, node, path, *element_, single_, [&] { list.clear(); },
        [&]() -> void* { return &list.emplace_back(); });
  }
  void schema(wire::JsonWriter& out) const override { list_schema(out, *element_, single_); }
  std::string label() const override {
    return (single_ ? element_->label() + ", or a list of them" : "list of " + element_->label());
  }
  std::string show(const void* value) const override {
    std::string out;
    for (const T& item : *static_cast<const std::vector<T>*>(value)) {
      out += (out.empty() ? "" : ", ") + element_->show(&item);
    }
    return "[" + out + "]";
  }
  bool equal(const void* a, const void* b) const override {
    const auto& x = *static_cast<const std::vector<T>*>(a);
    const auto& y = *static_cast<const std::vector<T>*>(b);
    if (x.size() != y.size()) return false;
    for (size_t i = 0; i < x.size(); ++i) {
      if (!element_->equal(&x[i], &y[i])) return false;
    }
    return true;
  }
  const ObjectType* object() const override { return element_->object(); }

 private:
  TypePtr element_;
  bool single_;
};

template <typename T>
TypePtr list_type(TypePtr element, bool single = false) {
  return std::make_shared<ListType<T>>(std::move(element), single);
}

// An object that may be absent.
template <typename T>
class OptionalType : public Type {
 public:
  explicit OptionalType(TypePtr inner) : inner_(std::move(inner)) {}
  void read(ConfigReader& reader, const wire::YamlNode& node, const std::string& path,
            void* target) const override {
    auto& value = *static_cast<std::optional<T>*>(target);
    value.emplace();
    inner_->read(reader, node, path, &*value);
  }
  void schema(wire::JsonWriter& out) const override { inner_->schema(out); }
  std::string label() const override { return inner_->label(); }
  std::string show(const void*) const override { return {}; }
  bool equal(const void* a, const void* b) const override {
    const auto& x = *static_cast<const std::optional<T>*>(a);
    const auto& y = *static_cast<const std::optional<T>*>(b);
    if (!x || !y) return x.has_value() == y.has_value();
    return inner_->equal(&*x, &*y);
  }
  const ObjectType* object() const override { return inner_->object(); }

 private:
  TypePtr inner_;
};

}  // namespace gatehouse::app

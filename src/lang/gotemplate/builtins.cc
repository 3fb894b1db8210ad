#include "lang/gotemplate/builtins.h"

#include <cmath>
#include <compare>
#include <optional>

#include "lang/gotemplate/format.h"
#include "lang/gotemplate/quote.h"

namespace gatehouse::gotemplate {
namespace {

using Arguments = std::span<const Value>;

Status at_least(std::string_view name, Arguments arguments, size_t wanted) {
  if (arguments.size() >= wanted) return {};
  return invalid_argument("wrong number of args for " + std::string(name) + ": want at least " +
                          std::to_string(wanted) + " got " + std::to_string(arguments.size()));
}

// --- len, index, slice

Result<Value> length(Arguments arguments) {
  RETURN_IF_ERROR(check_count("len", arguments, 1));
  const Value& value = arguments[0];
  if (value.nil()) return invalid_argument("len of nil pointer");
  if (const std::string* text = text_of(value)) return Value(static_cast<int64_t>(text->size()));
  if (const List* list = list_of(value)) return Value(static_cast<int64_t>(list->size()));
  if (const Map* map = map_of(value)) return Value(static_cast<int64_t>(map->size()));
  return invalid_argument("len of type " + std::string(value.type_name()));
}

Result<size_t> position(const Value& index, size_t size, bool inclusive) {
  if (index.nil()) return invalid_argument("cannot index slice/array with nil");
  const auto* whole = index.as<int64_t>();
  if (!whole) {
    return invalid_argument("cannot index slice/array with type " + std::string(index.type_name()));
  }
  if (*whole < 0 || static_cast<uint64_t>(*whole) >= size + (inclusive ? 1 : 0)) {
    return invalid_argument("index out of range: " + std::to_string(*whole));
  }
  return static_cast<size_t>(*whole);
}

Result<Value> index(Arguments arguments) {
  RETURN_IF_ERROR(at_least("index", arguments, 1));
  Value item = arguments[0];
  if (item.nil()) return invalid_argument("index of untyped nil");
  for (const Value& key : arguments.subspan(1)) {
    if (item.nil()) return invalid_argument("index of nil pointer");
    if (const std::string* text = text_of(item)) {
      ASSIGN_OR_RETURN(const size_t at, position(key, text->size(), false));
      item = Value(static_cast<int64_t>(static_cast<unsigned char>((*text)[at])));
    } else if (const List* list = list_of(item)) {
      ASSIGN_OR_RETURN(const size_t at, position(key, list->size(), false));
      item = Value((*list)[at]);
    } else if (const Map* map = map_of(item)) {
      const std::string* name = text_of(key);
      if (key.nil()) return invalid_argument("value is nil; should be of type string");
      if (!name) {
        return invalid_argument("value has type " + std::string(key.type_name()) +
                                "; should be string");
      }
      const auto found = map->find(*name);
      if (found != map->end()) {
        item = Value(found->second);
      } else {
        // The zero of what the map holds.
        item = !map->empty() && item.type_name() == "map[string]string" ? Value("") : Value();
      }
    } else {
      return invalid_argument("can't index item of type " + std::string(item.type_name()));
    }
  }
  return item;
}

Result<Value> slice(Arguments arguments) {
  RETURN_IF_ERROR(at_least("slice", arguments, 1));
  const Value& item = arguments[0];
  if (item.nil()) return invalid_argument("slice of untyped nil");
  const Arguments bounds = arguments.subspan(1);
  if (bounds.size() > 3) {
    return invalid_argument("too many slice indexes: " + std::to_string(bounds.size()));
  }
  const std::string* text = text_of(item);
  const List* list = text ? nullptr : list_of(item);
  if (!text && !list) {
    return invalid_argument("can't slice item of type " + std::string(item.type_name()));
  }
  if (text && bounds.size() == 3) return invalid_argument("cannot 3-index slice a string");
  const size_t size = text ? text->size() : list->size();
  size_t at[3] = {0, size, size};
  for (size_t i = 0; i < bounds.size(); ++i) {
    ASSIGN_OR_RETURN(at[i], position(bounds[i], size, true));
  }
  for (size_t i = 0; i < 2; ++i) {
    if (at[i] > at[i + 1] && (i == 0 || bounds.size() == 3)) {
      return invalid_argument("invalid slice index: " + std::to_string(at[i]) + " > " +
                              std::to_string(at[i + 1]));
    }
  }
  if (text) return Value(text->substr(at[0], at[1] - at[0]));
  return Value(List(list->begin() + static_cast<ptrdiff_t>(at[0]),
                    list->begin() + static_cast<ptrdiff_t>(at[1])));
}

// --- comparison

enum class Basic { kBool, kInt, kFloat, kText, kOther, kNil };

Basic basic_of(const Value& value) {
  if (value.nil()) return Basic::kNil;
  if (value.as<bool>()) return Basic::kBool;
  if (value.as<int64_t>() || value.as<Duration>()) return Basic::kInt;
  if (value.as<double>()) return Basic::kFloat;
  if (text_of(value)) return Basic::kText;
  return Basic::kOther;
}

int64_t whole_of(const Value& value) {
  const auto* duration = value.as<Duration>();
  return duration ? duration->ns : *value.as<int64_t>();
}

Status incompatible(const Value& a, const Value& b) {
  return invalid_argument("incompatible types for comparison: " + std::string(a.type_name()) +
                          " and " + std::string(b.type_name()));
}

Result<bool> equal(const Value& a, const Value& b) {
  const Basic kind = basic_of(a);
  const Basic other = basic_of(b);
  if (kind == Basic::kNil || other == Basic::kNil) return kind == other;
  if (kind != other) return incompatible(a, b);
  switch (kind) {
    case Basic::kBool: return *a.as<bool>() == *b.as<bool>();
    case Basic::kInt: return whole_of(a) == whole_of(b);
    case Basic::kFloat: return *a.as<double>() == *b.as<double>();
    case Basic::kText: return *text_of(a) == *text_of(b);
    default: break;
  }
  if (const auto* time = a.as<Time>()) {
    const auto* same = b.as<Time>();
    if (!same) return incompatible(a, b);
    return time->unix_ns == same->unix_ns && time->zone == same->zone;
  }
  const auto* object = a.as<std::shared_ptr<const Object>>();
  const auto* other_object = b.as<std::shared_ptr<const Object>>();
  if (object && other_object && !(*object)->list() && !(*object)->map()) {
    return *object == *other_object;
  }
  ASSIGN_OR_RETURN(const std::string text, sprintf("%s", {&a, 1}));
  return invalid_argument("non-comparable type " + text + ": " + std::string(a.type_name()));
}

Result<Value> eq(Arguments arguments) {
  RETURN_IF_ERROR(at_least("eq", arguments, 1));
  if (arguments.size() == 1) return invalid_argument("missing argument for comparison");
  for (const Value& other : arguments.subspan(1)) {
    ASSIGN_OR_RETURN(const bool same, equal(arguments[0], other));
    if (same) return Value(true);
  }
  return Value(false);
}

Result<Value> ne(Arguments arguments) {
  RETURN_IF_ERROR(check_count("ne", arguments, 2));
  ASSIGN_OR_RETURN(const bool same, equal(arguments[0], arguments[1]));
  return Value(!same);
}

Result<std::partial_ordering> order(std::string_view name, Arguments arguments) {
  RETURN_IF_ERROR(check_count(name, arguments, 2));
  const Basic kind = basic_of(arguments[0]);
  const Basic other = basic_of(arguments[1]);
  const auto unordered = [](Basic basic) { return basic == Basic::kOther || basic == Basic::kNil; };
  if (unordered(kind) || unordered(other)) {
    return invalid_argument("invalid type for comparison");
  }
  if (kind != other) return incompatible(arguments[0], arguments[1]);
  if (kind == Basic::kInt) {
    return std::partial_ordering(whole_of(arguments[0]) <=> whole_of(arguments[1]));
  }
  if (kind == Basic::kFloat) return *arguments[0].as<double>() <=> *arguments[1].as<double>();
  if (kind == Basic::kText) {
    return std::partial_ordering(*text_of(arguments[0]) <=> *text_of(arguments[1]));
  }
  return invalid_argument("invalid type for comparison");
}

template <typename Holds>
Function ordering(std::string name, Holds holds) {
  return [name = std::move(name), holds](Arguments arguments) -> Result<Value> {
    ASSIGN_OR_RETURN(const std::partial_ordering found, order(name, arguments));
    return Value(static_cast<bool>(holds(found)));
  };
}

Result<Value> negate(Arguments arguments) {
  RETURN_IF_ERROR(check_count("not", arguments, 1));
  return Value(!arguments[0].truth());
}

Result<Value> call(Arguments arguments) {
  RETURN_IF_ERROR(at_least("call", arguments, 1));
  if (arguments[0].nil()) return invalid_argument("call of nil");
  return invalid_argument("non-function of type " + std::string(arguments[0].type_name()));
}

// --- printing, escaping

Function printing(Result<std::string> (*print)(Arguments)) {
  return [print](Arguments arguments) -> Result<Value> {
    ASSIGN_OR_RETURN(std::string text, print(arguments));
    return Value(std::move(text));
  };
}

Result<Value> print_format(Arguments arguments) {
  RETURN_IF_ERROR(at_least("printf", arguments, 1));
  ASSIGN_OR_RETURN(const std::string format, text_argument(arguments[0]));
  ASSIGN_OR_RETURN(std::string text, sprintf(format, arguments.subspan(1)));
  return Value(std::move(text));
}

Function escaping(std::string (*escape)(std::string_view)) {
  return [escape](Arguments arguments) -> Result<Value> {
    if (arguments.size() == 1) {
      if (const std::string* text = text_of(arguments[0])) return Value(escape(*text));
      if (arguments[0].nil()) return Value(escape("<no value>"));
    }
    ASSIGN_OR_RETURN(const std::string text, sprint(arguments));
    return Value(escape(text));
  };
}

}  // namespace

Status check_count(std::string_view name, Arguments arguments, size_t wanted) {
  if (arguments.size() == wanted) return {};
  return invalid_argument("wrong number of args for " + std::string(name) + ": want " +
                          std::to_string(wanted) + " got " + std::to_string(arguments.size()));
}

Result<std::string> text_argument(const Value& value) {
  if (const std::string* text = text_of(value)) return *text;
  if (value.nil()) return invalid_argument("invalid value; expected string");
  return invalid_argument("wrong type for value; expected string; got " +
                          std::string(value.type_name()));
}

Result<int64_t> int_argument(const Value& value) {
  if (const auto* whole = value.as<int64_t>()) return *whole;
  if (value.nil()) return invalid_argument("invalid value; expected int");
  return invalid_argument("wrong type for value; expected int; got " +
                          std::string(value.type_name()));
}

bool is_call_error(const Status& status) {
  return status.message().starts_with("wrong number of args for ") ||
         status.message().starts_with("wrong type for value; ") ||
         status.message().starts_with("invalid value; expected ");
}

const List* list_of(const Value& value) {
  if (const auto* list = value.as<std::shared_ptr<const List>>()) return list->get();
  const auto* object = value.as<std::shared_ptr<const Object>>();
  return object && *object ? (*object)->list() : nullptr;
}

const Map* map_of(const Value& value) {
  if (const auto* map = value.as<std::shared_ptr<const Map>>()) return map->get();
  const auto* object = value.as<std::shared_ptr<const Object>>();
  return object && *object ? (*object)->map() : nullptr;
}

std::string escape_html(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '\0': out += "\xEF\xBF\xBD"; break;
      case '"': out += "&#34;"; break;
      case '\'': out += "&#39;"; break;
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string escape_js(std::string_view text) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const Rune rune = first_rune(text.substr(at));
    const char c = text[at];
    if (rune.code >= 0x80) {
      if (printable(rune.code)) {
        out.append(text.substr(at, rune.size));
      } else {
        char buffer[16];
        std::snprintf(buffer, sizeof(buffer), "\\u%04X", static_cast<unsigned>(rune.code));
        out += buffer;
      }
    } else if (c == '\\' || c == '\'' || c == '"') {
      out += '\\';
      out += c;
    } else if (c < ' ' || c == '<' || c == '>' || c == '&' || c == '=') {
      out += "\\u00";
      out += kDigits[c >> 4];
      out += kDigits[c & 0xF];
    } else {
      out += c;
    }
    at += rune.size;
  }
  return out;
}

std::string escape_query(std::string_view text) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
        c == '_' || c == '.' || c == '~') {
      out += c;
    } else if (c == ' ') {
      out += '+';
    } else {
      out += '%';
      out += kDigits[byte >> 4];
      out += kDigits[byte & 0xF];
    }
  }
  return out;
}

const Functions& builtins() {
  static const Functions table = {
      {"call", call},
      {"eq", eq},
      {"ge", ordering("ge", [](std::partial_ordering found) { return found >= 0; })},
      {"gt", ordering("gt", [](std::partial_ordering found) { return found > 0; })},
      {"html", escaping(escape_html)},
      {"index", index},
      {"js", escaping(escape_js)},
      {"le", ordering("le", [](std::partial_ordering found) { return found <= 0; })},
      {"len", length},
      {"lt", ordering("lt", [](std::partial_ordering found) { return found < 0; })},
      {"ne", ne},
      {"not", negate},
      {"print", printing(sprint)},
      {"printf", print_format},
      {"println", printing(sprintln)},
      {"slice", slice},
      {"urlquery", escaping(escape_query)},
  };
  return table;
}

}  // namespace gatehouse::gotemplate

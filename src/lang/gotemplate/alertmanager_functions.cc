// prometheus.io/docs/alerting/latest/notifications, section "Functions".
#include <charconv>

#include "base/time_zone.h"
#include "lang/gotemplate/builtins.h"
#include "lang/gotemplate/format.h"
#include "lang/gotemplate/functions.h"
#include "lang/gotemplate/go_time.h"
#include "lang/gotemplate/json_text.h"
#include "lang/gotemplate/number.h"
#include "lang/gotemplate/quote.h"
#include "lang/gotemplate/text_functions.h"

namespace gatehouse::gotemplate {
namespace {

using Arguments = std::span<const Value>;

Status wrong_type(std::string_view expected, const Value& value) {
  return invalid_argument("wrong type for value; expected " + std::string(expected) + "; got " +
                          std::string(value.type_name()));
}

Result<Value> join(Arguments arguments) {
  RETURN_IF_ERROR(check_count("join", arguments, 2));
  ASSIGN_OR_RETURN(const std::string separator, text_argument(arguments[0]));
  const List* list = list_of(arguments[1]);
  if (!list) return wrong_type("[]string", arguments[1]);
  std::string joined;
  for (size_t i = 0; i < list->size(); ++i) {
    const std::string* text = text_of((*list)[i]);
    if (!text) return wrong_type("[]string", arguments[1]);
    if (i > 0) joined += separator;
    joined += *text;
    if (joined.size() > kFormatBytesMax) {
      return resource_exhausted("the joined text is longer than " +
                                std::to_string(kFormatBytesMax) + " bytes");
    }
  }
  return Value(std::move(joined));
}

Result<Value> url_unescape(Arguments arguments) {
  RETURN_IF_ERROR(check_count("urlUnescape", arguments, 1));
  ASSIGN_OR_RETURN(const std::string text, text_argument(arguments[0]));
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i] == '+' ? ' ' : text[i];
      continue;
    }
    unsigned byte = 0;
    const char* first = text.data() + i + 1;
    if (i + 2 >= text.size() || std::from_chars(first, first + 2, byte, 16).ptr != first + 2) {
      return invalid_argument("invalid URL escape " + quote(text.substr(i, 3)));
    }
    out += static_cast<char>(byte);
    i += 2;
  }
  return Value(std::move(out));
}

Result<Value> string_slice(Arguments arguments) {
  List texts;
  for (const Value& argument : arguments) {
    ASSIGN_OR_RETURN(std::string text, text_argument(argument));
    texts.emplace_back(std::move(text));
  }
  return Value(std::move(texts));
}

Result<Time> time_argument(const Value& value) {
  if (const auto* time = value.as<Time>()) return *time;
  return wrong_type("time.Time", value);
}

Result<Value> date(Arguments arguments) {
  RETURN_IF_ERROR(check_count("date", arguments, 2));
  ASSIGN_OR_RETURN(const std::string layout, text_argument(arguments[0]));
  ASSIGN_OR_RETURN(const Time time, time_argument(arguments[1]));
  ASSIGN_OR_RETURN(std::string text, format_time(time, layout));
  return Value(std::move(text));
}

Result<Value> in_zone(Arguments arguments) {
  RETURN_IF_ERROR(check_count("tz", arguments, 2));
  ASSIGN_OR_RETURN(std::string zone, text_argument(arguments[0]));
  ASSIGN_OR_RETURN(const Time time, time_argument(arguments[1]));
  RETURN_IF_ERROR(check_time_zone(zone));
  return Value(Time{time.unix_ns, std::move(zone)});
}

Result<Value> human_duration(Arguments arguments) {
  RETURN_IF_ERROR(check_count("humanizeDuration", arguments, 1));
  ASSIGN_OR_RETURN(const double seconds, number_of(arguments[0]));
  return Value(humanize_duration(seconds));
}

Result<Value> to_json(Arguments arguments) {
  RETURN_IF_ERROR(check_count("toJson", arguments, 1));
  ASSIGN_OR_RETURN(std::string text, json_text(arguments[0]));
  return Value(std::move(text));
}

Result<Value> list(Arguments arguments) { return Value(List(arguments.begin(), arguments.end())); }

Result<Value> append(Arguments arguments) {
  if (arguments.empty()) {
    return invalid_argument("wrong number of args for append: want at least 1 got 0");
  }
  const List* elements = list_of(arguments[0]);
  if (!elements && !arguments[0].nil()) return wrong_type("[]interface {}", arguments[0]);
  List longer = elements ? *elements : List();
  longer.insert(longer.end(), arguments.begin() + 1, arguments.end());
  return Value(std::move(longer));
}

Result<Value> dict(Arguments arguments) {
  if (arguments.size() % 2 != 0) {
    return invalid_argument("dict expects an even number of arguments");
  }
  Map map;
  for (size_t i = 0; i < arguments.size(); i += 2) {
    const std::string* key = text_of(arguments[i]);
    if (!key) return invalid_argument("dict keys must be strings");
    map.insert_or_assign(*key, arguments[i + 1]);
  }
  return Value(std::move(map));
}

}  // namespace

std::shared_ptr<const Functions> alertmanager_functions(std::function<int64_t()> now_unix_ns) {
  Functions functions = text_functions();
  functions["title"] = word_title();
  functions["safeUrl"] = safe_text("safeUrl", SafeText::Kind::kUrl);
  functions["join"] = join;
  functions["urlUnescape"] = url_unescape;
  functions["stringSlice"] = string_slice;
  functions["date"] = date;
  functions["tz"] = in_zone;
  functions["since"] = [now = std::move(now_unix_ns)](Arguments arguments) -> Result<Value> {
    RETURN_IF_ERROR(check_count("since", arguments, 1));
    ASSIGN_OR_RETURN(const Time time, time_argument(arguments[0]));
    int64_t since = 0;
    if (__builtin_sub_overflow(now(), time.unix_ns, &since)) since = INT64_MAX;
    return Value(Duration{since});
  };
  functions["humanizeDuration"] = human_duration;
  functions["toJson"] = to_json;
  functions["list"] = list;
  functions["append"] = append;
  functions["dict"] = dict;
  return std::make_shared<const Functions>(std::move(functions));
}

}  // namespace gatehouse::gotemplate

// prometheus.io/docs/prometheus/latest/configuration/template_reference. Numbers may come
// as texts, as Prometheus takes them.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/text.h"
#include "lang/gotemplate/builtins.h"
#include "lang/gotemplate/format.h"
#include "lang/gotemplate/functions.h"
#include "lang/gotemplate/go_time.h"
#include "lang/gotemplate/number.h"
#include "lang/gotemplate/quote.h"
#include "lang/gotemplate/text_functions.h"

namespace gatehouse::gotemplate {
namespace {

using Arguments = std::span<const Value>;

bool special(double value) { return value == 0 || std::isnan(value) || std::isinf(value); }

std::string short_number(double value) { return format_float(value, 'g', 4); }

constexpr std::array<const char*, 8> kUp = {"k", "M", "G", "T", "P", "E", "Z", "Y"};
constexpr std::array<const char*, 8> kDown = {"m", "u", "n", "p", "f", "a", "z", "y"};

std::string humanize(double value) {
  if (special(value)) return short_number(value);
  const char* prefix = "";
  if (std::fabs(value) >= 1) {
    for (const char* next : kUp) {
      if (std::fabs(value) < 1000) break;
      prefix = next;
      value /= 1000;
    }
    return short_number(value) + prefix;
  }
  for (const char* next : kDown) {
    if (std::fabs(value) >= 1) break;
    prefix = next;
    value *= 1000;
  }
  return short_number(value) + prefix;
}

std::string humanize1024(double value) {
  constexpr std::array<const char*, 8> kBinary = {"ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"};
  if (std::fabs(value) <= 1 || std::isnan(value) || std::isinf(value)) return short_number(value);
  const char* prefix = "";
  for (const char* next : kBinary) {
    if (std::fabs(value) < 1024) break;
    prefix = next;
    value /= 1024;
  }
  return short_number(value) + prefix;
}

// Prometheus keeps times in milliseconds.
Result<Time> time_of(double seconds) {
  if (std::isnan(seconds) || std::isinf(seconds)) return invalid_argument("value is NaN or Inf");
  const double ns = seconds * 1e9;
  if (std::fabs(ns) >= 9.2e18) {
    return invalid_argument(format_float(seconds, 'g', -1) +
                            " cannot be represented as a "
                            "nanoseconds timestamp since it overflows int64");
  }
  return Time{static_cast<int64_t>(ns) / 1'000'000 * 1'000'000, ""};
}

Result<Value> humanize_timestamp(Arguments arguments) {
  RETURN_IF_ERROR(check_count("humanizeTimestamp", arguments, 1));
  ASSIGN_OR_RETURN(const double seconds, number_of(arguments[0]));
  if (std::isnan(seconds) || std::isinf(seconds)) return Value(short_number(seconds));
  ASSIGN_OR_RETURN(const Time time, time_of(seconds));
  return Value(time_text(time));
}

Result<Value> to_time(Arguments arguments) {
  RETURN_IF_ERROR(check_count("toTime", arguments, 1));
  ASSIGN_OR_RETURN(const double seconds, number_of(arguments[0]));
  ASSIGN_OR_RETURN(Time time, time_of(seconds));
  return Value(std::move(time));
}

Result<Value> to_duration(Arguments arguments) {
  RETURN_IF_ERROR(check_count("toDuration", arguments, 1));
  ASSIGN_OR_RETURN(const double seconds, number_of(arguments[0]));
  if (!(std::fabs(seconds) < 9.2e9)) {
    return invalid_argument(format_float(seconds, 'f', 6) +
                            " cannot be represented as a "
                            "duration since it overflows int64");
  }
  return Value(Duration{static_cast<int64_t>(seconds * 1e9)});
}

Result<Value> parse_duration_s(Arguments arguments) {
  RETURN_IF_ERROR(check_count("parseDuration", arguments, 1));
  ASSIGN_OR_RETURN(const std::string text, text_argument(arguments[0]));
  if (text.empty()) return invalid_argument("empty duration string");
  const auto ms = parse_duration_ms(text);
  if (!ms) return invalid_argument("not a valid duration string: " + quote(text));
  return Value(static_cast<double>(*ms) / 1000);
}

// A function of one number that gives a text.
Function of_number(std::string name, std::string (*format)(double)) {
  return [name = std::move(name), format](Arguments arguments) -> Result<Value> {
    RETURN_IF_ERROR(check_count(name, arguments, 1));
    ASSIGN_OR_RETURN(const double value, number_of(arguments[0]));
    return Value(format(value));
  };
}
std::string humanize_percentage(double value) { return short_number(value * 100) + "%"; }

// --- results of queries

const Value* member_of(const Value& sample, std::string_view name) {
  const Map* map = map_of(sample);
  if (!map) return nullptr;
  const auto found = map->find(name);
  return found == map->end() ? nullptr : &found->second;
}

Result<std::shared_ptr<const List>> samples_of(const Value& value) {
  if (const auto* list = value.as<std::shared_ptr<const List>>()) return *list;
  return invalid_argument("wrong type for value; expected template.queryResult; got " +
                          std::string(value.type_name()));
}

Result<Value> first(Arguments arguments) {
  RETURN_IF_ERROR(check_count("first", arguments, 1));
  ASSIGN_OR_RETURN(const auto samples, samples_of(arguments[0]));
  if (samples->empty()) return invalid_argument("first() called on vector with no elements");
  return samples->front();
}

std::string label_of(const Value& sample, std::string_view name) {
  const Value* labels = member_of(sample, "Labels");
  const Value* label = labels ? member_of(*labels, name) : nullptr;
  const std::string* text = label ? text_of(*label) : nullptr;
  return text ? *text : "";
}

Result<Value> label(Arguments arguments) {
  RETURN_IF_ERROR(check_count("label", arguments, 2));
  ASSIGN_OR_RETURN(const std::string name, text_argument(arguments[0]));
  if (!map_of(arguments[1])) {
    return invalid_argument("wrong type for value; expected *template.sample; got " +
                            std::string(arguments[1].type_name()));
  }
  return Value(label_of(arguments[1], name));
}

Result<Value> value_of(Arguments arguments) {
  RETURN_IF_ERROR(check_count("value", arguments, 1));
  const Value* value = member_of(arguments[0], "Value");
  if (value) return *value;
  return invalid_argument("wrong type for value; expected *template.sample; got " +
                          std::string(arguments[0].type_name()));
}

// The value of a sample that is itself text, "strvalue": what a query for labels asked for.
Result<Value> text_value(Arguments arguments) {
  RETURN_IF_ERROR(check_count("strvalue", arguments, 1));
  return Value(label_of(arguments[0], "__value__"));
}

Result<Value> sort_by_label(Arguments arguments) {
  RETURN_IF_ERROR(check_count("sortByLabel", arguments, 2));
  ASSIGN_OR_RETURN(const std::string name, text_argument(arguments[0]));
  ASSIGN_OR_RETURN(const auto samples, samples_of(arguments[1]));
  List sorted = *samples;
  std::stable_sort(sorted.begin(), sorted.end(), [&](const Value& a, const Value& b) {
    return label_of(a, name) < label_of(b, name);
  });
  return Value(std::move(sorted));
}

Result<Value> args(Arguments arguments) {
  Map named;
  for (size_t i = 0; i < arguments.size(); ++i) {
    named.emplace("arg" + std::to_string(i), arguments[i]);
  }
  return Value(std::move(named));
}

// --- addresses

// host[:port] with [v6] in brackets; what is neither is left as it is.
std::string strip_port(std::string_view host) {
  const size_t colon = host.rfind(':');
  if (colon == std::string_view::npos) return std::string(host);
  std::string_view name = host.substr(0, colon);
  if (name.starts_with('[')) {
    if (!name.ends_with(']')) return std::string(host);
    name = name.substr(1, name.size() - 2);
  } else if (name.find(':') != std::string_view::npos) {
    return std::string(host);
  }
  if (name.find_first_of("[]") != std::string_view::npos ||
      host.substr(colon).find_first_of("[]") != std::string_view::npos) {
    return std::string(host);
  }
  return std::string(name);
}

bool is_address(std::string_view host) {
  if (host.find(':') != std::string_view::npos) {
    return std::all_of(host.begin(), host.end(), [](char c) {
      return (c >= '0' && c <= '9') || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'f') ||
             c == ':' || c == '.';
    });
  }
  const auto parts = split(host, '.');
  return parts.size() == 4 && std::all_of(parts.begin(), parts.end(), [](std::string_view part) {
           const auto number = parse_uint(part);
           return number && *number <= 255 && (part.size() == 1 || part[0] != '0');
         });
}

std::string strip_domain(std::string_view host_port) {
  const std::string host = strip_port(host_port);
  const bool ported = host.size() != host_port.size();
  if (is_address(host)) return std::string(host_port);
  std::string name = host.substr(0, host.find('.'));
  if (ported && !host_port.ends_with(':')) name += host_port.substr(host_port.rfind(':'));
  return name;
}

Function of_text(std::string name, std::string (*change)(std::string_view)) {
  return [name = std::move(name), change](Arguments arguments) -> Result<Value> {
    RETURN_IF_ERROR(check_count(name, arguments, 1));
    ASSIGN_OR_RETURN(const std::string text, text_argument(arguments[0]));
    return Value(change(text));
  };
}

// The page of the console that has the expression in it: tab 0 the graph, 1 the table.
template <int tab>
std::string link(std::string_view expression) {
  return "/graph?g0.expr=" + escape_query(expression) + "&g0.tab=" + std::to_string(tab);
}

std::string path_of(std::string_view url) {
  const size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return std::string(url);
  const size_t path = std::min(url.find('/', scheme + 3), url.size());
  return std::string(url.substr(path, url.find_first_of("?#", path) - path));
}

Function constant(std::string name, std::string text) {
  return [name = std::move(name), text = std::move(text)](Arguments arguments) -> Result<Value> {
    RETURN_IF_ERROR(check_count(name, arguments, 0));
    return Value(text);
  };
}

}  // namespace

std::shared_ptr<const Functions> prometheus_functions(PrometheusFunctionOptions options) {
  Functions functions = text_functions();
  functions["query"] = [query = std::move(options.query)](Arguments arguments) -> Result<Value> {
    RETURN_IF_ERROR(check_count("query", arguments, 1));
    ASSIGN_OR_RETURN(const std::string text, text_argument(arguments[0]));
    if (!query) return Status(Code::kUnimplemented, "queries are not available here");
    ASSIGN_OR_RETURN(List samples, query(text));
    return Value(std::move(samples));
  };
  // Known to the executor, which alone can execute another template.
  functions["tmpl"] = [](Arguments) -> Result<Value> { return internal_error("tmpl"); };
  functions["first"] = first;
  functions["label"] = label;
  functions["value"] = value_of;
  functions["strvalue"] = text_value;
  functions["sortByLabel"] = sort_by_label;
  functions["args"] = args;
  functions["humanize"] = of_number("humanize", humanize);
  functions["humanize1024"] = of_number("humanize1024", humanize1024);
  functions["humanizeDuration"] = of_number("humanizeDuration", humanize_duration);
  functions["humanizePercentage"] = of_number("humanizePercentage", humanize_percentage);
  functions["humanizeTimestamp"] = humanize_timestamp;
  functions["toTime"] = to_time;
  functions["toDuration"] = to_duration;
  functions["parseDuration"] = parse_duration_s;
  functions["now"] = [now = std::move(options.now_unix_ns)](Arguments arguments) -> Result<Value> {
    RETURN_IF_ERROR(check_count("now", arguments, 0));
    if (!now) return Status(Code::kUnimplemented, "the time is not available here");
    return Value(static_cast<double>(now()) / 1e9);
  };
  functions["stripPort"] = of_text("stripPort", strip_port);
  functions["stripDomain"] = of_text("stripDomain", strip_domain);
  functions["urlQueryEscape"] = of_text("urlQueryEscape", escape_query);
  functions["graphLink"] = of_text("graphLink", link<0>);
  functions["tableLink"] = of_text("tableLink", link<1>);
  functions["pathPrefix"] = constant("pathPrefix", path_of(options.external_url));
  functions["externalURL"] = constant("externalURL", std::move(options.external_url));
  return std::make_shared<const Functions>(std::move(functions));
}

}  // namespace gatehouse::gotemplate

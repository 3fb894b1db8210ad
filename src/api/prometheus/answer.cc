#include "api/prometheus/answer.h"

#include <charconv>
#include <cmath>

#include "base/text.h"
#include "lang/promql/parser.h"

namespace gatehouse::api::metric {

namespace {

// Times that a millisecond count of 64 bits can hold with room for an offset.
constexpr double kTimeMaxS = 9e15 / 1000;

void append_texts(std::string& body, std::string_view name, const std::set<std::string>& texts) {
  if (texts.empty()) return;
  body.append(",\"").append(name).append("\":");
  wire::JsonWriter json(body);
  json.begin_array();
  for (const std::string& text : texts) json.string(text);
  json.end_array();
}

int status_of(std::string_view type) {
  if (type == "bad_data") return 400;
  if (type == "execution") return 422;
  if (type == "canceled") return 499;
  if (type == "timeout" || type == "unavailable") return 503;
  if (type == "not_found") return 404;
  return 500;
}

}  // namespace

MetricAnswer success(std::string data, const std::set<std::string>& warnings,
                     const std::set<std::string>& infos) {
  MetricAnswer answer;
  answer.body = std::move(data);
  answer.body.insert(0, R"({"status":"success","data":)");
  append_texts(answer.body, "warnings", warnings);
  append_texts(answer.body, "infos", infos);
  answer.body += '}';
  return answer;
}

MetricAnswer error(std::string_view type, std::string_view message) {
  MetricAnswer answer;
  answer.status = status_of(type);
  wire::JsonWriter json(answer.body);
  json.begin_object()
      .member("status", "error")
      .member("errorType", type)
      .member("error", message)
      .end_object();
  return answer;
}

MetricAnswer error_of(const Status& status) {
  switch (status.code()) {
    case Code::kInvalidArgument: return error("bad_data", status.message());
    case Code::kNotFound: return error("not_found", status.message());
    case Code::kCancelled: return error("canceled", status.message());
    case Code::kDeadlineExceeded: return error("timeout", status.message());
    case Code::kUnavailable: return error("unavailable", status.message());
    case Code::kResourceExhausted: return error("execution", status.message());
    default: return error("internal", status.message());
  }
}

MetricAnswer bad_parameter(std::string_view name, std::string_view why) {
  return error("bad_data", "invalid parameter \"" + std::string(name) + "\": " + std::string(why));
}

Result<int64_t> parse_time_ms(std::string_view text) {
  if (const auto seconds = parse_double(text)) {
    if (std::isfinite(*seconds) && std::abs(*seconds) <= kTimeMaxS) {
      return std::llround(*seconds * 1000);
    }
  } else if (const auto time_ns = parse_time_ns(text)) {
    return *time_ns / 1'000'000;
  }
  return invalid_argument("cannot parse \"" + std::string(text) + "\" to a valid timestamp");
}

Result<int64_t> parse_step_ms(std::string_view text) {
  if (const auto seconds = parse_double(text)) {
    if (std::isfinite(*seconds) && std::abs(*seconds) <= kTimeMaxS) {
      return std::llround(*seconds * 1000);
    }
    return invalid_argument("cannot parse \"" + std::string(text) +
                            "\" to a valid duration. It overflows int64");
  }
  if (const auto ms = gatehouse::parse_duration_ms(text)) return *ms;
  return invalid_argument("cannot parse \"" + std::string(text) + "\" to a valid duration");
}

Result<model::TimeRangeMs> read_range(const MetricRequest& request) {
  model::TimeRangeMs range;
  if (const std::string* text = request.find("start")) {
    auto time = parse_time_ms(*text);
    if (!time.ok()) return time.status().with_context("invalid parameter \"start\"");
    range.begin_ms = *time;
  }
  if (const std::string* text = request.find("end")) {
    auto time = parse_time_ms(*text);
    if (!time.ok()) return time.status().with_context("invalid parameter \"end\"");
    range.end_ms = *time;
  }
  return range;
}

Status check_order(model::TimeRangeMs range) {
  if (range.begin_ms <= range.end_ms) return {};
  return invalid_argument(
      "invalid parameter \"end\": end timestamp must not be before start timestamp");
}

Result<size_t> read_limit(const MetricRequest& request) {
  const std::string* text = request.find("limit");
  if (text == nullptr || text->empty()) return size_t{0};
  const auto limit = parse_uint(*text);
  if (!limit) {
    return invalid_argument("invalid parameter \"limit\": cannot parse \"" + *text +
                            "\" to a valid limit");
  }
  return static_cast<size_t>(*limit);
}

Result<std::vector<model::Selector>> read_matches(const MetricRequest& request) {
  std::vector<model::Selector> found;
  for (const std::string_view text : request.all("match[]")) {
    auto matchers = promql::parse_selector(text);
    if (!matchers.ok()) return matchers.status().with_context("invalid parameter \"match[]\"");
    found.push_back({std::move(*matchers)});
  }
  return found;
}

void write_labels(wire::JsonWriter& json, const model::Labels& labels) {
  json.begin_object();
  for (const auto& [name, value] : labels.pairs()) json.member(name, value);
  json.end_object();
}

void write_labels(wire::JsonWriter& json, model::LabelsView labels) {
  json.begin_object();
  for (const auto& [name, value] : labels) json.member(name, value);
  json.end_object();
}

void write_time(std::string& out, int64_t time_ms) {
  if (time_ms < 0) {
    out += '-';
    time_ms = -time_ms;
  }
  char text[32];
  auto end = std::to_chars(text, text + sizeof text, time_ms / 1000).ptr;
  if (const auto fraction = static_cast<int>(time_ms % 1000); fraction != 0) {
    *end++ = '.';
    *end++ = static_cast<char>('0' + fraction / 100);
    *end++ = static_cast<char>('0' + fraction / 10 % 10);
    *end++ = static_cast<char>('0' + fraction % 10);
  }
  out.append(text, end);
}

void write_number(std::string& out, double value) {
  const double size = std::abs(value);
  if (size == 0 || !std::isfinite(value) || (size >= 1e-6 && size < 1e21)) {
    return write_scalar(out, value);
  }
  char text[32];
  const auto format = std::chars_format::scientific;
  out.append(text, std::to_chars(text, text + sizeof text, value, format).ptr);
}

void write_scalar(std::string& out, double value) {
  if (std::isnan(value)) {
    out += "NaN";
    return;
  }
  if (std::isinf(value)) {
    out += value > 0 ? "+Inf" : "-Inf";
    return;
  }
  char text[400];  // 5e-324 takes the most: 326 characters and its sign
  constexpr double kWholeMax = 9007199254740992.0;  // 2^53
  if (std::abs(value) < kWholeMax) {
    out.append(text, std::to_chars(text, text + sizeof text, value, std::chars_format::fixed).ptr);
    return;
  }
  // Above it, fixed is exact to the last digit; Prometheus has the digits that tell the number
  // from its neighbours, and zeros.
  const auto end =
      std::to_chars(text, text + sizeof text, value, std::chars_format::scientific).ptr;
  const std::string_view shortest(text, static_cast<size_t>(end - text));
  const size_t e = shortest.find('e');
  const size_t exponent = parse_uint(shortest.substr(e + 2)).value_or(0);
  size_t digits = 0;
  for (const char c : shortest.substr(0, e)) {
    if (c == '.') continue;
    out += c;
    digits += c == '-' ? 0 : 1;
  }
  out.append(exponent + 1 - std::min(digits, exponent + 1), '0');
}

}  // namespace gatehouse::api::metric

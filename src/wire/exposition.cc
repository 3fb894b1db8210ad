// Follows prometheus.io/docs/instrumenting/exposition_formats and the
// OpenMetrics 1.0.0 specification (github.com/prometheus/OpenMetrics).
#include "wire/exposition.h"

#include <charconv>
#include <cmath>
#include <cstdint>

#include "base/text.h"

namespace gatehouse::wire {

namespace {

using model::MetricType;
using model::Registry;

// The quality of a media range in an Accept header, 1 where none is stated.
double quality(std::string_view range) {
  for (std::string_view parameter : split(range, ';')) {
    parameter = trim(parameter);
    if (parameter.starts_with("q=")) return parse_double(parameter.substr(2)).value_or(0);
  }
  return 1;
}

// Whether OpenMetrics of a version that is written here is asked for.
bool version_fits(std::string_view range) {
  for (std::string_view parameter : split(range, ';')) {
    parameter = trim(parameter);
    if (!parameter.starts_with("version=")) continue;
    const std::string_view version = parameter.substr(8);
    if (version != "1.0.0" && version != "\"1.0.0\"") return false;
  }
  return true;
}

// Escapes for a label's value; `help` leaves quotes alone, as 0.0.4 says.
void append_escaped(std::string& out, std::string_view text, bool quotes) {
  for (const char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' && quotes) {
      out += "\\\"";
    } else {
      out += c;
    }
  }
}

void append_number(std::string& out, double value) {
  if (std::isnan(value)) {
    out += "NaN";
  } else if (std::isinf(value)) {
    out += value > 0 ? "+Inf" : "-Inf";
  } else {
    char digits[32];
    out.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
  }
}

// OpenMetrics wants le's values as floats, "1.0" rather than "1"; Prometheus
// does the same for both so that the series are one.
void append_bound(std::string& out, double bound) {
  const size_t begin = out.size();
  append_number(out, bound);
  if (out.find_first_of(".eIN", begin) == std::string::npos) out += ".0";
}

std::string_view unit_of(std::string_view name) {
  for (const std::string_view unit : {"seconds", "bytes", "ratio", "celsius", "volts", "joules"}) {
    if (name.size() > unit.size() + 1 && name.ends_with(unit) &&
        name[name.size() - unit.size() - 1] == '_') {
      return unit;
    }
  }
  return {};
}

class Writer {
 public:
  explicit Writer(ExpositionFormat format) : open_(format == ExpositionFormat::kOpenMetrics) {}

  void family(const Registry::Family& family) {
    if (family.children.empty()) return;
    head(family);
    for (const Registry::Child& child : family.children) {
      switch (family.type) {
        case MetricType::kCounter:
          sample(family.name, "_total", child.labels,
                 child.read ? child.read() : child.counter.value());
          break;
        case MetricType::kGauge:
          sample(family.name, "", child.labels, child.read ? child.read() : child.gauge.value());
          break;
        case MetricType::kHistogram:
          if (child.histogram != nullptr) histogram(family.name, child);
          break;
      }
    }
  }
  std::string finish() && {
    if (open_) out_ += "# EOF\n";
    return std::move(out_);
  }

 private:
  // To Prometheus text a counter's family is what its samples are called; to
  // OpenMetrics it is the name without "_total".
  void line(std::string_view keyword, const Registry::Family& family, std::string_view text) {
    out_ += "# ";
    out_ += keyword;
    out_ += ' ';
    out_ += family.name;
    if (!open_ && family.type == MetricType::kCounter) out_ += "_total";
    out_ += ' ';
    out_ += text;
    out_ += '\n';
  }

  void head(const Registry::Family& family) {
    constexpr std::string_view kTypes[] = {"counter", "gauge", "histogram"};
    std::string help;
    append_escaped(help, family.help, open_);
    if (!open_ && !help.empty()) line("HELP", family, help);
    line("TYPE", family, kTypes[static_cast<size_t>(family.type)]);
    if (!open_) return;
    if (const auto unit = unit_of(family.name); !unit.empty()) line("UNIT", family, unit);
    if (!help.empty()) line("HELP", family, help);
  }

  void series(std::string_view name, std::string_view suffix, const model::Labels& labels) {
    out_ += name;
    out_ += suffix;
    for (const auto& [key, value] : labels.pairs()) {
      out_ += &key == &labels.pairs().front().first ? '{' : ',';
      out_ += key;
      out_ += "=\"";
      append_escaped(out_, value, true);
      out_ += '"';
    }
  }

  void sample(std::string_view name, std::string_view suffix, const model::Labels& labels,
              double value) {
    series(name, suffix, labels);
    out_ += labels.empty() ? " " : "} ";
    append_number(out_, value);
    out_ += '\n';
  }

  void count(uint64_t value) {
    char digits[24];
    out_.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
    out_ += '\n';
  }

  // The buckets are read once, and the count is their sum: observations that
  // come meanwhile cannot make it contradict them.
  void histogram(std::string_view name, const Registry::Child& child) {
    const model::Histogram& histogram = *child.histogram;
    uint64_t cumulative = 0;
    for (size_t i = 0; i <= histogram.bounds().size(); ++i) {
      cumulative += histogram.bucket(i);
      series(name, "_bucket", child.labels);
      out_ += child.labels.empty() ? "{le=\"" : ",le=\"";
      append_bound(out_, i < histogram.bounds().size() ? histogram.bounds()[i] : INFINITY);
      out_ += "\"} ";
      count(cumulative);
    }
    sample(name, "_sum", child.labels, histogram.sum());
    series(name, "_count", child.labels);
    out_ += child.labels.empty() ? " " : "} ";
    count(cumulative);
  }

  const bool open_;
  std::string out_;
};

}  // namespace

ExpositionFormat negotiate_exposition(std::string_view accept) {
  double open = 0;
  double text = 0;
  for (const std::string_view range : split(accept, ',')) {
    const std::string type = to_lower(trim(range.substr(0, range.find(';'))));
    if (type == "application/openmetrics-text" && version_fits(range)) {
      open = std::max(open, quality(range));
    } else if (type == "text/plain" || type == "text/*" || type == "*/*") {
      text = std::max(text, quality(range));
    }
  }
  // Prometheus sends both with the same weight only when OpenMetrics is meant.
  return open > 0 && open >= text ? ExpositionFormat::kOpenMetrics
                                  : ExpositionFormat::kPrometheusText;
}

std::string_view content_type(ExpositionFormat format) {
  return format == ExpositionFormat::kOpenMetrics
             ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
             : "text/plain; version=0.0.4; charset=utf-8";
}

std::string write_exposition(const model::Registry& registry, ExpositionFormat format) {
  Writer writer(format);
  registry.visit([&](const Registry::Family& family) { writer.family(family); });
  return std::move(writer).finish();
}

}  // namespace gatehouse::wire

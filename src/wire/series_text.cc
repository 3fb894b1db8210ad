#include "wire/series_text.h"

#include <algorithm>
#include <cmath>

#include "wire/float_text.h"

namespace gatehouse::wire {

namespace {

bool is_word(std::string_view name, bool colon) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  return std::all_of(name.begin(), name.end(), [colon](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           (colon && c == ':');
  });
}

void put_quoted(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '\\' || c == '"') out += '\\';
    out += c;
  }
  out += '"';
}

void put_name(std::string& out, std::string_view name, bool colon) {
  if (is_word(name, colon)) {
    out += name;
  } else {
    put_quoted(out, name);
  }
}

}  // namespace

void SeriesTextWriter::type(std::string_view metric, model::SampleType type) {
  out_ += "# TYPE ";
  put_name(out_, metric, true);
  out_ += ' ';
  switch (type) {
    case model::SampleType::kCounter:
    case model::SampleType::kGauge:
    case model::SampleType::kHistogram:
    case model::SampleType::kSummary: out_ += name(type); break;
    default: out_ += "untyped";
  }
  out_ += '\n';
}

void SeriesTextWriter::sample(model::LabelsView labels, double value,
                              std::optional<int64_t> time_ms) {
  const std::string_view metric = model::find_label(labels, model::kMetricName);
  const bool word = is_word(metric, true);
  if (word) out_ += metric;
  bool open = false;
  const auto separate = [&] {
    out_ += open ? ',' : '{';
    open = true;
  };
  if (!word) {
    separate();
    put_quoted(out_, metric);
  }
  for (const model::LabelView& label : labels) {
    if (label.name == model::kMetricName) continue;
    separate();
    put_name(out_, label.name, false);
    out_ += '=';
    put_quoted(out_, label.value);
  }
  out_ += open ? "} " : " ";
  append_float(out_, value);
  if (time_ms) {
    out_ += ' ';
    out_ += std::to_string(*time_ms);
  }
  out_ += '\n';
}

}  // namespace gatehouse::wire

#include "lang/promql/eval/annotator.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/text.h"

namespace gatehouse::promql {

namespace {

// The shortest digits that read back as the number: how many after the first, and
// the power of ten.
struct Shortest {
  int digits = 0;
  int exponent = 0;
};

Shortest shortest(double value) {
  char text[40];
  for (int digits = 0; digits < 17; ++digits) {
    std::snprintf(text, sizeof(text), "%.*e", digits, value);
    if (digits == 16 || std::strtod(text, nullptr) == value) {
      return {digits, std::atoi(std::strchr(text, 'e') + 1)};
    }
  }
  return {};
}

std::string not_finite(double value) {
  if (std::isnan(value)) return "NaN";
  return value > 0 ? "+Inf" : "-Inf";
}

}  // namespace

std::string go_number(double value) {
  if (!std::isfinite(value)) return not_finite(value);
  const Shortest form = shortest(value);
  char text[64];
  // strconv's 'g' with the shortest digits: an exponent outside -4 to 5 is written.
  if (form.exponent < -4 || form.exponent >= 6) {
    std::snprintf(text, sizeof(text), "%.*e", form.digits, value);
  } else {
    std::snprintf(text, sizeof(text), "%.*f", std::max(0, form.digits - form.exponent), value);
  }
  return text;
}

std::string plain_number(double value) {
  if (!std::isfinite(value)) return not_finite(value);
  const Shortest form = shortest(value);
  char text[400];  // 1e308 has 309 digits
  std::snprintf(text, sizeof(text), "%.*f", std::max(0, form.digits - form.exponent), value);
  return text;
}

std::string go_quoted(std::string_view text) {
  const bool readable = valid_utf8(text);
  std::string out = "\"";
  for (char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\t': out += "\\t"; break;
      case '\r': out += "\\r"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f || (c < 0 && !readable)) {
          char escaped[8];
          std::snprintf(escaped, sizeof(escaped), "\\x%02x", static_cast<unsigned char>(c));
          out += escaped;
        } else {
          out += c;
        }
    }
  }
  return out + '"';
}

std::string for_metric(std::string_view metric) {
  return metric.empty() ? std::string() : " for metric name " + go_quoted(metric);
}

std::string Annotator::place(Position position) const {
  const size_t at = std::min<size_t>(position.begin, query_.size());
  size_t line = 1;
  size_t line_begin = 0;
  for (size_t i = 0; i < at; ++i) {
    if (query_[i] == '\n') {
      ++line;
      line_begin = i + 1;
    }
  }
  return " (" + std::to_string(line) + ":" + std::to_string(at - line_begin + 1) + ")";
}

void Annotator::warn(std::string_view text, Position position) {
  std::string said = "PromQL warning: " + std::string(text) + place(position);
  const std::lock_guard lock(mutex_);
  said_.warnings.insert(std::move(said));
}

void Annotator::inform(std::string_view text, Position position) {
  std::string said = "PromQL info: " + std::string(text) + place(position);
  const std::lock_guard lock(mutex_);
  said_.infos.insert(std::move(said));
}

void Annotator::say(Notes notes, std::string_view metric, Position position) {
  if (notes == 0) return;
  const auto has = [notes](Note note) { return (notes & note) != 0; };
  if (has(kNoteMixedFloatsHistograms)) {
    warn("encountered a mix of histograms and floats" + for_metric(metric), position);
  }
  if (has(kNoteMixedExponentialCustom)) {
    warn("vector contains a mix of histograms with exponential and custom buckets schemas" +
             for_metric(metric),
         position);
  }
  if (has(kNoteNotCounter)) {
    warn("this native histogram metric is not a counter: " + go_quoted(metric), position);
  }
  if (has(kNoteNotGauge)) {
    warn("this native histogram metric is not a gauge: " + go_quoted(metric), position);
  }
  if (has(kNoteStartOverlap)) {
    warn("sample has start time that overlaps with previous sample timestamp for metric " +
             go_quoted(metric),
         position);
  }
  if (has(kNoteHistogramIgnored)) {
    inform(
        "ignored histograms in a range containing both floats and histograms" + for_metric(metric),
        position);
  }
  if (has(kNotePossibleNonCounter)) {
    inform("metric might not be a counter, name does not end in _total/_sum/_count/_bucket: " +
               go_quoted(metric),
           position);
  }
  const std::pair<Note, std::string_view> reconciled[] = {
      {kNoteReconciledAddition, "addition"},
      {kNoteReconciledSubtraction, "subtraction"},
      {kNoteReconciledAggregation, "aggregation"}};
  for (const auto& [note, what] : reconciled) {
    if (has(note)) {
      inform("mismatched custom buckets were reconciled during " + std::string(what), position);
    }
  }
  const std::pair<Note, std::string_view> collisions[] = {
      {kNoteCollisionAddition, "addition"},
      {kNoteCollisionSubtraction, "subtraction"},
      {kNoteCollisionAggregation, "aggregation"}};
  for (const auto& [note, what] : collisions) {
    if (has(note)) {
      warn("conflicting counter resets during histogram " + std::string(what), position);
    }
  }
}

Annotations Annotator::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(said_, {});
}

}  // namespace gatehouse::promql

#include "lang/gotemplate/json_text.h"

#include <cmath>

#include "lang/gotemplate/format.h"
#include "lang/gotemplate/functions.h"
#include "lang/gotemplate/number.h"
#include "lang/gotemplate/quote.h"

namespace gatehouse::gotemplate {
namespace {

constexpr int kDepthMax = 250;

void append_string(std::string_view text, std::string& out) {
  constexpr char kHex[] = "0123456789abcdef";
  const auto unicode = [&](unsigned code) {
    out += "\\u";
    for (int shift = 12; shift >= 0; shift -= 4) out += kHex[(code >> shift) & 0xF];
  };
  out += '"';
  for (size_t at = 0; at < text.size();) {
    const Rune rune = first_rune(text.substr(at));
    const char c = text[at];
    if (rune.code == kReplacement && rune.size == 1) {
      out += "\\ufffd";
    } else if (rune.code == 0x2028 || rune.code == 0x2029) {
      unicode(rune.code);
    } else if (rune.code >= 0x80) {
      out.append(text.substr(at, rune.size));
    } else if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n' || c == '\r' || c == '\t' || c == '\b' || c == '\f') {
      out += '\\';
      out += c == '\n' ? 'n' : c == '\r' ? 'r' : c == '\t' ? 't' : c == '\b' ? 'b' : 'f';
    } else if (c < ' ' || c == '<' || c == '>' || c == '&') {
      unicode(static_cast<unsigned char>(c));
    } else {
      out += c;
    }
    at += rune.size;
  }
  out += '"';
}

Status append_number(double value, std::string& out) {
  if (!std::isfinite(value)) {
    return invalid_argument("json: unsupported value: " + format_float(value, 'g', -1));
  }
  const double magnitude = std::fabs(value);
  if (magnitude == 0 || (magnitude >= 1e-6 && magnitude < 1e21)) {
    out += format_float(value, 'f', -1);
    return {};
  }
  std::string text = format_float(value, 'e', -1);
  const size_t size = text.size();
  if (text.compare(size - 4, 3, "e-0") == 0) text.erase(size - 2, 1);
  out += text;
  return {};
}

Status append(const Value& value, int depth, std::string& out) {
  if (depth > kDepthMax || out.size() > kFormatBytesMax) {
    return resource_exhausted("a value is larger or deeper than JSON may be here");
  }
  if (value.nil()) {
    out += "null";
  } else if (const std::string* text = text_of(value)) {
    append_string(*text, out);
  } else if (const auto* flag = value.as<bool>()) {
    out += *flag ? "true" : "false";
  } else if (const auto* whole = value.as<int64_t>()) {
    out += std::to_string(*whole);
  } else if (const auto* duration = value.as<Duration>()) {
    out += std::to_string(duration->ns);
  } else if (const auto* number = value.as<double>()) {
    return append_number(*number, out);
  } else if (const auto* time = value.as<Time>()) {
    append_string(format_rfc3339(*time), out);
  } else if (const auto* list = value.as<std::shared_ptr<const List>>()) {
    out += '[';
    for (size_t i = 0; i < (*list)->size(); ++i) {
      if (i > 0) out += ',';
      RETURN_IF_ERROR(append((**list)[i], depth + 1, out));
    }
    out += ']';
  } else if (const auto* map = value.as<std::shared_ptr<const Map>>()) {
    out += '{';
    bool first = true;
    for (const auto& [key, element] : **map) {
      if (!first) out += ',';
      first = false;
      append_string(key, out);
      out += ':';
      RETURN_IF_ERROR(append(element, depth + 1, out));
    }
    out += '}';
  } else {
    const auto& object = *value.as<std::shared_ptr<const Object>>();
    if (!object) {
      out += "null";
    } else {
      return append(object->json(), depth + 1, out);
    }
  }
  return {};
}

}  // namespace

Result<std::string> json_text(const Value& value) {
  std::string out;
  RETURN_IF_ERROR(append(value, 0, out));
  return out;
}

}  // namespace gatehouse::gotemplate

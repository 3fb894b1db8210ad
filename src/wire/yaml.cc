// What the nodes of a tree mean; yaml_parser.h says how one comes to be.
#include "wire/yaml.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "wire/yaml_parser.h"

namespace gatehouse::wire {

namespace {

constexpr std::string_view kTagPrefix = "tag:yaml.org,2002:";

// Whether the scalar may be resolved to the core type `type`.
bool may_be(const YamlNode& node, std::string_view type) {
  if (!node.is_scalar()) return false;
  if (node.tag.empty()) return node.style == YamlStyle::kPlain;
  return node.tag.starts_with(kTagPrefix) &&
         std::string_view(node.tag).substr(kTagPrefix.size()) == type;
}

bool all_digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

template <typename T>
std::optional<T> whole(std::string_view text, int base) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return {};
  return value;
}

// [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?
bool looks_like_number(std::string_view text) {
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  const auto digits = [&] {
    size_t count = 0;
    while (count < text.size() && text[count] >= '0' && text[count] <= '9') ++count;
    text.remove_prefix(count);
    return count;
  };
  const size_t before = digits();
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    if (digits() == 0 && before == 0) return false;
  } else if (before == 0) {
    return false;
  }
  if (text.starts_with('e') || text.starts_with('E')) {
    text.remove_prefix(1);
    if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
    if (digits() == 0) return false;
  }
  return text.empty();
}

}  // namespace

bool YamlNode::is_null() const {
  if (!may_be(*this, "null")) return false;
  return value.empty() || value == "~" || value == "null" || value == "Null" || value == "NULL";
}

std::optional<bool> YamlNode::boolean() const {
  if (!may_be(*this, "bool")) return {};
  if (value == "true" || value == "True" || value == "TRUE") return true;
  if (value == "false" || value == "False" || value == "FALSE") return false;
  return {};
}

std::optional<int64_t> YamlNode::integer() const {
  if (!may_be(*this, "int")) return {};
  std::string_view text = value;
  if (text.starts_with("0o")) return whole<int64_t>(text.substr(2), 8);
  if (text.starts_with("0x")) return whole<int64_t>(text.substr(2), 16);
  if (text.starts_with('+')) {
    text.remove_prefix(1);
    if (!all_digits(text)) return {};
  }
  return whole<int64_t>(text, 10);
}

std::optional<double> YamlNode::number() const {
  if (const auto exact = integer()) return static_cast<double>(*exact);
  if (!may_be(*this, "float") && !may_be(*this, "int")) return {};
  std::string_view text = value;
  if (text == ".nan" || text == ".NaN" || text == ".NAN") {
    return std::numeric_limits<double>::quiet_NaN();
  }
  std::string_view unsigned_text = text;
  if (text.starts_with('-') || text.starts_with('+')) unsigned_text.remove_prefix(1);
  if (unsigned_text == ".inf" || unsigned_text == ".Inf" || unsigned_text == ".INF") {
    const double infinity = std::numeric_limits<double>::infinity();
    return text.starts_with('-') ? -infinity : infinity;
  }
  if (!looks_like_number(text)) return {};
  if (text.starts_with('+')) text.remove_prefix(1);
  double result = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), result);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return {};
  return result;
}

bool YamlNode::is_string() const { return is_scalar() && !is_null() && !boolean() && !number(); }

const YamlNode* YamlNode::get(std::string_view key) const {
  for (const YamlEntry& entry : entries) {
    if (entry.key->is_scalar() && entry.key->value == key) return entry.value;
  }
  return nullptr;
}

bool same_yaml(const YamlNode& a, const YamlNode& b) {
  if (&a == &b) return true;
  if (a.kind != b.kind || a.tag != b.tag) return false;
  if (a.is_scalar()) {
    // "1" and 1 differ, 'a' and "a" do not.
    return a.value == b.value && a.is_string() == b.is_string();
  }
  return std::equal(a.items.begin(), a.items.end(), b.items.begin(), b.items.end(),
                    [](const YamlNode* x, const YamlNode* y) { return same_yaml(*x, *y); }) &&
         std::equal(a.entries.begin(), a.entries.end(), b.entries.begin(), b.entries.end(),
                    [](const YamlEntry& x, const YamlEntry& y) {
                      return same_yaml(*x.key, *y.key) && same_yaml(*x.value, *y.value);
                    });
}

Result<YamlStream> parse_yaml(std::string_view text, const YamlOptions& options) {
  YamlStream stream;
  YamlBuilder builder(options, stream);
  if (text.size() > options.bytes_max) {
    builder.fail({}, "the text is longer than " + std::to_string(options.bytes_max) + " bytes");
    return builder.status();
  }
  const YamlText decoded = decode_yaml(text);
  if (!decoded.error.empty()) {
    builder.fail(decoded.mark, decoded.error);
    return builder.status();
  }
  if (!YamlParser(decoded.text, builder).parse()) return builder.status();
  return stream;
}

}  // namespace gatehouse::wire

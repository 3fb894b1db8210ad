#include "wire/yaml_fields.h"

#include <algorithm>

#include "base/text.h"

namespace gatehouse::wire {

void ConfigLog::problem(YamlMark mark, std::string_view what) {
  if (problems.size() < kConfigProblemsMax) problems.push_back(at(mark) + std::string(what));
}

void ConfigLog::notice(YamlMark mark, std::string_view what) {
  if (notices.size() < kConfigProblemsMax) notices.push_back(at(mark) + std::string(what));
}

std::string resolve_path(const std::string& config_file, const std::string& path) {
  if (path.empty() || path[0] == '/') return path;
  const size_t slash = config_file.rfind('/');
  return slash == std::string::npos ? path : config_file.substr(0, slash + 1) + path;
}

ConfigFields::ConfigFields(ConfigLog& log, const YamlNode& node, std::string_view what)
    : log_(log), node_(node), what_(what) {
  if (!node.is_mapping() && !node.is_null()) {
    log.problem(node.mark, "a mapping is expected (" + what_ + ")");
  }
}

const YamlNode* ConfigFields::take(std::string_view key) {
  taken_.emplace(key);
  if (!node_.is_mapping()) return nullptr;
  const YamlNode* found = node_.get(key);
  return found == nullptr || found->is_null() ? nullptr : found;
}

bool ConfigFields::text(std::string_view key, std::string& out) {
  const YamlNode* node = take(key);
  if (node == nullptr) return false;
  if (!node->is_scalar()) {
    log_.problem(node->mark, std::string(key) + ": a string is expected");
    return false;
  }
  out = node->value;
  return true;
}

bool ConfigFields::boolean(std::string_view key, bool& out) {
  const YamlNode* node = take(key);
  if (node == nullptr) return false;
  const auto value = node->is_scalar() ? node->boolean() : std::nullopt;
  if (!value) {
    log_.problem(node->mark, std::string(key) + ": true or false is expected");
    return false;
  }
  out = *value;
  return true;
}

bool ConfigFields::integer(std::string_view key, int64_t least, int64_t most, int64_t& out) {
  const YamlNode* node = take(key);
  if (node == nullptr) return false;
  const auto value = node->is_scalar() ? node->integer() : std::nullopt;
  if (!value || *value < least || *value > most) {
    log_.problem(node->mark, std::string(key) + ": a whole number from " + std::to_string(least) +
                                 " to " + std::to_string(most) + " is expected");
    return false;
  }
  out = *value;
  return true;
}

bool ConfigFields::count(std::string_view key, uint64_t& out) {
  int64_t value = 0;
  if (!integer(key, 0, INT64_MAX, value)) return false;
  out = static_cast<uint64_t>(value);
  return true;
}

bool ConfigFields::duration(std::string_view key, int64_t& out) {
  std::string value;
  if (!text(key, value)) return false;
  const auto ms = parse_duration_ms(value);
  if (!ms) {
    log_.problem(node_.get(key)->mark,
                 std::string(key) + ": not a valid duration string: \"" + value + "\"");
    return false;
  }
  out = *ms;
  return true;
}

bool ConfigFields::bytes(std::string_view key, uint64_t& out) {
  std::string value;
  if (!text(key, value)) return false;
  // Prometheus counts 1KB as 1024 bytes here.
  std::string binary = value;
  if (binary.size() > 2 && binary.ends_with('B') && binary[binary.size() - 2] != 'i' &&
      binary[binary.size() - 2] >= 'A') {
    binary.insert(binary.size() - 1, "i");
  }
  const auto size = parse_size_bytes(binary);
  if (!size || *size < 0) {
    log_.problem(node_.get(key)->mark,
                 std::string(key) + ": a size such as 10MB is expected, not \"" + value + "\"");
    return false;
  }
  out = static_cast<uint64_t>(*size);
  return true;
}

bool ConfigFields::texts(std::string_view key, std::vector<std::string>& out) {
  const YamlNode* node = take(key);
  if (node == nullptr) return false;
  if (!node->is_sequence()) {
    log_.problem(node->mark, std::string(key) + ": a list of strings is expected");
    return false;
  }
  out.clear();
  for (const YamlNode* item : node->items) {
    if (!item->is_scalar()) {
      log_.problem(item->mark, std::string(key) + ": a string is expected");
      continue;
    }
    out.push_back(item->value);
  }
  return true;
}

bool ConfigFields::choice(std::string_view key, std::string& out,
                          std::vector<std::string_view> among) {
  std::string value;
  if (!text(key, value)) return false;
  if (std::find(among.begin(), among.end(), value) == among.end()) {
    std::string list;
    for (const std::string_view each : among)
      list += (list.empty() ? "" : ", ") + std::string(each);
    log_.problem(node_.get(key)->mark, std::string(key) + ": \"" + value + "\" is none of " + list);
    return false;
  }
  out = value;
  return true;
}

bool ConfigFields::pairs(std::string_view key,
                         std::vector<std::pair<std::string, std::string>>& out) {
  const YamlNode* node = take(key);
  if (node == nullptr) return false;
  if (!node->is_mapping()) {
    log_.problem(node->mark, std::string(key) + ": a mapping of strings is expected");
    return false;
  }
  for (const YamlEntry& entry : node->entries) {
    if (!entry.key->is_scalar() || !entry.value->is_scalar()) {
      log_.problem(entry.key->mark, std::string(key) + ": a mapping of strings is expected");
      continue;
    }
    out.emplace_back(entry.key->value, entry.value->is_null() ? "" : entry.value->value);
  }
  return true;
}

bool ConfigFields::path(std::string_view key, std::string& out) {
  if (!text(key, out)) return false;
  out = resolve_path(log_.file, out);
  return true;
}

void ConfigFields::secret(std::string_view key, model::SecretText& out) {
  const std::string file_key = std::string(key) + "_file";
  const bool in_place = text(key, out.text);
  const bool in_file = path(file_key, out.file);
  const std::string reference_key = std::string(key) + "_ref";
  refuse(reference_key);
  if (in_place && in_file) {
    log_.problem(node_.get(file_key)->mark,
                 "at most one of " + std::string(key) + " & " + file_key + " must be configured");
  }
}

void ConfigFields::refuse(std::string_view key, std::string_view why) {
  taken_.emplace(key);
  if (!node_.is_mapping()) return;
  for (const YamlEntry& entry : node_.entries) {
    if (entry.key->value != key) continue;
    std::string what = std::string(key) + " is not supported";
    if (!why.empty()) what += ": " + std::string(why);
    log_.problem(entry.key->mark, what);
  }
}

void ConfigFields::ignore(std::string_view key, std::string_view why) {
  taken_.emplace(key);
  if (!node_.is_mapping()) return;
  for (const YamlEntry& entry : node_.entries) {
    if (entry.key->value != key) continue;
    log_.notice(entry.key->mark, std::string(key) + " has no effect: " + std::string(why));
  }
}

void ConfigFields::done() {
  if (!node_.is_mapping()) return;
  for (const YamlEntry& entry : node_.entries) {
    if (taken_.contains(entry.key->value)) continue;
    std::vector<std::string_view> known(taken_.begin(), taken_.end());
    std::string what = "field " + entry.key->value + " not found in " + what_;
    if (const auto near = closest(entry.key->value, known)) {
      what += "; did you mean " + std::string(*near) + "?";
    }
    log_.problem(entry.key->mark, what);
  }
}

}  // namespace gatehouse::wire

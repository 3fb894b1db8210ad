// Reading one mapping of another program's YAML (prometheus.yml, alertmanager.yml, rule
// files): each key is asked for once, and what was not asked for at the end is a problem
// with its line.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/secret_text.h"
#include "wire/yaml.h"

namespace gatehouse::wire {

// A wrong file, another program's, gives hundreds.
inline constexpr size_t kConfigProblemsMax = 50;

struct ConfigLog {
  std::string file;
  std::vector<std::string> problems, notices;

  std::string at(YamlMark mark) const {
    return file + ":" + std::to_string(mark.line) + ":" + std::to_string(mark.column) + ": ";
  }
  void problem(YamlMark mark, std::string_view what);
  void notice(YamlMark mark, std::string_view what);
};

class ConfigFields {
 public:
  // `what` is that program's name for the mapping: "scrape_config".
  ConfigFields(ConfigLog& log, const YamlNode& node, std::string_view what);

  const YamlNode* take(std::string_view key);  // null: not there, or null
  bool text(std::string_view key, std::string& out);
  bool boolean(std::string_view key, bool& out);
  bool integer(std::string_view key, int64_t least, int64_t most, int64_t& out);
  bool count(std::string_view key, uint64_t& out);
  bool duration(std::string_view key, int64_t& out);
  bool bytes(std::string_view key, uint64_t& out);  // "10MB"
  bool texts(std::string_view key, std::vector<std::string>& out);
  bool choice(std::string_view key, std::string& out, std::vector<std::string_view> among);
  bool pairs(std::string_view key, std::vector<std::pair<std::string, std::string>>& out);
  // A path, resolved against the file's directory.
  bool path(std::string_view key, std::string& out);
  // Secret `key` or `key`_file; not both.
  void secret(std::string_view key, model::SecretText& out);

  void refuse(std::string_view key, std::string_view why = {});
  void ignore(std::string_view key, std::string_view why);
  // What was not asked for.
  void done();

  ConfigLog& log() { return log_; }
  YamlMark mark() const { return node_.mark; }
  const YamlNode& node() const { return node_; }

 private:
  ConfigLog& log_;
  const YamlNode& node_;
  std::string what_;
  std::set<std::string, std::less<>> taken_;
};

std::string resolve_path(const std::string& config_file, const std::string& path);

}  // namespace gatehouse::wire

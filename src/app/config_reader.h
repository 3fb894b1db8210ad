// What reading a configuration needs besides the types: the problems found so
// far, substitution, and the names that were declared and referred to.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/config.h"
#include "wire/yaml.h"

namespace gatehouse::app {

// More would not be read, and a wrong file (another program's) gives thousands.
inline constexpr size_t kProblemsMax = 50;
// The largest secrets are PEM chains of a few KiB.
inline constexpr size_t kSubstitutedBytesMax = 64 << 10;

// A scalar after substitution.
struct ScalarText {
  std::string text;
  bool is_string = false;  // text by its own, quoted or substituted, rather than a number or bool
  bool hidden = false;     // substituted: must not be repeated in a message
};

// Collects problems, and knows the names that were declared.
class ConfigReader {
 public:
  ConfigReader(std::string_view name, const Environment& environment)
      : name_(name), environment_(environment) {}

  void problem(wire::YamlMark at, std::string_view what, std::string_view advice = {});
  // The scalar with ${env:…} and ${file:…} replaced. None: a problem was noted.
  std::optional<ScalarText> scalar(const wire::YamlNode& node, std::string_view path,
                                   std::string_view expected);
  // `name` is what `node` says after substitution; messages repeat the node.
  void declare(std::string_view kind, const std::string& name, const wire::YamlNode& node);
  void refer(std::string_view kind, const std::string& name, const wire::YamlNode& node,
             const std::string& from);
  // Notes the references that nothing declares.
  void check_references();

  LoadedConfig finish() &&;
  bool clean() const { return problems_.empty(); }

 private:
  struct Problem {
    wire::YamlMark at;
    std::string text;
  };
  struct Reference {
    std::string kind, name, written, from;
    wire::YamlMark at;
  };
  struct Declaration {
    std::string written;
    uint32_t line;
  };
  bool substitute(std::string_view expression, wire::YamlMark at, std::string& out);
  bool read_file(const std::string& path, wire::YamlMark at, std::string& out);

  std::string name_;
  const Environment& environment_;
  std::vector<Problem> problems_;
  std::vector<std::string> files_;
  std::map<std::string, std::map<std::string, Declaration>, std::less<>> declared_;
  std::vector<Reference> references_;
};

}  // namespace gatehouse::app

#include "app/config_reader.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "base/bytes.h"
#include "base/text.h"

namespace gatehouse::app {

using wire::YamlMark;
using wire::YamlNode;

Environment process_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
}

void ConfigReader::problem(YamlMark at, std::string_view what, std::string_view advice) {
  std::string text(what);
  if (!advice.empty()) text.append("; ").append(advice);
  // A node that is met again through an alias has the same problems once.
  for (const Problem& known : problems_) {
    if (known.at == at && known.text == text) return;
  }
  if (problems_.size() < kProblemsMax) problems_.push_back({at, std::move(text)});
}

LoadedConfig ConfigReader::finish() && {
  std::stable_sort(problems_.begin(), problems_.end(), [](const Problem& a, const Problem& b) {
    return std::pair(a.at.line, a.at.column) < std::pair(b.at.line, b.at.column);
  });
  LoadedConfig loaded;
  for (const Problem& problem : problems_) {
    loaded.problems.push_back(name_ + ":" + std::to_string(problem.at.line) + ":" +
                              std::to_string(problem.at.column) + ": " + problem.text);
  }
  loaded.files = std::move(files_);
  return loaded;
}

std::optional<ScalarText> ConfigReader::scalar(const YamlNode& node, std::string_view path,
                                               std::string_view expected) {
  if (!node.is_scalar()) {
    problem(node.mark, std::string(path) + ": expected one " + std::string(expected) + ", got a " +
                           (node.is_mapping() ? "mapping" : "list"));
    return {};
  }
  ScalarText out;
  out.is_string = node.is_string();
  const std::string_view text = node.value;
  for (size_t i = 0; i < text.size();) {
    if (text.substr(i, 3) == "$${") {
      out.text += "${";
      i += 3;
      continue;
    }
    if (text.substr(i, 2) != "${") {
      out.text += text[i++];
      continue;
    }
    const size_t end = text.find('}', i);
    if (end == std::string_view::npos) {
      problem(node.mark, std::string(path) + ": \"${\" without \"}\"",
              "write $${ for the characters themselves");
      return {};
    }
    if (!substitute(text.substr(i + 2, end - i - 2), node.mark, out.text)) return {};
    out.hidden = true;
    i = end + 1;
  }
  return out;
}

// `expression` stands between "${" and "}".
bool ConfigReader::substitute(std::string_view expression, YamlMark at, std::string& out) {
  const size_t colon = expression.find(':');
  const std::string_view source = expression.substr(0, colon);
  std::string_view name = colon == std::string_view::npos ? "" : expression.substr(colon + 1);
  if (source == "file" && !name.empty()) return read_file(std::string(name), at, out);
  if (source != "env" || name.empty()) {
    problem(at, "\"${" + std::string(expression) + "}\" is not known",
            "write ${env:NAME}, ${env:NAME:-default} or ${file:PATH}, or $${ for the characters");
    return false;
  }
  std::optional<std::string_view> fallback;
  if (const size_t mark = name.find(":-"); mark != std::string_view::npos) {
    fallback = name.substr(mark + 2);
    name = name.substr(0, mark);
  }
  const auto value = environment_(std::string(name));
  // As in a shell, ":-" also stands in for an empty value.
  if (fallback && (!value || value->empty())) {
    out += *fallback;
    return true;
  }
  if (!value) {
    problem(at, "the environment variable " + std::string(name) + " is not set",
            "set it, or write ${env:" + std::string(name) + ":-default}");
    return false;
  }
  if (value->size() > kSubstitutedBytesMax) {
    problem(at, "the environment variable " + std::string(name) + " is longer than 64 KiB");
    return false;
  }
  out += *value;
  return true;
}

bool ConfigReader::read_file(const std::string& path, YamlMark at, std::string& out) {
  files_.push_back(path);
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  std::string text(kSubstitutedBytesMax + 2, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!in.is_open() || in.bad() || (in.gcount() == 0 && errno != 0)) {
    problem(at, "the file " + path + " cannot be read: " + std::strerror(errno != 0 ? errno : EIO),
            "relative paths start where gatehouse was started");
    return false;
  }
  text.resize(static_cast<size_t>(in.gcount()));
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
  if (text.size() > kSubstitutedBytesMax) {
    problem(at, "the file " + path + " is longer than 64 KiB");
    wipe(text);
    return false;
  }
  out += text;
  wipe(text);
  return true;
}

void ConfigReader::declare(std::string_view kind, const std::string& name, const YamlNode& node) {
  if (name.empty()) return;  // its own problem was noted
  const auto [known, fresh] =
      declared_[std::string(kind)].emplace(name, Declaration{node.value, node.mark.line});
  if (fresh) return;
  problem(node.mark,
          "the " + std::string(kind) + " \"" + node.value + "\" is declared twice, first on line " +
              std::to_string(known->second.line),
          "give one of them another name");
}

void ConfigReader::refer(std::string_view kind, const std::string& name, const YamlNode& node,
                         const std::string& from) {
  if (!name.empty()) references_.push_back({std::string(kind), name, node.value, from, node.mark});
}

void ConfigReader::check_references() {
  for (const Reference& reference : references_) {
    const auto& names = declared_[reference.kind];
    if (names.count(reference.name) != 0) continue;
    std::vector<std::string_view> candidates;
    for (const auto& [name, declaration] : names) {
      if (declaration.written == name) candidates.push_back(name);
    }
    const auto meant = closest(reference.written, candidates);
    problem(reference.at,
            reference.from + ": there is no " + reference.kind + " \"" + reference.written + "\"",
            meant ? "did you mean \"" + std::string(*meant) + "\"?"
                  : "declare it under " + reference.kind + "s");
  }
}

}  // namespace gatehouse::app

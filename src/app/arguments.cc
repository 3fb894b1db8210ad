#include <algorithm>

#include "app/commands.h"
#include "base/text.h"

namespace gatehouse::app {

bool Arguments::parse(std::span<const std::string_view> words,
                      std::span<const std::string_view> known,
                      std::span<const std::string_view> flags, Arguments& out, std::string& error) {
  const auto contains = [](std::span<const std::string_view> all, std::string_view name) {
    return std::find(all.begin(), all.end(), name) != all.end();
  };
  for (size_t i = 0; i < words.size(); ++i) {
    std::string_view word = words[i];
    if (!word.starts_with("--")) {
      out.rest_.emplace_back(word);
      continue;
    }
    word.remove_prefix(2);
    const size_t equals = word.find('=');
    const std::string_view name = word.substr(0, equals);
    if (contains(flags, name) && equals == std::string_view::npos) {
      out.options_.emplace_back(name, "");
    } else if (contains(known, name)) {
      if (equals != std::string_view::npos) {
        out.options_.emplace_back(name, word.substr(equals + 1));
      } else if (i + 1 < words.size()) {
        out.options_.emplace_back(name, words[++i]);
      } else {
        error = "--" + std::string(name) + " needs a value";
        return false;
      }
    } else {
      error = "unknown option --" + std::string(name);
      std::vector<std::string_view> all(known.begin(), known.end());
      all.insert(all.end(), flags.begin(), flags.end());
      if (const auto near = closest(name, all))
        error += "; did you mean --" + std::string(*near) + "?";
      return false;
    }
  }
  return true;
}

std::string Arguments::get(std::string_view name, std::string_view fallback) const {
  for (const auto& [key, value] : options_) {
    if (key == name) return value;
  }
  return std::string(fallback);
}

bool Arguments::has(std::string_view name) const {
  return std::any_of(options_.begin(), options_.end(),
                     [name](const auto& option) { return option.first == name; });
}

}  // namespace gatehouse::app

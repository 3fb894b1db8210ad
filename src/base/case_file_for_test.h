// Runs cases written as text (test/gateway, test/alerts; their form: test/gateway/README.md).
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"

namespace gatehouse {

struct Step {
  std::string verb;
  std::string rest;                // after the verb, before the arrow
  std::vector<std::string> words;  // of `rest`; quotes keep spaces together

  // The value of a word "key=value".
  std::string text(std::string_view key, std::string_view fallback = {}) const {
    for (const std::string& word : words) {
      if (word.size() > key.size() && word.starts_with(key) && word[key.size()] == '=') {
        return word.substr(key.size() + 1);
      }
    }
    return std::string(fallback);
  }
  bool has(std::string_view key) const {
    return std::any_of(words.begin(), words.end(), [key](const std::string& word) {
      return word == key || (word.starts_with(key) && word[key.size()] == '=');
    });
  }
  int64_t integer(std::string_view key, int64_t fallback = 0) const {
    const std::string value = text(key);
    if (value.empty()) return fallback;
    size_t used = 0;
    const int64_t out = std::stoll(value, &used);
    EXPECT_EQ(used, value.size()) << "not a whole number: " << key << "=" << value;
    return out;
  }
  double number(std::string_view key, double fallback = 0) const {
    const std::string value = text(key);
    return value.empty() ? fallback : std::stod(value);
  }
  // "2h3m", "1.5s" is not one: durations are whole milliseconds.
  int64_t duration_ms(std::string_view key, int64_t fallback = 0) const {
    const std::string value = text(key);
    if (value.empty()) return fallback;
    const auto out = parse_duration_ms(value);
    EXPECT_TRUE(out.has_value()) << "not a duration: " << key << "=" << value;
    return out.value_or(fallback);
  }
};

// What a folder of cases talks to; a new one for each case.
class CaseDriver {
 public:
  virtual ~CaseDriver() = default;
  // The result in words; "" where there is nothing to tell.
  virtual std::string run(const Step& step) = 0;
};

inline std::vector<std::string> case_words(std::string_view text) {
  std::vector<std::string> out;
  bool quoted = false;
  bool open = false;
  for (const char c : text) {
    if (c == '"') {
      quoted = !quoted;
      if (!open) out.emplace_back();
      open = true;
    } else if (c == ' ' && !quoted) {
      open = false;
    } else {
      if (!open) out.emplace_back();
      open = true;
      out.back() += c;
    }
  }
  return out;
}

inline void run_case_file(const std::filesystem::path& path,
                          const std::function<std::unique_ptr<CaseDriver>()>& make) {
  std::ifstream in(path);
  ASSERT_TRUE(in.is_open()) << path;
  std::unique_ptr<CaseDriver> driver;
  std::string raw;
  std::string title;
  int line = 0;
  int checks = 0;
  while (std::getline(in, raw)) {
    ++line;
    const std::string_view text = trim(raw);
    if (text.empty() || text.starts_with('#')) continue;
    if (text.starts_with("== ")) {
      title = text.substr(3);
      driver = make();
      continue;
    }
    ASSERT_TRUE(driver) << path << ":" << line << ": a step before the first '== case'";
    Step step;
    std::optional<std::string> expected;
    std::string_view body = text;
    if (const size_t arrow = text.rfind(" -> "); arrow != std::string_view::npos) {
      expected = trim(text.substr(arrow + 4));
      body = trim(text.substr(0, arrow));
    }
    const size_t space = body.find(' ');
    step.verb = body.substr(0, space);
    step.rest = space == std::string_view::npos ? "" : std::string(trim(body.substr(space)));
    step.words = case_words(step.rest);
    const std::string got = driver->run(step);
    EXPECT_EQ(got, expected.value_or("")) << path.string() << ":" << line << ": " << title;
    if (expected) ++checks;
  }
  EXPECT_GT(checks, 0) << path << " checks nothing";
}

// Every *.test file of the folder, "test/gateway/limits", from the repository's root.
inline void run_case_folder(const std::string& folder,
                            const std::function<std::unique_ptr<CaseDriver>()>& make) {
  const std::filesystem::path root(folder);
  ASSERT_TRUE(std::filesystem::is_directory(root)) << "run from the root of the repository";
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(root)) {
    if (entry.path().extension() != ".test") continue;
    run_case_file(entry.path(), make);
    ++files;
  }
  EXPECT_GT(files, 0) << root << " holds no case";
}

}  // namespace gatehouse

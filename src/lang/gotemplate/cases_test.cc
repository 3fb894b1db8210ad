// Runs the cases of test/gotemplate: templates, data as JSON, and what comes out. The form
// of a case is said in test/gotemplate/README.md.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "lang/gotemplate/functions.h"
#include "lang/gotemplate/number.h"
#include "lang/gotemplate/quote.h"
#include "lang/gotemplate/template.h"

namespace gatehouse::gotemplate {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kNow_ns = 1'770'000'000'500'000'000;

// JSON as the cases write it, which is trusted to be well formed.
class Json {
 public:
  explicit Json(std::string_view text) : text_(text) {}

  Value read() {
    skip();
    if (take("{")) return map();
    if (take("[")) return list();
    if (text_[0] == '"') return Value(string());
    if (take("null")) return Value();
    if (take("true")) return Value(true);
    if (take("false")) return Value(false);
    const size_t size = std::min(text_.find_first_of(",]} \t\n"), text_.size());
    const auto number = parse_constant(text_.substr(0, size));
    text_.remove_prefix(size);
    return number.value_or(Value());
  }

 private:
  void skip() { text_.remove_prefix(std::min(text_.find_first_not_of(" \t\n"), text_.size())); }
  bool take(std::string_view word) {
    skip();
    if (!text_.starts_with(word)) return false;
    text_.remove_prefix(word.size());
    return true;
  }
  std::string string() {
    size_t end = 1;
    while (text_[end] != '"') end += text_[end] == '\\' ? 2 : 1;
    std::string quoted(text_.substr(0, end + 1));
    text_.remove_prefix(end + 1);
    for (size_t at = 0; (at = quoted.find("\\/", at)) != std::string::npos;) quoted.erase(at, 1);
    return unquote(quoted).value_or("not a string: " + quoted);
  }
  Value list() {
    List values;
    while (!take("]")) {
      values.push_back(read());
      (void)take(",");
    }
    return Value(std::move(values));
  }
  // {"$time": ns}, {"$time": ns, "zone": "x"} and {"$duration": ns} are what JSON lacks.
  Value map() {
    Map values;
    while (!take("}")) {
      skip();
      std::string key = string();
      (void)take(":");
      values.insert_or_assign(std::move(key), read());
      (void)take(",");
    }
    const auto time = values.find("$time");
    if (time != values.end()) {
      const auto zone = values.find("zone");
      return Value(Time{*time->second.as<int64_t>(),
                        zone == values.end() ? "" : *zone->second.as<std::string>()});
    }
    const auto duration = values.find("$duration");
    if (duration != values.end()) return Value(Duration{*duration->second.as<int64_t>()});
    return Value(std::move(values));
  }

  std::string_view text_;
};

struct Case {
  std::string file, name;
  size_t line = 0;
  std::string options, data, source, wanted;
  bool fails = false;
};

std::vector<Case> read_cases(const fs::path& path) {
  std::vector<Case> cases;
  std::ifstream file(path);
  std::string line;
  std::string* text = nullptr;
  for (size_t number = 1; std::getline(file, line); ++number) {
    const auto after = [&](std::string_view word) { return line.substr(word.size()); };
    if (line == "end") {
      text = nullptr;
    } else if (text && (line == "wanted" || line == "error")) {
      cases.back().fails = line == "error";
      text = &cases.back().wanted;
    } else if (text) {
      text->append(line).append("\n");
    } else if (line.starts_with("case ")) {
      cases.push_back({path.filename().string(), after("case "), number, {}, {}, {}, {}, false});
    } else if (line.starts_with("options ")) {
      cases.back().options = after("options ");
    } else if (line.starts_with("data ")) {
      cases.back().data = after("data ");
    } else if (line == "template") {
      text = &cases.back().source;
    } else if (!line.empty() && line[0] != '#') {
      ADD_FAILURE() << path << ":" << number << ": not of a case: " << line;
    }
  }
  for (Case& one : cases) {
    for (std::string* part : {&one.source, &one.wanted}) {
      if (!part->empty()) part->pop_back();
    }
  }
  return cases;
}

bool has_option(const Case& one, std::string_view option) {
  return (" " + one.options + " ").find(" " + std::string(option) + " ") != std::string::npos;
}

List query_of(const std::string& query) {
  List samples;
  if (query == "none") return samples;
  for (const char* instance : {"b", "a"}) {
    Map labels{{"instance", Value(instance)}, {"__value__", Value("text")}};
    samples.push_back(Value(Map{{"Labels", Value(std::move(labels))},
                                {"Value", Value(instance[0] == 'a' ? 1.5 : 21.0)}}));
  }
  return samples;
}

std::shared_ptr<const Functions> functions_of(const Case& one) {
  if (has_option(one, "alertmanager")) return alertmanager_functions([] { return kNow_ns; });
  PrometheusFunctionOptions options;
  options.query = [](const std::string& query) -> Result<List> {
    if (query == "bad") return invalid_argument("parse error");
    return query_of(query);
  };
  options.external_url = "https://example.org:9090/prefix?x=1";
  options.now_unix_ns = [] { return kNow_ns; };
  if (has_option(one, "prometheus")) return prometheus_functions(std::move(options));
  Functions functions;
  for (const auto& [name, kind] : {std::pair{"safeHtml", SafeText::Kind::kHtml},
                                   {"safeUrl", SafeText::Kind::kUrl},
                                   {"safeJs", SafeText::Kind::kJs},
                                   {"safeCss", SafeText::Kind::kCss},
                                   {"safeAttr", SafeText::Kind::kAttribute}}) {
    functions[name] = [kind = kind](std::span<const Value> arguments) -> Result<Value> {
      return Value(SafeText{kind, arguments[0].text()});
    };
  }
  return std::make_shared<const Functions>(std::move(functions));
}

TEST(GoTemplate, Cases) {
  const fs::path folder = "test/gotemplate";  // tests run in the root of the source
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".test") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  size_t count = 0;
  for (const fs::path& path : files) {
    for (const Case& one : read_cases(path)) {
      SCOPED_TRACE(one.file + ":" + std::to_string(one.line) + ": " + one.name);
      ++count;
      TemplateOptions options;
      if (has_option(one, "html")) options.escape = Escape::kHtml;
      if (has_option(one, "missingkey=zero")) options.missing_key = MissingKey::kZero;
      if (has_option(one, "missingkey=error")) options.missing_key = MissingKey::kError;
      Templates templates(functions_of(one), options);
      const Value data = one.data.empty() ? Value() : Json(one.data).read();
      const Status parsed = templates.parse("t", one.source);
      const auto got = parsed.ok() ? templates.execute("t", data) : Result<std::string>(parsed);
      if (one.fails) {
        EXPECT_EQ(got.ok() ? "no error, but: " + *got : got.status().message(), one.wanted);
      } else {
        EXPECT_EQ(got.ok() ? *got : "error: " + got.status().message(), one.wanted);
      }
    }
  }
  EXPECT_GT(count, 900u);
}

}  // namespace
}  // namespace gatehouse::gotemplate

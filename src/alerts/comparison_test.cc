// What test/alerts compares with Alertmanager: templates rendered, and webhooks' JSON, for data
// that its scripts give. They look at what is printed.
#include <gtest/gtest.h>

#include <cstdlib>

#include "alerts/templates.h"
#include "base/files.h"
#include "wire/json.h"

namespace gatehouse::alerts {
namespace {

constexpr size_t kFileBytesMax = 16 << 20;

std::string given() {
  const char* file = std::getenv("GATEHOUSE_TEST_RENDER");
  if (file == nullptr) return {};
  auto text = read_file(file, kFileBytesMax);
  EXPECT_TRUE(text.ok()) << text.status().message();
  return text.value_or("");
}

// {"files": [[name, text], ...], "data": [{...}, ...], "texts": [...], "html": [...]}: a line
// "rendered {...}" for each pair of data and text.
TEST(Comparison, Rendered) {
  const std::string text = given();
  if (text.empty()) GTEST_SKIP() << "test/alerts/test_templates.py runs this";
  const auto document = wire::JsonDocument::parse(text);
  ASSERT_TRUE(document.ok());
  const wire::JsonView root = document->root();
  std::vector<std::pair<std::string, std::string>> files;
  for (const wire::JsonView file : root["files"].items()) {
    files.emplace_back(*file.at(0).string(), *file.at(1).string());
  }
  const auto templates = NotificationTemplates::create(files);
  ASSERT_TRUE(templates.ok()) << templates.status().message();
  const auto print = [](const Result<std::string>& made) {
    std::string line;
    wire::JsonWriter json(line);
    json.begin_object();
    if (made.ok()) json.member("text", *made);
    if (!made.ok()) json.member("error", made.status().message());
    json.end_object();
    std::printf("rendered %s\n", line.c_str());
  };
  for (const wire::JsonView item : root["data"].items()) {
    const auto data = template_data_from_json(*item.string());
    ASSERT_TRUE(data.ok()) << data.status().message();
    for (const wire::JsonView each : root["texts"].items()) {
      print((*templates)->text(*each.string(), *data));
    }
    for (const wire::JsonView each : root["html"].items()) {
      print((*templates)->html(*each.string(), *data));
    }
  }
}

}  // namespace
}  // namespace gatehouse::alerts

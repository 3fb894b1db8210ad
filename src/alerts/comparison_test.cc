// What test/alerts compares with Alertmanager: templates rendered, and webhooks' JSON, for data
// that its scripts give. They look at what is printed.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "alerts/templates.h"
#include "alerts/webhook_message.h"
#include "base/files.h"
#include "base/text.h"
#include "wire/json.h"

namespace gatehouse::alerts {
namespace {

constexpr size_t kFileBytesMax = 16 << 20;

std::string given(const char* variable) {
  const char* file = std::getenv(variable);
  if (file == nullptr) return {};
  auto text = read_file(file, kFileBytesMax);
  EXPECT_TRUE(text.ok()) << text.status().message();
  return text.value_or("");
}

// {"files": [[name, text], ...], "data": [{...}, ...], "texts": [...], "html": [...]}: a line
// "rendered {...}" for each pair of data and text.
TEST(Comparison, Rendered) {
  const std::string text = given("GATEHOUSE_TEST_RENDER");
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

// A message that Alertmanager sent: the same notification as we say it, as "webhook {...}".
TEST(Comparison, Webhook) {
  const std::string text = given("GATEHOUSE_TEST_WEBHOOK");
  if (text.empty()) GTEST_SKIP() << "test/alerts/test_webhook.py runs this";
  const auto document = wire::JsonDocument::parse(text);
  ASSERT_TRUE(document.ok());
  const wire::JsonView root = document->root();
  const auto pairs = [](const wire::JsonView& view) {
    std::vector<std::pair<std::string, std::string>> out;
    for (const auto& [name, value] : view.members()) out.emplace_back(name, *value.string());
    std::sort(out.begin(), out.end());
    return out;
  };
  const auto time = [](const wire::JsonView& view) {
    return parse_time_ns(view.string().value_or("")).value_or(0) / 1'000'000;
  };
  Notification notification;
  notification.receiver = root["unquotedReceiver"].string().value_or("");
  notification.group_key = root["groupKey"].string().value_or("");
  notification.group_labels = model::Labels(pairs(root["groupLabels"]));
  notification.external_url = root["externalURL"].string().value_or("");
  for (const wire::JsonView item : root["alerts"].items()) {
    NotifiedAlert each;
    each.alert.labels = model::Labels(pairs(item["labels"]));
    each.alert.annotations = pairs(item["annotations"]);
    each.alert.starts_at_ms = time(item["startsAt"]);
    each.alert.ends_at_ms = time(item["endsAt"]);
    each.alert.generator_url = item["generatorURL"].string().value_or("");
    each.resolved = item["status"].string() == "resolved";
    each.fingerprint = fingerprint_of(each.alert.labels);
    notification.alerts.push_back(std::move(each));
  }
  const std::string message = webhook_message(notification, 0);
  std::printf("webhook %s", message.c_str());
}

}  // namespace
}  // namespace gatehouse::alerts

#include "alerts/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace gatehouse::alerts {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string read_text(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write_routes(const Route& route, int depth, std::string& out) {
  out += std::string(static_cast<size_t>(depth) * 2, ' ') + "route " + route.id + " -> " +
         route.receiver + "\n";
  for (const auto& child : route.routes) write_routes(*child, depth + 1, out);
}

// What is wrong, or what was read: notices, routes, receivers, and the text that is shown.
std::string told_of(const Result<std::shared_ptr<const AlertmanagerConfig>>& config) {
  if (!config.ok()) return config.status().message() + "\n";
  std::string out;
  for (const std::string& notice : (*config)->notices) out += "notice: " + notice + "\n";
  write_routes(*(*config)->route, 0, out);
  for (const std::string& name : (*config)->receiver_names) {
    out += "receiver " + name + ":";
    for (const auto& integration : (*config)->receivers.at(name).integrations) {
      out += " " + integration->name();
    }
    out += "\n";
  }
  out += "inhibit rules: " + std::to_string((*config)->inhibit_rules.size()) + "\n";
  return out + "---\n" + (*config)->original;
}

// With GATEHOUSE_UPDATE the files become what was found; look at their difference.
TEST(AlertmanagerConfig, CasesAreToldOfAsExpected) {
  size_t cases = 0;
  for (const auto& entry : std::filesystem::directory_iterator("test/alerts/config")) {
    std::filesystem::path path = entry.path();
    if (path.extension() != ".yml") continue;
    ++cases;
    const auto config = read_alertmanager_config(read_text(path), path.filename().string());
    const std::string found = told_of(config);
    EXPECT_THAT(found, Not(HasSubstr("very-secret"))) << path;
    const std::filesystem::path expected = path.replace_extension(".expected");
    if (std::getenv("GATEHOUSE_UPDATE") != nullptr) std::ofstream(expected) << found;
    EXPECT_EQ(read_text(expected), found) << path;
  }
  EXPECT_GE(cases, 5u);
}

// What is shown can be read again, and then is shown the same: no secret becomes a text that
// is no YAML.
TEST(AlertmanagerConfig, WhatIsShownReadsBack) {
  const std::string text = read_text("test/alerts/config/whole.yml");
  const auto config = read_alertmanager_config(text, "f");
  ASSERT_TRUE(config.ok()) << config.status().message();
  const auto again = read_alertmanager_config((*config)->original, "f");
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_EQ((*again)->original, (*config)->original);
}

}  // namespace
}  // namespace gatehouse::alerts

#include "app/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "app/config_table.h"
#include "wire/json.h"

namespace gatehouse::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const Environment kEnvironment = [](const std::string& name) -> std::optional<std::string> {
  if (name == "OPENAI_API_KEY" || name == "SECRET") return "sk-very-secret";
  if (name == "TWO_LINES") return "sk-very-secret\nmore";
  if (name == "THREADS") return "3";
  if (name == "EMPTY") return "";
  return std::nullopt;
};

LoadedConfig parse(std::string_view text) { return parse_config(text, "f", kEnvironment); }

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// With GATEHOUSE_UPDATE the file becomes what was found; look at its difference.
void expect_file(const std::filesystem::path& path, const std::string& found) {
  if (std::getenv("GATEHOUSE_UPDATE") != nullptr) std::ofstream(path, std::ios::binary) << found;
  EXPECT_EQ(read_file(path), found) << path;
}

TEST(Config, CasesGiveTheProblemsExpected) {
  size_t cases = 0;
  for (const auto& entry : std::filesystem::directory_iterator("test/config")) {
    std::filesystem::path path = entry.path();
    if (path.extension() != ".yaml") continue;
    ++cases;
    const LoadedConfig loaded =
        parse_config(read_file(path), path.filename().string(), kEnvironment);
    EXPECT_EQ(loaded.config.has_value(), loaded.problems.empty());
    std::string found;
    for (const std::string& problem : loaded.problems) {
      EXPECT_THAT(problem, Not(HasSubstr("very-secret")));
      found += problem + "\n";
    }
    expect_file(path.replace_extension(".expected"), found);
  }
  EXPECT_GE(cases, 10u);
}

TEST(Config, AnEmptyFileIsTheDefaults) {
  for (const char* text : {"", "# nothing\n", "---\n", "server:\nupstreams:\n", "{}"}) {
    const LoadedConfig loaded = parse(text);
    ASSERT_THAT(loaded.problems, IsEmpty()) << text;
    EXPECT_THAT(changed_keys(*loaded.config, Config()), IsEmpty());
  }
  const Config config;
  EXPECT_THAT(config.server.listen, ElementsAre("127.0.0.1:8080"));
  EXPECT_EQ(config.storage.retention_bytes, int64_t{10} << 30);
  EXPECT_EQ(config.memory_limit_bytes, int64_t{500} << 20);
}

TEST(Config, FillsEveryStruct) {
  const LoadedConfig loaded =
      parse_config(read_file("test/config/full.yaml"), "full.yaml", kEnvironment);
  ASSERT_TRUE(loaded.config) << loaded.problems[0];
  const Config& config = *loaded.config;
  EXPECT_EQ(config.log_severity, Severity::kDebug);
  EXPECT_EQ(config.server.threads, 2);
  EXPECT_EQ(config.server.tls_key_path, "key.pem");
  EXPECT_EQ(config.server.options.idle_timeout_ms, 90'000);
  EXPECT_EQ(config.server.options.body_bytes_max, 16u << 20);
  EXPECT_EQ(config.gateway.body_bytes_max, 16u << 20);
  EXPECT_EQ(config.server.options.head.headers, 50u);
  EXPECT_EQ(config.server.options.head.head_bytes, net::HeadLimits().head_bytes);
  EXPECT_EQ(config.access.lockout.lock_ms, 3'600'000);
  EXPECT_EQ(config.storage.sync_interval_ms, 50);
  EXPECT_EQ(config.gateway.recorded_body_bytes_max, 4096u);

  const auto& upstreams = config.gateway.upstreams;
  ASSERT_EQ(upstreams.size(), 4u);
  EXPECT_EQ(upstreams[0].auth.kind, gateway::AuthConfig::Kind::kApiKey);
  EXPECT_EQ(upstreams[0].auth.api_key, "sk-very-secret");
  EXPECT_EQ(upstreams[0].url, "https://api.openai.com/v1");
  EXPECT_EQ(upstreams[0].timeouts.connect_ms, 10'000);
  EXPECT_EQ(upstreams[0].timeouts.first_token_ms, 300'000);
  EXPECT_EQ(upstreams[0].timeouts.total_ms, 1'200'000);
  EXPECT_EQ(upstreams[0].timeouts.first_byte_ms, 120'000);
  EXPECT_THAT(upstreams[0].retry.statuses, ElementsAre(429, 503));
  EXPECT_EQ(upstreams[0].headers.at("OpenAI-Organization"), "org-1");
  EXPECT_EQ(upstreams[1].kind, gateway::UpstreamKind::kAzureOpenAi);
  EXPECT_EQ(upstreams[1].auth.kind, gateway::AuthConfig::Kind::kEntra);
  EXPECT_EQ(upstreams[2].auth.api_key, "none");
  EXPECT_EQ(upstreams[3].auth.kind, gateway::AuthConfig::Kind::kNone);

  const auto& models = config.gateway.models;
  EXPECT_EQ(models[0].targets[0].weight, 3);
  EXPECT_EQ(models[0].targets[1].order, 1);
  EXPECT_EQ(models[0].limits.daily_nanodollars, 12'500'000'000);
  EXPECT_FALSE(models[0].timeouts.has_value());
  EXPECT_EQ(models[1].timeouts->total_ms, 300'000);

  const auto& price = config.gateway.prices.at(0);
  EXPECT_EQ(price.input, 2500);
  EXPECT_EQ(price.cached_input, 1250);
  EXPECT_EQ(price.output, 10'000);
  EXPECT_EQ(price.request, 1);
  EXPECT_EQ(price.reasoning, -1);
}

TEST(Config, PricesAreExact) {
  const auto input = [](const std::string& amount) {
    const LoadedConfig loaded = parse("prices: [{model: m, input: " + amount + "}]");
    return loaded.config ? loaded.config->gateway.prices[0].input : -2;
  };
  EXPECT_EQ(input("0.075"), 75);
  EXPECT_EQ(input("0.1"), 100);
  EXPECT_EQ(input("15"), 15'000);
  EXPECT_EQ(input("1.1500"), 1150);
  EXPECT_EQ(input("0"), 0);
  for (const char* bad : {"0.0001", "-1", "1e3", ".inf", "1.", "'1 '", "99999999999999999999"}) {
    EXPECT_EQ(input(bad), -2) << bad;
  }
}

TEST(Config, SubstitutesFromFilesAndTheEnvironment) {
  const auto folder = std::filesystem::path(testing::TempDir());
  const std::string path = (folder / "gatehouse_config_secret").string();
  std::ofstream(path) << "line\n";
  const auto key = [&](const std::string& text) {
    const LoadedConfig loaded = parse("upstreams: [{name: a, auth: {api_key: \"" + text + "\"}}]");
    return loaded.config ? loaded.config->gateway.upstreams[0].auth.api_key
                         : "problem: " + loaded.problems[0];
  };
  EXPECT_EQ(key("${file:" + path + "}"), "line");
  EXPECT_EQ(key("a${env:THREADS}b${env:THREADS}"), "a3b3");
  EXPECT_EQ(key("${env:EMPTY:-x:-y}"), "x:-y");
  EXPECT_EQ(key("$${env:THREADS} $5"), "${env:THREADS} $5");
  EXPECT_THAT(key("${env:EMPTY}"), HasSubstr("a secret that is not empty"));
  std::ofstream(path) << std::string(65'537, 'x');
  EXPECT_THAT(key("${file:" + path + "}"), HasSubstr("longer than 64 KiB"));
  EXPECT_THAT(key("${file:" + folder.string() + "}"), HasSubstr("cannot be read"));
  std::filesystem::remove(path);
  EXPECT_THAT(parse("log: {level: \"${file:/a/b}\"}").files, ElementsAre("/a/b"));
}

TEST(Config, CollectsAtMostFiftyProblems) {
  std::string text;
  for (int i = 0; i < 80; ++i) text += "key" + std::to_string(i) + ": 1\n";
  EXPECT_EQ(parse(text).problems.size(), kProblemsMax);
  EXPECT_THAT(load_config("/no/such.yaml", kEnvironment).problems,
              ElementsAre("/no/such.yaml: cannot be read: No such file or directory"));
}

TEST(Config, TellsWhatChanged) {
  const auto keys = [](std::string_view a, std::string_view b) {
    return changed_keys(*parse(a).config, *parse(b).config);
  };
  EXPECT_THAT(keys("upstreams: [{name: a}]", "upstreams: [{name: a}]"), IsEmpty());
  EXPECT_THAT(keys("upstreams: [{name: a}]", "upstreams: [{name: a, headers: {x: y}}]"),
              ElementsAre("upstreams"));
  EXPECT_THAT(keys("server: {threads: 1}", "log: {level: error}"),
              ElementsAre("server.threads", "log.level"));
  EXPECT_THAT(keys("", "server: {limits: {headers: 5}}"), ElementsAre("server.limits"));
  EXPECT_THAT(keys("models: [{name: m, upstreams: [{upstream: u}], timeouts: {}}]\n"
                   "upstreams: [{name: u}]",
                   "models: [{name: m, upstreams: [{upstream: u}]}]\nupstreams: [{name: u}]"),
              ElementsAre("models"));
}

// Every key of the table is described, in the schema, and in docs/config.md.
TEST(Config, TheReferenceIsComplete) {
  const std::string page = read_file("docs/config.md");
  constexpr std::string_view kMarker = "<!-- generated from src/app/config_table.cc -->\n\n";
  const size_t begin = page.find(kMarker);
  ASSERT_NE(begin, std::string::npos);
  expect_file("docs/config.md", page.substr(0, begin) + std::string(kMarker) + config_reference());

  const auto schema = wire::JsonDocument::parse(config_schema());
  ASSERT_TRUE(schema.ok()) << schema.status().message();
  const auto check = [](const auto& self, const ObjectType& type, wire::JsonView node,
                        const std::string& at) -> void {
    for (const Field& field : type.fields) {
      EXPECT_GT(field.description.size(), 8u) << at << field.name;
      EXPECT_TRUE(field.description.ends_with(".")) << at << field.name;
      const wire::JsonView own = node["properties"][field.name];
      EXPECT_TRUE(own["description"].is_string()) << at << field.name;
      if (const ObjectType* inner = field.type->object()) {
        self(self, *inner, own["items"].present() ? own["items"] : own, at + field.name + ".");
      }
    }
  };
  check(check, config_table(), schema->root(), "");
}

TEST(Config, TheExampleLoads) {
  const Environment all = [](const std::string&) { return std::optional<std::string>("set"); };
  const LoadedConfig loaded =
      parse_config(read_file("deploy/gatehouse.example.yaml"), "example", all);
  EXPECT_THAT(loaded.problems, IsEmpty());
}

}  // namespace
}  // namespace gatehouse::app

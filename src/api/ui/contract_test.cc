// docs/api.md is the contract: every JSON example in it is compared, member by
// member, with what the console answers.
#include <fstream>
#include <set>
#include <sstream>

#include "api/ui/console_for_test.h"

namespace gatehouse::api::test {
namespace {

// The text of the first ```json block after `heading`; several: the `nth`.
std::string example(const std::string& heading, int nth = 0) {
  std::ifstream file("docs/api.md");
  std::stringstream text;
  text << file.rdbuf();
  const std::string all = text.str();
  size_t at = all.find("\n" + heading + "\n");
  EXPECT_NE(at, std::string::npos) << heading;
  for (int i = 0; i <= nth && at != std::string::npos; ++i) at = all.find("```json\n", at + 1);
  EXPECT_NE(at, std::string::npos) << heading;
  if (at == std::string::npos) return {};
  at += 8;
  return all.substr(at, all.find("```", at) - at);
}

char type_of(wire::JsonView value) {
  if (value.is_object()) return 'o';
  if (value.is_array()) return 'a';
  if (value.is_string()) return 's';
  if (value.is_bool()) return 'b';
  if (value.is_number()) return 'n';
  return '0';
}

// `free`: objects whose members are the user's.
void compare(wire::JsonView expected, wire::JsonView found, const std::string& place) {
  static const std::set<std::string> kFree = {"metadata", "details"};
  // Null stands for a value of any type.
  if (expected.is_null() || found.is_null()) return;
  ASSERT_EQ(type_of(expected), type_of(found)) << place;
  if (expected.is_array() && expected.size() > 0 && found.size() > 0) {
    compare(expected.at(0), found.at(0), place + "[]");
  }
  if (!expected.is_object() || kFree.contains(place.substr(place.rfind('.') + 1))) return;
  for (const auto [name, value] : expected.members()) {
    ASSERT_TRUE(found.get(name).present()) << place << "." << name << " is missing";
    compare(value, found.get(name), place + "." + std::string(name));
  }
  for (const auto [name, value] : found.members()) {
    EXPECT_TRUE(expected.get(name).present()) << place << "." << name << " is not in docs/api.md";
  }
}

void compare(const std::string& expected, wire::JsonView found, const std::string& place) {
  const auto document = wire::JsonDocument::parse(expected);
  ASSERT_TRUE(document.ok()) << place << ": " << document.status().message() << expected;
  compare(document->root(), found, place);
}

class ContractTest : public ConsoleTest {};

TEST_F(ContractTest, Errors) {
  Replied refused = admin("GET", "/api/v1/keys/k_none");
  compare(example("## 1. Rules that hold everywhere"), refused.json(), "error");
  EXPECT_EQ(refused.code(), "key_not_found");
}

TEST_F(ContractTest, Session) {
  const SignedIn me = sign_in();
  Replied session = call("GET", "/api/v1/session", {{"cookie", me.cookie}});
  compare(example("### `GET /api/v1/session`"), session.json(), "session");
}

TEST_F(ContractTest, Overview) {
  clock_.pass_ms(3 * 3'600'000);  // so that there is a time before
  add_call({});
  EndedCall refused;
  refused.status = 429;
  refused.error = "rate_limit_exceeded";
  refused.attempts = 0;
  add_call(refused);
  limits_.apply(gateway::LimitScope::kGate, gateway::kWholeGate, 1052, 214'800, clock_.wall,
                {clock_.steady_ns(), clock_.wall});
  config_.daily_budget_nanodollars = 50'000'000'000;
  Replied overview = admin("GET", "/api/v1/overview");
  const wire::JsonView root = overview.json();
  compare(example("### `GET /api/v1/overview?range=15m|1h|24h`  (default `1h`)"), root, "overview");
  EXPECT_EQ(root.get("calls").integer(), 2);
  EXPECT_EQ(root.get("refused").integer(), 1);
  EXPECT_EQ(root.get("errors").integer(), 0);
  EXPECT_EQ(root.get("calls_per_second").number(), 2.0 / 3600);
  EXPECT_TRUE(root.get("previous").is_object());
  EXPECT_EQ(root.get("series").get("at_ms").size(), 60u);
  EXPECT_EQ(root.get("spend").get("today_nanousd").string(), "214800");
  EXPECT_EQ(root.get("spend").get("daily_budget_nanousd").string(), "50000000000");
  EXPECT_TRUE(root.get("spend").get("monthly_budget_nanousd").is_null());
  EXPECT_EQ(root.get("top_models").at(0).get("model").string(), "gpt-4o-mini");
  EXPECT_EQ(root.get("checklist").get("first_call").boolean(), true);
  EXPECT_EQ(root.get("checklist").get("password_set").boolean(), false);
  for (const auto& [range, points] : {std::pair{"15m", 60u}, {"1h", 60u}, {"24h", 96u}}) {
    Replied each = admin("GET", std::string("/api/v1/overview?range=") + range);
    EXPECT_EQ(each.json().get("series").get("calls").size(), points) << range;
  }
}

TEST_F(ContractTest, AFreshStartHasNothingToShow) {
  Replied overview = admin("GET", "/api/v1/overview");
  const wire::JsonView root = overview.json();
  EXPECT_EQ(root.get("calls").integer(), 0);
  EXPECT_TRUE(root.get("error_ratio").is_null());
  EXPECT_TRUE(root.get("ttft_p95_ms").is_null());
  EXPECT_TRUE(root.get("previous").is_null());
  EXPECT_EQ(root.get("checklist").get("first_call").boolean(), false);
  add_call({});
  // Over a minute at least, while the process is younger than the range.
  Replied next = admin("GET", "/api/v1/overview");
  EXPECT_EQ(next.json().get("calls_per_second").number(), 1.0 / 60);
}

TEST_F(ContractTest, Calls) {
  EndedCall wish;
  wish.attempts = 2;
  wish.request_body = "{}";
  wish.reply_body = "{}";
  wish.metadata = R"({"team":"search"})";
  const std::string id = add_call(wish);
  Replied list = admin("GET", "/api/v1/calls");
  const std::string call = example("### The object `Call`");
  compare(call, list.json().get("calls").at(0), "call");
  const wire::JsonView first = list.json().get("calls").at(0);
  EXPECT_EQ(first.get("duration_ms").number(), 1834.2);
  EXPECT_EQ(first.get("ttft_ms").number(), 312.8);
  EXPECT_EQ(first.get("cost_nanousd").string(), "214800");
  EXPECT_EQ(first.get("route").string(), "/v1/chat/completions");
  EXPECT_EQ(first.get("model_version").string(), "2024-07-18");

  // A call's page has the members of both examples.
  std::string both = call.substr(0, call.rfind('}'));
  const std::string rest = example("### `GET /api/v1/calls/{request_id}`");
  both += "," + rest.substr(rest.find('{') + 1);
  Replied detail = admin("GET", "/api/v1/calls/" + id);
  compare(both, detail.json(), "call");
}

TEST_F(ContractTest, Keys) {
  admin("POST", "/api/v1/keys", R"({"name":"a"})");
  Replied list = admin("GET", "/api/v1/keys");
  compare(example("### The object `Key`"), list.json().get("keys").at(0), "key");
}

TEST_F(ContractTest, Upstreams) {
  add_call({});
  Replied list = admin("GET", "/api/v1/upstreams");
  const wire::JsonView upstreams = list.json().get("upstreams");
  ASSERT_EQ(upstreams.size(), 2u);
  compare(example("### `GET /api/v1/upstreams`"), upstreams.at(0), "upstream");
  const wire::JsonView first = upstreams.at(0);
  EXPECT_EQ(first.get("name").string(), "azure-west");
  EXPECT_EQ(first.get("kind").string(), "azure-openai");
  EXPECT_EQ(first.get("host").string(), "azure-west.example.net:443");
  EXPECT_EQ(first.get("health").string(), "unknown");
  EXPECT_EQ(first.get("breaker").string(), "closed");
  EXPECT_EQ(first.get("calls").integer(), 1);
  EXPECT_EQ(first.get("error_ratio").number(), 0);
  EXPECT_EQ(first.get("retry_budget_ratio").number(), 1);
  EXPECT_EQ(first.get("models").at(0).string(), "gpt-4o-mini");
  EXPECT_TRUE(upstreams.at(1).get("error_ratio").is_null());
}

TEST_F(ContractTest, AnOpenBreakerTellsWhenItTriesAgain) {
  gateway_->snapshot()->upstreams[0]->history().breaker.force(
      gateway::CircuitBreaker::Force::kOpen);
  Replied list = admin("GET", "/api/v1/upstreams");
  const wire::JsonView first = list.json().get("upstreams").at(0);
  EXPECT_EQ(first.get("breaker").string(), "open");
  EXPECT_EQ(first.get("health").string(), "unhealthy");
  EXPECT_TRUE(first.get("reason").is_string());
  EXPECT_TRUE(first.get("breaker_until_at_ms").is_number());
}

TEST_F(ContractTest, Audit) {
  admin("POST", "/api/v1/keys", R"({"name":"a"})");
  Replied list = admin("GET", "/api/v1/audit");
  compare(example("## 7. Audit"), list.json().get("entries").at(0), "entry");
}

// Every "`METHOD /path`" that the contract names exists.
TEST_F(ContractTest, Routes) {
  std::ifstream file("docs/api.md");
  std::stringstream text;
  text << file.rdbuf();
  const std::string all = text.str();
  const std::string id = add_call({});
  admin("POST", "/api/v1/keys", R"({"name":"a"})");
  Replied keys = admin("GET", "/api/v1/keys");
  const std::string key(*keys.json().get("keys").at(0).get("id").string());
  std::set<std::string> tried;
  for (const char* method : {"GET", "POST", "PATCH", "DELETE"}) {
    const std::string mark = "`" + std::string(method) + " /api/v1/";
    for (size_t at = 0; (at = all.find(mark, at)) != std::string::npos; ++at) {
      const size_t begin = at + 2 + std::string_view(method).size();
      std::string path = all.substr(begin, all.find_first_of("`?", begin) - begin);
      if (path == "/api/v1/calls/live" || !tried.insert(method + path).second) continue;
      if (const size_t hole = path.find("{request_id}"); hole != path.npos) {
        path.replace(hole, 12, id);
      }
      if (const size_t hole = path.find("{id}"); hole != path.npos) path.replace(hole, 4, key);
      Replied answer = admin(method, path, std::string_view(method) == "GET" ? "" : "{}");
      EXPECT_NE(answer.status, 405) << method << " " << path;
      EXPECT_NE(answer.code(), "not_found") << method << " " << path;
      EXPECT_NE(answer.status, 0) << method << " " << path;
    }
  }
  EXPECT_GE(tried.size(), 16u);
}

}  // namespace
}  // namespace gatehouse::api::test

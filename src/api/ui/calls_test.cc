#include <cstdlib>
#include <filesystem>

#include "api/ui/console_for_test.h"
#include "api/ui/follow_log.h"
#include "store/record_log.h"

namespace gatehouse::api::test {
namespace {

using model::Role;

class ConsoleCallsTest : public ConsoleTest {
 protected:
  // The ids of a page, newest first.
  std::vector<std::string> ids(const std::string& query = {}) {
    Replied page = admin("GET", "/api/v1/calls" + (query.empty() ? query : "?" + query));
    EXPECT_EQ(page.status, 200) << page.body;
    std::vector<std::string> out;
    const wire::JsonView root = page.json();
    for (const wire::JsonView call : root.get("calls").items()) {
      out.emplace_back(call.get("request_id").string().value_or(""));
    }
    next_ = root.get("next_before").string().value_or("");
    return out;
  }
  using Ids = std::vector<std::string>;
  std::string next_;
};

TEST_F(ConsoleCallsTest, PagesAreStableWhileCallsEnd) {
  Ids all;
  for (int i = 0; i < 7; ++i) all.insert(all.begin(), add_call({}));
  EXPECT_EQ(ids(), all);
  EXPECT_EQ(next_, "");
  EXPECT_EQ(ids("limit=3"), Ids(all.begin(), all.begin() + 3));
  add_call({});
  EXPECT_EQ(ids("limit=3&before=" + next_), Ids(all.begin() + 3, all.begin() + 6));
  EXPECT_EQ(ids("limit=3&before=" + next_), Ids(all.begin() + 6, all.end()));
  EXPECT_EQ(next_, "");
  // Exactly full: the cursor is null only where nothing is left.
  EXPECT_EQ(ids("limit=8").size(), 8u);
  EXPECT_EQ(next_, "");
}

TEST_F(ConsoleCallsTest, ACursorWhosePlaceIsGoneAnswersAnEmptyPage) {
  add_call({});
  add_call({});
  ids("limit=1");
  log_.entries.erase(log_.entries.begin());  // retention; positions are counted anew here
  EXPECT_EQ(ids("before=" + Cursor{1, INT64_MAX}.text()), Ids());
  EXPECT_EQ(next_, "");
}

TEST_F(ConsoleCallsTest, FiltersJoinByAnd) {
  const std::string plain = add_call({});
  EndedCall wish;
  wish.model = "text-embedding";
  wish.key_id = "k2";
  wish.upstream = "openai";
  wish.session = "conv-1";
  const std::string other = add_call(wish);
  wish = {};
  wish.status = 429;
  wish.error = "rate_limit_exceeded";
  wish.attempts = 0;
  const std::string refused = add_call(wish);
  wish = {};
  wish.error = "client_left";
  const std::string left = add_call(wish);
  wish = {};
  wish.status = 502;
  wish.error = "connect_failed";
  const std::string failed = add_call(wish);

  EXPECT_EQ(ids("model=text-embedding"), Ids{other});
  EXPECT_EQ(ids("key=k2"), Ids{other});
  EXPECT_EQ(ids("upstream=openai"), Ids{other});
  EXPECT_EQ(ids("session=conv-1"), Ids{other});
  EXPECT_EQ(ids("model=text-embedding&key=k1"), Ids());
  EXPECT_EQ(ids("status=ok"), (Ids{other, plain}));
  EXPECT_EQ(ids("status=refused"), Ids{refused});
  EXPECT_EQ(ids("status=cancelled"), Ids{left});
  EXPECT_EQ(ids("status=499"), Ids{left});
  EXPECT_EQ(ids("status=4xx"), (Ids{left, refused}));
  EXPECT_EQ(ids("status=5xx"), Ids{failed});
  EXPECT_EQ(ids("status=error"), Ids{failed});
  Replied detail = admin("GET", "/api/v1/calls/" + plain);
  EXPECT_EQ(ids("trace=" + std::string(*detail.json().get("trace_id").string())), Ids{plain});
  const int64_t since = *detail.json().get("started_at_ms").integer() + 1;
  EXPECT_EQ(ids("since=" + std::to_string(since)).size(), 4u);
}

TEST_F(ConsoleCallsTest, ParametersAreChecked) {
  for (const char* query :
       {"limit=0", "limit=501", "limit=x", "before=!", "before=AAAA", "status=fine", "status=9xx",
        "status=99", "since=-1", "since=x", "model=a&model=b", "colour=red", "model=%zz"}) {
    Replied refused = admin("GET", std::string("/api/v1/calls?") + query);
    EXPECT_EQ(refused.status, 400) << query;
    EXPECT_EQ(refused.code(), "invalid_parameter") << query;
  }
  EXPECT_EQ(admin("GET", "/api/v1/overview?range=2h").code(), "invalid_parameter");
  EXPECT_EQ(admin("GET", "/api/v1/audit?limit=0").code(), "invalid_parameter");
  EXPECT_EQ(admin("GET", "/api/v1/calls/live?limit=5").code(), "invalid_parameter");
}

TEST_F(ConsoleCallsTest, ACallTellsItsAttempts) {
  EndedCall wish;
  wish.attempts = 2;
  const std::string id = add_call(wish);
  Replied read = admin("GET", "/api/v1/calls/" + id);
  ASSERT_EQ(read.status, 200);
  const wire::JsonView attempts = read.json().get("attempts_detail");
  ASSERT_EQ(attempts.size(), 2u);
  EXPECT_EQ(attempts.at(0).get("number").integer(), 1);
  EXPECT_EQ(attempts.at(0).get("outcome").string(), "retryable");
  EXPECT_EQ(attempts.at(0).get("error").string(), "status_429");
  EXPECT_EQ(attempts.at(0).get("status").integer(), 429);
  EXPECT_TRUE(attempts.at(0).get("first_byte_after_ms").is_null());
  EXPECT_EQ(attempts.at(1).get("outcome").string(), "ok");
  EXPECT_EQ(attempts.at(1).get("wait_before_ms").number(), 300);
  EXPECT_EQ(attempts.at(1).get("first_byte_after_ms").number(), 700);
  EXPECT_NEAR(*attempts.at(1).get("duration_ms").number(), 1834.2 - 500, 0.01);
  EXPECT_TRUE(attempts.at(1).get("error").is_null());
}

TEST_F(ConsoleCallsTest, AStreamCutOnItsWayIsTheServingAttemptsError) {
  EndedCall wish;
  wish.attempts = 1;
  wish.error = "stream_cut";
  Replied read = admin("GET", "/api/v1/calls/" + add_call(wish));
  EXPECT_EQ(read.json().get("outcome").string(), "incomplete");
  const wire::JsonView attempt = read.json().get("attempts_detail").at(0);
  EXPECT_EQ(attempt.get("outcome").string(), "fatal");
  EXPECT_EQ(attempt.get("error").string(), "stream_cut");
}

TEST_F(ConsoleCallsTest, ARefusedCallHasNoAttempts) {
  EndedCall wish;
  wish.status = 429;
  wish.error = "budget_exceeded";
  wish.attempts = 0;
  wish.priced = false;
  Replied read = admin("GET", "/api/v1/calls/" + add_call(wish));
  EXPECT_EQ(read.json().get("attempts_detail").size(), 0u);
  EXPECT_EQ(read.json().get("outcome").string(), "refused");
  EXPECT_TRUE(read.json().get("upstream").is_null());
  EXPECT_TRUE(read.json().get("cost_nanousd").is_null());
  EXPECT_EQ(read.json().get("error").get("code").string(), "budget_exceeded");
}

TEST_F(ConsoleCallsTest, BodiesAreForThoseWhoMayReadThem) {
  EndedCall wish;
  wish.request_body = R"({"model":"m"})";
  wish.reply_body = "not utf-8: \xff";
  wish.metadata = R"({"team":"search","n":3,"deep":{}})";
  const std::string id = add_call(wish);
  Replied read = as(Role::kOperator, "GET", "/api/v1/calls/" + id);
  const wire::JsonView bodies = read.json().get("bodies");
  EXPECT_EQ(bodies.get("request").get("text").string(), wish.request_body);
  EXPECT_EQ(bodies.get("request").get("content_type").string(), "application/json");
  EXPECT_EQ(bodies.get("request").get("truncated").boolean(), false);
  EXPECT_TRUE(bodies.get("response").is_null());
  Replied again = as(Role::kOperator, "GET", "/api/v1/calls/" + id);
  EXPECT_EQ(again.json().get("metadata").get("team").string(), "search");
  EXPECT_EQ(again.json().get("metadata").get("n").string(), "3");
  Replied withheld = as(Role::kViewer, "GET", "/api/v1/calls/" + id);
  EXPECT_TRUE(withheld.json().get("bodies").is_null());
  EXPECT_EQ(withheld.json().get("bodies_withheld").boolean(), true);
  Replied none = as(Role::kViewer, "GET", "/api/v1/calls/" + add_call({}));
  EXPECT_EQ(none.json().get("bodies_withheld").boolean(), false);
}

TEST_F(ConsoleCallsTest, UnknownCallsAreNotFound) {
  add_call({});
  for (const std::string id : {"x", "00000000000000000000000000000000",
                               "ffffffffffffffffffffffffffffffff", "req_01J9ZK4T8V"}) {
    Replied none = admin("GET", "/api/v1/calls/" + id);
    EXPECT_EQ(none.status, 404) << id;
    EXPECT_EQ(none.code(), "call_not_found");
  }
}

TEST_F(ConsoleCallsTest, FilterValuesAreThoseConfiguredAndSeen) {
  EndedCall wish;
  wish.model = "gone-model";
  wish.key_id = "k9";
  wish.upstream = "gone-upstream";
  add_call(wish);
  Replied read = admin("GET", "/api/v1/calls/filters");
  const wire::JsonView root = read.json();
  EXPECT_EQ(root.get("models").at(0).string(), "gone-model");
  EXPECT_EQ(root.get("models").at(1).string(), "gpt-4o-mini");
  EXPECT_EQ(root.get("upstreams").size(), 3u);
  EXPECT_EQ(root.get("keys").size(), 2u);  // the admin's own, and the one seen
  EXPECT_EQ(root.get("keys").at(0).get("id").string(), "k9");
}

// A stream that is read while it goes on.
class ConsoleLiveTest : public ConsoleCallsTest {
 protected:
  std::unique_ptr<FakeExchange> open(const std::string& query = {},
                                     FakeExchange::Headers headers = {}) {
    if (headers.empty()) headers = {{"authorization", bearer(Role::kViewer)}};
    auto exchange = std::make_unique<FakeExchange>(loop_, "GET", "/api/v1/calls/live" + query,
                                                   std::move(headers));
    ++open_;
    detach(follow(*exchange));
    for (int i = 0; i < 100 && exchange->body.empty() && !exchange->finished; ++i) {
      loop_.run_for(20);
    }
    return exchange;
  }
  Task<void> follow(FakeExchange& exchange) {
    co_await console_->handle(*worker_, exchange);
    --open_;
  }
  bool wait_for(const FakeExchange& exchange, std::string_view text) {
    for (int i = 0; i < 200; ++i) {
      if (exchange.body.find(text) != std::string::npos) return true;
      loop_.run_for(20);
    }
    return false;
  }
  void close(std::vector<FakeExchange*> exchanges) {
    for (FakeExchange* each : exchanges) each->leave();
    while (open_ > 0) loop_.run_for(20);
  }
  int open_ = 0;
};

TEST_F(ConsoleLiveTest, CallsThatEndAreSentGathered) {
  add_call({});  // before the stream: not part of it
  auto all = open();
  auto some = open("?status=5xx");
  EXPECT_EQ(all->status, 200);
  EXPECT_EQ(all->headers["content-type"], "text/event-stream");
  EXPECT_TRUE(all->body.starts_with(": alive\n\n"));
  const std::string first = add_call({});
  EndedCall wish;
  wish.status = 503;
  wish.error = "status_503";
  const std::string second = add_call(wish);
  ASSERT_TRUE(wait_for(*all, second));
  ASSERT_TRUE(wait_for(*some, second));
  EXPECT_EQ(some->body.find(first), std::string::npos);
  // One event, oldest first, on one line.
  const size_t at = all->body.find("event: calls\ndata: [");
  ASSERT_NE(at, std::string::npos);
  const std::string data = all->body.substr(at + 19, all->body.find("\n\n", at) - at - 19);
  const auto document = wire::JsonDocument::parse(data);
  ASSERT_TRUE(document.ok()) << data;
  ASSERT_EQ(document->root().size(), 2u);
  EXPECT_EQ(document->root().at(0).get("request_id").string(), first);
  close({all.get(), some.get()});
}

TEST_F(ConsoleLiveTest, WhatIsTooMuchIsCountedAsSkipped) {
  auto stream = open();
  for (int i = 0; i < 250; ++i) add_call({});
  missed_ = 7;
  ASSERT_TRUE(wait_for(*stream, "event: skipped\ndata: {\"count\":57}\n\n"))
      << stream->body.substr(stream->body.size() - std::min<size_t>(200, stream->body.size()));
  close({stream.get()});
}

TEST_F(ConsoleLiveTest, AtMost32AreOpen) {
  std::vector<std::unique_ptr<FakeExchange>> streams;
  std::vector<FakeExchange*> all;
  for (int i = 0; i < 32; ++i) {
    streams.push_back(open());
    all.push_back(streams.back().get());
  }
  Replied one_more = as(Role::kViewer, "GET", "/api/v1/calls/live");
  EXPECT_EQ(one_more.status, 503);
  EXPECT_EQ(one_more.code(), "overloaded");
  close(all);
  auto again = open();
  EXPECT_EQ(again->status, 200);
  close({again.get()});
}

TEST_F(ConsoleLiveTest, AnEndedSessionEndsItsStreams) {
  const SignedIn me = sign_in();
  auto stream = open({}, {{"cookie", me.cookie}});
  EXPECT_EQ(stream->status, 200);
  call("DELETE", "/api/v1/session", {{"cookie", me.cookie}, {"x-gatehouse-csrf", me.csrf}});
  ASSERT_TRUE(wait_for(*stream, "event: end\ndata: {\"code\":\"not_signed_in\"}\n\n"));
  while (open_ > 0) loop_.run_for(20);
  EXPECT_TRUE(stream->finished);
}

TEST_F(ConsoleLiveTest, DrainingEndsStreams) {
  auto stream = open();
  draining_ = true;
  ASSERT_TRUE(wait_for(*stream, "event: end\ndata: {\"code\":\"draining\"}\n\n"));
  while (open_ > 0) loop_.run_for(20);
}

// The feed that the program uses, on a log's window.
TEST_F(ConsoleCallsTest, TheLogsWindowFeedsLiveStreams) {
  store::RecordLogOptions options;
  std::string path = ::testing::TempDir() + "gatehouse-follow-XXXXXX";
  ASSERT_NE(mkdtemp(path.data()), nullptr);
  options.directory = path;
  options.window_records = 3;
  options.background = false;
  {
    auto log = store::RecordLog::open(options);
    ASSERT_TRUE(log.ok()) << log.status().message();
    const auto stream = (*log)->stream(model::Labels{{"stream", "calls"}});
    ASSERT_TRUE(stream.ok());
    const auto append = [&](int64_t time_ns) {
      const model::Record record{time_ns, Severity::kInfo, "", {}};
      const model::StreamRecord one{*stream, record};
      ASSERT_TRUE((*log)->append({&one, 1}).ok());
    };
    append(1);
    const FollowCalls follow = follow_window((*log)->window());
    const auto feed = follow();
    std::vector<int64_t> seen;
    const auto poll = [&] {
      return feed->poll([&](const model::Labels&, const model::Record& record, model::Position) {
        seen.push_back(record.time_ns);
        return true;
      });
    };
    EXPECT_EQ(poll(), 0u);
    EXPECT_TRUE(seen.empty());
    append(2);
    append(3);
    EXPECT_EQ(poll(), 0u);
    EXPECT_EQ(seen, (std::vector<int64_t>{2, 3}));
    for (int64_t time = 4; time < 14; ++time) append(time);
    const uint64_t missed = poll();
    EXPECT_GT(missed, 0u);
    EXPECT_EQ(seen.size() - 2 + missed, 10u);
    EXPECT_EQ(seen.back(), 13);
  }
  std::filesystem::remove_all(path);
}

}  // namespace
}  // namespace gatehouse::api::test

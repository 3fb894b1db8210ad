#include "gateway/activity.h"

#include <gtest/gtest.h>

#include "base/loop.h"

namespace gatehouse::gateway {
namespace {

constexpr int64_t kMs = 1'000'000;
// A wall time in the middle of a quarter of an hour: 2026-01-01 12:07:30 UTC.
constexpr int64_t kNow = 1'767'269'250'000;

CallTrace call_at(int64_t ended_ms, int64_t first_token_ms = 100) {
  CallTrace trace;
  trace.begin_ns = 5 * kMs;
  trace.end_ns = trace.begin_ns + 200 * kMs;
  trace.begin_wall_ns = (ended_ms - 200) * kMs;
  trace.first_token_ns = trace.begin_ns + first_token_ms * kMs;
  trace.status = 200;
  trace.public_model = "gpt";
  trace.upstream = "east";
  trace.usage.input_tokens = 10;
  trace.usage.output_tokens = 5;
  trace.cost_nanodollars = 700;
  trace.priced = true;
  AttemptTrace attempt;
  attempt.upstream = "east";
  attempt.duration_ns = 90 * kMs;
  attempt.status = 200;
  trace.attempts.push_back(attempt);
  return trace;
}

// A reader over records in memory, in the order of appending.
class Records : public model::Reader {
 public:
  void add(const CallTrace& trace) {
    const CallRequest request;
    const CallRecord record(request, trace);
    records_.emplace_back(record.view());
  }
  Status read(const model::Selector& selector, model::TimeRange range, model::Order order,
              const Visit& visit) const override {
    const model::Labels labels{{"stream", "calls"}};
    EXPECT_TRUE(selector.matches(labels));
    EXPECT_EQ(order, model::Order::kNewestFirst);
    for (size_t i = records_.size(); i-- > 0;) {
      if (!range.contains(records_[i].view().time_ns)) continue;
      if (!visit(labels, records_[i].view(), i + 1)) break;
    }
    return {};
  }
  Status read_after(model::Position, const Visit&) const override { return {}; }

 private:
  std::vector<model::OwnedRecord> records_;
};

TEST(Outcome, FollowsStatusCodeAndAttempts) {
  EXPECT_EQ(outcome_of(200, "", 1), Outcome::kOk);
  EXPECT_EQ(outcome_of(200, "stream_cut", 1), Outcome::kIncomplete);
  EXPECT_EQ(outcome_of(200, "idle_timeout", 1), Outcome::kIncomplete);
  EXPECT_EQ(outcome_of(200, "stream_error", 1), Outcome::kError);
  EXPECT_EQ(outcome_of(200, "client_left", 1), Outcome::kCancelled);
  EXPECT_EQ(outcome_of(499, "cancelled", 1), Outcome::kCancelled);
  EXPECT_EQ(outcome_of(502, "connect_failed", 4), Outcome::kError);
  EXPECT_EQ(outcome_of(429, "rate_limit_exceeded", 0), Outcome::kRefused);
  EXPECT_EQ(outcome_of(404, "model_not_found", 0), Outcome::kRefused);
  EXPECT_EQ(outcome_of(503, "upstreams_unavailable", 0), Outcome::kError);
  for (const Outcome each : {Outcome::kOk, Outcome::kError, Outcome::kIncomplete, Outcome::kRefused,
                             Outcome::kCancelled}) {
    EXPECT_EQ(parse_outcome(name(each)), each);
  }
  EXPECT_FALSE(parse_outcome("OK"));
}

TEST(Outcome, AnAttemptFailsByItsUpstreamsFaultAlone) {
  EXPECT_FALSE(attempt_failed("", 200));
  EXPECT_FALSE(attempt_failed("hedge_lost", 0));
  EXPECT_FALSE(attempt_failed("status_400", 400));
  EXPECT_TRUE(attempt_failed("status_429", 429));
  EXPECT_TRUE(attempt_failed("status_500", 500));
  EXPECT_TRUE(attempt_failed("connect_failed", 0));
}

TEST(DurationHistogram, QuantilesAreWithinAQuarter) {
  DurationHistogram histogram;
  EXPECT_FALSE(histogram.quantile_ms(0.5));
  for (int64_t ms = 1; ms <= 1000; ++ms) histogram.add(ms * kMs);
  EXPECT_NEAR(*histogram.quantile_ms(0.5), 500, 125);
  EXPECT_NEAR(*histogram.quantile_ms(0.95), 950, 237);
  DurationHistogram extremes;
  extremes.add(0);
  extremes.add(INT64_MAX);
  EXPECT_LT(*extremes.quantile_ms(0.1), 0.2);
  EXPECT_GT(*extremes.quantile_ms(1), 130'000);
}

TEST(Activity, SumsTheRangesItIsAskedFor) {
  Activity activity(kNow - 3'600'000 * 5);
  activity.add("k1", call_at(kNow));
  activity.add("k1", call_at(kNow - 60'000));
  activity.add("k1", call_at(kNow - 30 * 60'000));
  CallTrace failed = call_at(kNow - 70 * 60'000);
  failed.error = "stream_cut";
  activity.add("k1", failed);
  CallTrace refused = call_at(kNow);
  refused.status = 429;
  refused.error = "rate_limit_exceeded";
  refused.attempts.clear();
  activity.add("k1", refused);

  const ActivityView quarter = activity.view(Activity::Range::k15Minutes, kNow);
  EXPECT_EQ(quarter.points.size(), 60u);
  EXPECT_EQ(quarter.totals.calls, 3);
  EXPECT_EQ(quarter.totals.refused, 1);
  EXPECT_EQ(quarter.points.back().calls, 2);
  EXPECT_EQ(quarter.points.back().at_ms, kNow / 15'000 * 15'000);
  EXPECT_EQ(quarter.points[55].calls + quarter.points[56].calls, 1);

  const ActivityView hour = activity.view(Activity::Range::k1Hour, kNow);
  EXPECT_EQ(hour.points.size(), 60u);
  EXPECT_EQ(hour.totals.calls, 4);
  EXPECT_EQ(hour.totals.errors, 0);
  EXPECT_EQ(hour.totals.input_tokens, 40);
  EXPECT_EQ(hour.totals.cost_nanodollars, 4 * 700);
  ASSERT_TRUE(hour.previous);
  EXPECT_EQ(hour.previous->calls, 1);
  EXPECT_EQ(hour.previous->errors, 1);
  ASSERT_EQ(hour.top_models.size(), 1u);
  EXPECT_EQ(hour.top_models[0].calls, 4);
  EXPECT_EQ(hour.top_models[0].tokens, 4 * 15);
  EXPECT_TRUE(hour.top_models[0].priced);

  const ActivityView day = activity.view(Activity::Range::k24Hours, kNow);
  EXPECT_EQ(day.points.size(), 96u);
  EXPECT_EQ(day.totals.calls, 5);
  EXPECT_EQ(day.totals.errors, 1);
  EXPECT_FALSE(day.previous);  // known for five hours only
}

TEST(Activity, ForgetsWhatIsPast) {
  Activity activity(kNow);
  activity.add("k1", call_at(kNow));
  const int64_t later = kNow + 3 * 24 * 3'600'000LL;
  activity.add("k1", call_at(later));
  EXPECT_EQ(activity.view(Activity::Range::k24Hours, later).totals.calls, 1);
  EXPECT_EQ(activity.view(Activity::Range::k1Hour, later + 7'200'000).totals.calls, 0);
  EXPECT_EQ(activity.upstream("east", later).attempts, 1);
  EXPECT_EQ(activity.upstream("east", later + 310'000).attempts, 0);
  EXPECT_TRUE(activity.any_call());
}

TEST(Activity, TellsUpstreamsByTheirAttempts) {
  Activity activity(kNow);
  CallTrace trace = call_at(kNow);
  AttemptTrace first;
  first.upstream = "west";
  first.duration_ns = 40 * kMs;
  first.status = 503;
  first.error = "status_503";
  trace.attempts.insert(trace.attempts.begin(), first);
  trace.attempts[1].begin_ns = 50 * kMs;
  activity.add("k1", trace);
  const UpstreamActivity west = activity.upstream("west", kNow);
  EXPECT_EQ(west.attempts, 1);
  EXPECT_EQ(west.failures, 1);
  EXPECT_FALSE(west.first_token.quantile_ms(0.5));
  EXPECT_NEAR(*west.latency.quantile_ms(0.5), 40, 10);
  const UpstreamActivity east = activity.upstream("east", kNow);
  EXPECT_EQ(east.failures, 0);
  EXPECT_NEAR(*east.latency.quantile_ms(0.5), 150, 37);
  EXPECT_NEAR(*east.first_token.quantile_ms(0.5), 50, 12);
  EXPECT_EQ(activity.upstream("nowhere", kNow).attempts, 0);
}

TEST(Activity, KeepsABoundedNumberOfModels) {
  Activity activity(kNow);
  for (int i = 0; i < 200; ++i) {
    CallTrace trace = call_at(kNow);
    trace.public_model = "m" + std::to_string(i);
    activity.add("k1", trace);
  }
  const ActivityView view = activity.view(Activity::Range::k1Hour, kNow);
  EXPECT_EQ(view.totals.calls, 200);
  EXPECT_EQ(view.top_models.size(), 5u);
  // A day later the silent ones give way.
  CallTrace trace = call_at(kNow + 25 * 3'600'000);
  trace.public_model = "new";
  activity.add("k1", trace);
  const ActivityView next = activity.view(Activity::Range::k1Hour, kNow + 25 * 3'600'000);
  ASSERT_EQ(next.top_models.size(), 1u);
  EXPECT_EQ(next.top_models[0].model, "new");
}

TEST(Activity, IsRebuiltFromRecordsToTheSameFigures) {
  Records records;
  Activity lived(kNow - 4 * 3'600'000);
  const auto both = [&](const CallTrace& trace) {
    lived.add("k1", trace);
    records.add(trace);
  };
  both(call_at(kNow - 150 * 60'000));
  CallTrace retried = call_at(kNow - 60'000, 150);
  AttemptTrace failed;
  failed.upstream = "west";
  failed.status = 503;
  failed.error = "status_503";
  retried.attempts.insert(retried.attempts.begin(), failed);
  retried.error = "stream_cut";
  both(retried);
  both(call_at(kNow - 1000));
  const model::Position through = 3;
  records.add(call_at(kNow));  // of this process: counted as it ended

  Activity rebuilt(kNow);
  ASSERT_TRUE(rebuilt.rebuild(records, through, kNow, 10'000).ok());
  for (const auto range :
       {Activity::Range::k15Minutes, Activity::Range::k1Hour, Activity::Range::k24Hours}) {
    const ActivityView expected = lived.view(range, kNow);
    const ActivityView found = rebuilt.view(range, kNow);
    EXPECT_EQ(found.totals.calls, expected.totals.calls);
    EXPECT_EQ(found.totals.errors, expected.totals.errors);
    EXPECT_EQ(found.totals.cost_nanodollars, expected.totals.cost_nanodollars);
    EXPECT_EQ(found.totals.first_token.quantile_ms(0.95),
              expected.totals.first_token.quantile_ms(0.95));
    ASSERT_EQ(found.top_models.size(), expected.top_models.size());
    EXPECT_EQ(found.top_models[0].calls, expected.top_models[0].calls);
  }
  EXPECT_EQ(rebuilt.view(Activity::Range::k1Hour, kNow).known_since_ms, kNow - 150 * 60'000 - 200);
  EXPECT_TRUE(rebuilt.view(Activity::Range::k1Hour, kNow).previous);
  EXPECT_EQ(rebuilt.upstream("west", kNow).failures, 1);
  EXPECT_EQ(rebuilt.upstream("east", kNow).attempts, 2);
}

TEST(Activity, CountsAKeysUseOfTheDay) {
  Activity activity(kNow);
  activity.add("k1", call_at(kNow));
  activity.add("k1", call_at(kNow + 1));
  activity.add("", call_at(kNow));
  EXPECT_EQ(activity.key_today("k1", kNow).requests, 2);
  EXPECT_EQ(activity.key_today("k1", kNow).tokens, 30);
  EXPECT_EQ(activity.key_today("k2", kNow).requests, 0);
  const int64_t tomorrow = kNow + 24 * 3'600'000;
  EXPECT_EQ(activity.key_today("k1", tomorrow).requests, 0);
  activity.add("k1", call_at(tomorrow));
  EXPECT_EQ(activity.key_today("k1", tomorrow).requests, 1);
}

TEST(Activity, RebuildKnowsOfCallsOlderThanItsRings) {
  Records records;
  records.add(call_at(kNow - 10 * 24 * 3'600'000LL));
  Activity activity(kNow);
  ASSERT_TRUE(activity.rebuild(records, 1, kNow, 10'000).ok());
  EXPECT_TRUE(activity.any_call());
  EXPECT_TRUE(activity.view(Activity::Range::k24Hours, kNow).previous);
}

// Far above what it takes (some 80 ns in a release build), so that a busy
// machine does not fail it, and far below what a lock that is waited for costs.
TEST(Activity, CountingACallIsCheap) {
  Activity activity(kNow);
  const CallTrace trace = call_at(kNow);
  constexpr int kCalls = 100'000;
  const int64_t begin_ns = steady_ns();
  for (int i = 0; i < kCalls; ++i) activity.add("k1", trace);
  const int64_t each_ns = (steady_ns() - begin_ns) / kCalls;
  RecordProperty("ns_a_call", static_cast<int>(each_ns));
  EXPECT_LT(each_ns, 5'000);
}

}  // namespace
}  // namespace gatehouse::gateway

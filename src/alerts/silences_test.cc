#include "alerts/silences.h"

#include <gtest/gtest.h>

#include "alerts/engine_for_test.h"

namespace gatehouse::alerts {
namespace {

constexpr int64_t kHourMs = 3'600'000;

struct SilencesFixture : testing::Test {
  SilencesFixture() : silences(*scratch.catalog, clock) { EXPECT_TRUE(silences.load().ok()); }
  Silence make(std::string_view matchers, int64_t starts_ms, int64_t ends_ms) {
    Silence silence;
    silence.matchers = *parse_matchers(matchers);
    silence.starts_at_ms = starts_ms;
    silence.ends_at_ms = ends_ms;
    silence.created_by = "ada";
    silence.comment = "work on the switch";
    return silence;
  }
  Scratch scratch;
  TestClock clock;
  Silences silences;
};

TEST_F(SilencesFixture, HidesWhatMatchesWhileItLasts) {
  const int64_t now = clock.wall_ms;
  const auto id = silences.set(make("{job=\"a\"}", now, now + kHourMs), "user:ada");
  ASSERT_TRUE(id.ok()) << id.status().to_string();
  EXPECT_EQ(id->size(), 36U);
  const model::Labels a{{"job", "a"}}, b{{"job", "b"}};
  EXPECT_EQ(silences.silencing(a, now), std::vector<std::string>{*id});
  EXPECT_TRUE(silences.silencing(b, now).empty());
  const uint64_t version = silences.version();
  clock.wall_ms += kHourMs + 1;
  EXPECT_TRUE(silences.silencing(a, clock.wall_ms).empty());
  EXPECT_GT(silences.version(), version);  // grew by time alone
  EXPECT_EQ(silences.get(*id)->state_at(clock.wall_ms), Silence::State::kExpired);
}

TEST_F(SilencesFixture, RefusesWhatAlertmanagerRefuses) {
  const int64_t now = clock.wall_ms;
  const auto refused = [&](Silence silence) {
    return silences.set(std::move(silence), "").status().message();
  };
  EXPECT_EQ(refused(make("{}", now, now + 1)), "at least one matcher required");
  EXPECT_EQ(refused(make("{a=~\".*\"}", now, now + 1)),
            "at least one matcher must not match the empty string");
  EXPECT_EQ(refused(make("{a=\"b\"}", now + 1, now)), "start time must be before end time");
  EXPECT_EQ(refused(make("{a=\"b\"}", now - 2, now - 1)), "end time can't be in the past");
  Silence unknown = make("{a=\"b\"}", now, now + 1);
  unknown.id = "0190a1b2-0000-7000-8000-000000000000";
  EXPECT_EQ(silences.set(unknown, "").status().code(), Code::kNotFound);
}

TEST_F(SilencesFixture, ChangesInPlaceOrReplacesAsAlertmanagerDoes) {
  const int64_t now = clock.wall_ms;
  const std::string id = *silences.set(make("{a=\"b\"}", now, now + kHourMs), "");
  Silence longer = *silences.get(id);
  longer.ends_at_ms += kHourMs;
  EXPECT_EQ(*silences.set(longer, ""), id);
  EXPECT_EQ(silences.get(id)->ends_at_ms, now + 2 * kHourMs);
  Silence other = *silences.get(id);
  other.matchers = *parse_matchers("{a=\"c\"}");
  clock.wall_ms += 1000;
  const std::string replaced = *silences.set(other, "");
  EXPECT_NE(replaced, id);
  EXPECT_EQ(silences.get(id)->state_at(clock.wall_ms), Silence::State::kExpired);
  EXPECT_EQ(silences.get(replaced)->state_at(clock.wall_ms), Silence::State::kActive);
  // An expired one is not woken: it comes back as a new one.
  Silence ended = *silences.get(id);
  ended.starts_at_ms = clock.wall_ms;
  ended.ends_at_ms = clock.wall_ms + kHourMs;
  EXPECT_NE(*silences.set(ended, ""), id);
}

TEST_F(SilencesFixture, ExpiresOnceAndIsKnownAfterARestart) {
  const int64_t now = clock.wall_ms;
  const std::string id = *silences.set(make("{a=~\"b|c\"}", now, now + kHourMs), "user:ada");
  Silences reopened(*scratch.catalog, clock);
  ASSERT_TRUE(reopened.load().ok());
  EXPECT_EQ(reopened.silencing(model::Labels{{"a", "c"}}, now), std::vector<std::string>{id});
  EXPECT_EQ(reopened.get(id)->comment, "work on the switch");
  ASSERT_TRUE(reopened.expire(id, "user:bob").ok());
  EXPECT_TRUE(reopened.silencing(model::Labels{{"a", "c"}}, now).empty());
  EXPECT_EQ(reopened.expire(id, "").code(), Code::kInvalidArgument);
  EXPECT_EQ(reopened.expire("unknown", "").code(), Code::kNotFound);
  // Kept for its time, then gone for good.
  ASSERT_TRUE(reopened.collect_garbage(kHourMs).ok());
  EXPECT_TRUE(reopened.get(id).has_value());
  clock.wall_ms += 2 * kHourMs;
  ASSERT_TRUE(reopened.collect_garbage(kHourMs).ok());
  EXPECT_FALSE(reopened.get(id).has_value());
}

TEST_F(SilencesFixture, TellsOfEachChangeAPersonMakes) {
  std::vector<std::pair<SilenceChange, std::string>> told;
  silences.on_change([&](const Silence&, SilenceChange change, std::string_view person) {
    told.emplace_back(change, person);
  });
  const int64_t now = clock.wall_ms;
  const std::string id = *silences.set(make("{a=\"b\"}", now, now + kHourMs), "user:ada");
  ASSERT_TRUE(silences.expire(id, "user:bob").ok());
  ASSERT_EQ(told.size(), 2U);
  EXPECT_EQ(told[0].first, SilenceChange::kCreated);
  EXPECT_EQ(told[1].first, SilenceChange::kExpired);
  EXPECT_EQ(told[1].second, "user:bob");
}

// 2026-03-28 is a Saturday; on the 29th the clocks of Zurich go from 02:00 to 03:00.
constexpr int64_t kSaturdayMs = 1'774'652'400'000;  // 2026-03-28T00:00 in Zurich (+01:00)

TEST_F(SilencesFixture, ComesAgainAtTheSameLocalTime) {
  clock.wall_ms = kSaturdayMs;
  Silence nightly = make("{a=\"b\"}", kSaturdayMs + 22 * kHourMs, kSaturdayMs + 26 * kHourMs);
  nightly.recurrence = Recurrence{{}, 0, "Europe/Zurich"};
  const std::string id = *silences.set(nightly, "");
  const Silence silence = *silences.get(id);
  using State = Silence::State;
  EXPECT_EQ(silence.state_at(kSaturdayMs + 21 * kHourMs), State::kPending);
  EXPECT_EQ(silence.state_at(kSaturdayMs + 22 * kHourMs), State::kActive);
  EXPECT_EQ(silence.state_at(kSaturdayMs + 27 * kHourMs), State::kPending);
  // Sunday 22:00 in summer time is 21:00 by the clock of the day before.
  EXPECT_EQ(silence.state_at(kSaturdayMs + 44 * kHourMs), State::kPending);
  EXPECT_EQ(silence.state_at(kSaturdayMs + 45 * kHourMs), State::kActive);
  EXPECT_EQ(silence.active_until_ms(kSaturdayMs + 45 * kHourMs), kSaturdayMs + 49 * kHourMs);
}

TEST_F(SilencesFixture, ComesAgainOnItsWeekdaysUntilItIsEnded) {
  clock.wall_ms = kSaturdayMs;
  Silence weekly = make("{a=\"b\"}", kSaturdayMs + kHourMs, kSaturdayMs + 2 * kHourMs);
  weekly.recurrence = Recurrence{{6}, kSaturdayMs + 15 * 24 * kHourMs, ""};
  const std::string id = *silences.set(weekly, "");
  const Silence silence = *silences.get(id);
  using State = Silence::State;
  const int64_t first = kSaturdayMs + kHourMs;
  EXPECT_EQ(silence.state_at(first), State::kActive);
  EXPECT_EQ(silence.state_at(first + 24 * kHourMs), State::kPending);
  EXPECT_EQ(silence.state_at(first + 7 * 24 * kHourMs), State::kActive);
  EXPECT_EQ(silence.state_at(first + 14 * 24 * kHourMs), State::kActive);
  EXPECT_EQ(silence.state_at(first + 15 * 24 * kHourMs), State::kExpired);
  ASSERT_TRUE(silences.expire(id, "").ok());
  EXPECT_EQ(silences.get(id)->state_at(first + 7 * 24 * kHourMs), State::kExpired);
  Silence too_long = weekly;
  too_long.ends_at_ms = too_long.starts_at_ms + 25 * kHourMs;
  EXPECT_EQ(silences.set(too_long, "").status().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace gatehouse::alerts

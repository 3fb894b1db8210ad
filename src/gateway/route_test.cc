#include "gateway/route.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>

#include "base/case_file_for_test.h"

namespace gatehouse::gateway {
namespace {

class RouteDriver : public CaseDriver {
 public:
  std::string run(const Step& step) override {
    if (step.verb == "model") {
      ModelConfig model;
      model.name = step.words.at(0);
      model.sticky = step.has("sticky");
      models_.push_back(model);
      router_.reset();
      return "";
    }
    if (step.verb == "target") {
      TargetConfig target;
      target.upstream = step.words.at(0);
      target.model = step.text("model");
      target.weight = step.number("weight", 1);
      target.order = static_cast<int>(step.integer("order"));
      models_.back().targets.push_back(target);
      router_.reset();
      return "";
    }
    if (step.verb == "down") {
      down_ = {step.words.begin(), step.words.end()};
      return "";
    }
    if (!router_) {
      Result<Router> made = Router::make(models_);
      if (!made.ok()) return made.status().message();
      router_ = std::make_unique<Router>(std::move(*made));
    }
    const std::string name = step.words.empty() ? "" : step.words[0];
    const RoutePtr route = router_->find(name);
    if (step.verb == "find") return route ? route->config().name : router_->unknown(name).message();
    if (!route) return router_->unknown(name).message();
    if (step.verb == "route") return show(*route, choose(*route, name, step.text("sticky")));
    if (step.verb == "share") {
      std::map<std::string, int> firsts;
      for (int i = 0; i < step.integer("n"); ++i) {
        const Candidates candidates = choose(*route, name, "");
        ++firsts[candidates.empty() ? "none" : candidates[0].target->upstream];
      }
      std::string out;
      for (const auto& [upstream, count] : firsts) {
        out += (out.empty() ? "" : " ") + upstream + "=" + std::to_string(count);
      }
      return out;
    }
    return "unknown step";
  }

 private:
  Candidates choose(const Route& route, const std::string& name, const std::string& sticky) const {
    requested_ = name;
    return route.candidates(
        requested_, sticky.empty() ? 0 : hash_conversation(sticky),
        [&](size_t i) { return down_.count(route.config().targets[i].upstream) == 0; });
  }
  static std::string show(const Route&, const Candidates& candidates) {
    std::string out;
    for (const Candidate& one : candidates) {
      out += (out.empty() ? "" : " ") + one.target->upstream + ":" + std::string(one.model);
    }
    if (candidates.skipped() > 0) {
      out +=
          (out.empty() ? "" : " ") + std::string("skipped ") + std::to_string(candidates.skipped());
    }
    return out;
  }

  std::vector<ModelConfig> models_;
  std::unique_ptr<Router> router_;
  std::set<std::string> down_;
  mutable std::string requested_;
};

TEST(Route, Cases) {
  run_case_folder("test/gateway/routing", [] { return std::make_unique<RouteDriver>(); });
}

ModelConfig model_of(std::vector<TargetConfig> targets) {
  ModelConfig model;
  model.name = "m";
  model.targets = std::move(targets);
  return model;
}

TEST(Route, AnyRunIsCloseToItsShare) {
  const Route route(model_of({{"a", "", 5, 0}, {"b", "", 3, 0}, {"c", "", 2, 0}}));
  std::map<std::string, int> firsts;
  for (int n = 1; n <= 10'000; ++n) {
    const Candidates all = route.candidates("m", 0, [](size_t) { return true; });
    ASSERT_EQ(all.size(), 3u);
    ++firsts[all[0].target->upstream];
    ASSERT_LT(std::abs(firsts["a"] - n * 0.5), 4) << n;
    ASSERT_LT(std::abs(firsts["b"] - n * 0.3), 4) << n;
    ASSERT_LT(std::abs(firsts["c"] - n * 0.2), 4) << n;
  }
}

TEST(Route, StickyConversationsSpreadByWeightAndFewMove) {
  const Route three(model_of({{"a", "", 1, 0}, {"b", "", 1, 0}, {"c", "", 2, 0}}));
  const Route four(model_of({{"d", "", 1, 0}, {"c", "", 2, 0}, {"a", "", 1, 0}, {"b", "", 1, 0}}));
  constexpr int kConversations = 20'000;
  std::map<std::string, int> firsts;
  int moved = 0;
  int moved_elsewhere = 0;
  for (int i = 0; i < kConversations; ++i) {
    const uint64_t hash = hash_conversation("conversation " + std::to_string(i));
    auto every = [](size_t) { return true; };
    const std::string before = three.candidates("m", hash, every)[0].target->upstream;
    const std::string again = three.candidates("m", hash, every)[0].target->upstream;
    const std::string after = four.candidates("m", hash, every)[0].target->upstream;
    EXPECT_EQ(before, again);
    ++firsts[before];
    if (before != after) ++moved;
    if (before != after && after != "d") ++moved_elsewhere;
  }
  EXPECT_NEAR(firsts["a"], kConversations * 0.25, kConversations * 0.02);
  EXPECT_NEAR(firsts["c"], kConversations * 0.5, kConversations * 0.02);
  EXPECT_EQ(moved_elsewhere, 0);
  EXPECT_NEAR(moved, kConversations * 0.2, kConversations * 0.02);
}

TEST(Route, NeverMoreCandidatesThanItsBound) {
  std::vector<TargetConfig> targets;
  for (int i = 0; i < 64; ++i) targets.push_back({"u" + std::to_string(i), "", 1, i / 5});
  const Route route(model_of(targets));
  const Candidates all = route.candidates("m", 0, [](size_t) { return true; });
  EXPECT_EQ(all.size(), Candidates::kMax);
  targets.push_back({"u64", "", 1, 0});
  const std::vector<ModelConfig> models = {model_of(targets)};
  EXPECT_FALSE(Router::make(models).ok());
}

}  // namespace
}  // namespace gatehouse::gateway

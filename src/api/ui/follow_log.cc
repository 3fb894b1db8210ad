#include "api/ui/follow_log.h"

namespace gatehouse::api {

namespace {

// A look at the window takes a few of its batches, so that appends wait for its
// lock only shortly; and no more looks than a gathering can show.
constexpr size_t kBatchesAtOnce = 256;
constexpr int kLooksMax = 64;

class WindowFeed : public CallFeed {
 public:
  // It is asked four times a second: nobody has to wake it.
  explicit WindowFeed(store::RecentWindow& window) : follower_(window.follow([] {})) {}

  uint64_t poll(const model::Reader::Visit& visit) override {
    uint64_t missed = 0;
    for (int look = 0; look < kLooksMax; ++look) {
      const store::Follower::Polled polled = follower_->poll(kBatchesAtOnce, visit);
      missed += polled.missed;
      if (!polled.more) break;
    }
    return missed;
  }

 private:
  std::unique_ptr<store::Follower> follower_;
};

}  // namespace

FollowCalls follow_window(store::RecentWindow& window) {
  return [&window]() -> std::unique_ptr<CallFeed> { return std::make_unique<WindowFeed>(window); };
}

}  // namespace gatehouse::api

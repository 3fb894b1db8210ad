#include "api/ui/live_calls.h"

#include <algorithm>
#include <utility>

namespace gatehouse::api {

std::shared_ptr<LiveCalls::Watcher> LiveCalls::watch(CallFilter filter) {
  const std::lock_guard lock(mutex_);
  if (watchers_.size() >= kWatchersMax) return nullptr;
  if (feed_ == nullptr) feed_ = follow_();
  return watchers_.emplace_back(std::make_shared<Watcher>(std::move(filter)));
}

void LiveCalls::leave(const std::shared_ptr<Watcher>& watcher) {
  const std::lock_guard lock(mutex_);
  std::erase(watchers_, watcher);
  if (watchers_.empty()) feed_.reset();
}

LiveCalls::Gathered LiveCalls::gather(Watcher& watcher, int64_t steady_ms) {
  const std::lock_guard lock(mutex_);
  // Half: watchers' ticks are spread, and each should find what is new.
  if (feed_ != nullptr && steady_ms - polled_ms_ >= kGatherMs / 2) poll(steady_ms);
  return {std::exchange(watcher.calls_, {}), std::exchange(watcher.skipped_, 0)};
}

void LiveCalls::poll(int64_t steady_ms) {
  polled_ms_ = steady_ms;
  const uint64_t missed = feed_->poll(
      [this](const model::Labels& labels, const model::Record& record, model::Position) {
        if (labels.get("stream") != gateway::kCallStream) return true;
        std::shared_ptr<const std::string> json;
        for (const auto& watcher : watchers_) {
          if (!watcher->filter_.matches(record)) continue;
          if (watcher->calls_.size() >= kGatheredMax) {
            ++watcher->skipped_;
            continue;
          }
          if (json == nullptr) json = std::make_shared<const std::string>(call_json(record));
          watcher->calls_.push_back(json);
        }
        return true;
      });
  for (const auto& watcher : watchers_) watcher->skipped_ += missed;
}

size_t LiveCalls::watchers() const {
  const std::lock_guard lock(mutex_);
  return watchers_.size();
}

}  // namespace gatehouse::api

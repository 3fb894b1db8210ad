#include "app/limit_state.h"

#include "base/log.h"

namespace gatehouse::app {

namespace {
constexpr std::string_view kSnapshotName = "limits";
}

Status LimitState::restore() {
  const auto& parts = gateway_.parts();
  const gateway::Instant now{parts.clock.steady_ns(), parts.clock.wall_ns()};
  model::Position position = 0;
  const auto saved = catalog_.get_snapshot(kSnapshotName);
  if (saved.ok()) {
    const auto restored = parts.limits.restore(*saved, now);
    if (restored.ok()) {
      position = *restored;
    } else {
      log_warning("the snapshot of limits cannot be read; the call records are replayed instead",
                  {{"reason", restored.status().message()}});
    }
  } else if (saved.status().code() != Code::kNotFound) {
    return saved.status().with_context("limits");
  }
  int64_t replayed = 0;
  model::Position last = position;
  RETURN_IF_ERROR(calls_.read_after(
      position, [&](const model::Labels& labels, const model::Record& record, model::Position at) {
        last = at;
        const std::string_view stream = labels.get("stream");
        if (stream == gateway::kCallStream || stream == gateway::kProbeStream) {
          gateway_.replay(record);
          ++replayed;
        }
        return true;
      }));
  if (replayed == 0) return {};
  log_info("limits restored", {{"records_replayed", replayed}});
  // So that a process that is killed again and again replays no record twice.
  if (const Status saved_now = save(last); !saved_now.ok()) {
    log_warning("limits were not saved", {{"reason", saved_now.message()}});
  }
  return {};
}

Status LimitState::save(model::Position position) {
  const auto& parts = gateway_.parts();
  const gateway::Instant now{parts.clock.steady_ns(), parts.clock.wall_ns()};
  return catalog_.put_snapshot(kSnapshotName, parts.limits.snapshot(now, position));
}

}  // namespace gatehouse::app

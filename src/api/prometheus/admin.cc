// admin/tsdb: deletion and snapshots, each an entry of the audit log.
#include "api/prometheus/answer.h"
#include "api/prometheus/run_query.h"
#include "base/bytes.h"
#include "base/random.h"
#include "base/text.h"
#include "store/metric_store.h"

namespace gatehouse::api {

namespace {

// 20261121T094500Z-0123456789abcdef: sorts by time, and is no other one's.
std::string snapshot_name(int64_t now_ns, Random& random) {
  std::string name = format_time(now_ns).substr(0, 19);
  std::erase_if(name, [](char c) { return c == '-' || c == ':'; });
  const uint64_t bits = random.next();
  return name + "Z-" + hex_encode({reinterpret_cast<const char*>(&bits), sizeof bits});
}

MetricAnswer done() {
  MetricAnswer answer;
  answer.status = 204;
  return answer;
}

}  // namespace

Status Prometheus::audit(const MetricRequest& request, std::string action, std::string object) {
  identity::AuditEntry entry;
  if (request.principal != nullptr) {
    entry.actor = request.principal->id;
    entry.actor_kind = request.by_session ? identity::ActorKind::kUser : identity::ActorKind::kKey;
  }
  entry.action = std::move(action);
  entry.object = std::move(object);
  entry.address = request.exchange.peer().address;
  return parts_.audit.append(std::move(entry));
}

Task<MetricAnswer> Prometheus::delete_series(MetricRequest& request) {
  const auto selectors = metric::read_matches(request);
  if (!selectors.ok()) co_return metric::error_of(selectors.status());
  if (selectors->empty()) co_return metric::error("bad_data", "no match[] parameter provided");
  const auto range = metric::read_range(request);
  if (!range.ok()) co_return metric::error_of(range.status());
  if (const Status order = metric::check_order(*range); !order.ok()) {
    co_return metric::error_of(order);
  }
  std::string matches;
  for (const std::string_view match : request.all("match[]")) {
    matches += (matches.empty() ? "" : " ") + std::string(match);
  }
  const auto work = [&]() -> Status {
    RETURN_IF_ERROR(audit(request, "metrics.delete", matches));
    for (const model::Selector& selector : *selectors) {
      auto deleted = parts_.store.delete_series(selector.matchers, *range);
      if (!deleted.ok()) return deleted.status();
    }
    return {};
  };
  const Status deleted = co_await parts_.pool.run(request.worker.loop, work);
  co_return deleted.ok() ? done() : metric::error_of(deleted);
}

Task<MetricAnswer> Prometheus::clean_tombstones(MetricRequest& request) {
  const auto work = [&]() -> Status {
    RETURN_IF_ERROR(audit(request, "metrics.clean_tombstones", ""));
    return parts_.store.clean_tombstones();
  };
  const Status cleaned = co_await parts_.pool.run(request.worker.loop, work);
  co_return cleaned.ok() ? done() : metric::error_of(cleaned);
}

Task<MetricAnswer> Prometheus::snapshot(MetricRequest& request) {
  const std::string* skip = request.find("skip_head");
  const bool skip_head = skip != nullptr && (*skip == "true" || *skip == "1");
  const std::string name = snapshot_name(parts_.clock.wall_ns(), thread_random());
  const auto work = [&]() -> Status {
    RETURN_IF_ERROR(audit(request, "metrics.snapshot", name));
    return parts_.store.snapshot(parts_.snapshot_directory + "/" + name, skip_head);
  };
  const Status taken = co_await parts_.pool.run(request.worker.loop, work);
  if (!taken.ok()) co_return metric::error_of(taken);
  std::string data;
  wire::JsonWriter(data).begin_object().member("name", name).end_object();
  co_return metric::success(std::move(data));
}

}  // namespace gatehouse::api

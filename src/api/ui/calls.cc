// Calls: pages of them, one of them, what to filter by, and the live stream.
// docs/api.md §4.
#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "api/ui/console.h"

namespace gatehouse::api {

namespace {

using wire::JsonWriter;

constexpr int64_t kMsNs = 1'000'000;
constexpr size_t kFilterValuesMax = 500;
// The newest records say what else is worth offering beside the configuration.
constexpr size_t kFilterRecordsMax = 2'000;
constexpr int64_t kAliveMs = 15'000;
// How long an ended session can go on watching.
constexpr int64_t kRecheckMs = 1'000;

const model::Selector& call_selector() {
  static const model::Selector selector{
      {model::Matcher(model::Matcher::Op::kEqual, "stream", std::string(gateway::kCallStream))}};
  return selector;
}

// Gives up the read of a page that has taken long enough.
class Patience {
 public:
  bool over() {
    // A look at the clock for each record would be half of the work.
    return ++asked_ % 256 == 0 && steady_ms() >= deadline_ms_;
  }

 private:
  uint32_t asked_ = 0;
  int64_t deadline_ms_ = steady_ms() + kPageReadMs;
};

Answer store_failed(const Status& status) {
  return retry_later(503, "overloaded", "Records cannot be read: " + status.message() + ".", 1);
}

// One page of calls as the reply's body, or why there is none.
Result<std::string> read_calls(const model::Reader& reader, const CallFilter& filter,
                               const Page& page) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("calls").begin_array();
  size_t written = 0;
  std::optional<Cursor> next;  // after the last record that was looked at
  bool more = false;
  Patience patience;
  const Status read =
      reader.read(call_selector(), page.cursor.range(filter.since_ns()), model::Order::kNewestFirst,
                  [&](const model::Labels&, const model::Record& record, model::Position position) {
                    if (position >= page.cursor.position) return true;
                    const bool fits = filter.matches(record);
                    more = (fits && written == page.limit) || patience.over();
                    if (more) return false;
                    next = Cursor::before(position, ended_ns(record));
                    if (fits) {
                      json.raw(call_json(record));
                      ++written;
                    }
                    return true;
                  });
  if (!read.ok()) return read;
  json.end_array();
  // Without a record looked at there is no place to go on from: patience ends
  // only after some hundreds.
  text_or_null(json, "next_before", more && next ? next->text() : std::string());
  json.end_object();
  return out;
}

// A request id begins with the millisecond it was made in (base/random.h), which
// is that of its record. Others are no ids of ours.
std::optional<model::TimeRange> time_of(std::string_view request_id) {
  if (request_id.size() != 32) return std::nullopt;
  int64_t ms = 0;
  for (const char c : request_id.substr(0, 12)) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit && (c < 'a' || c > 'f')) return std::nullopt;
    ms = ms * 16 + (digit ? c - '0' : c - 'a' + 10);
  }
  if (ms > INT64_MAX / kMsNs - 1) return std::nullopt;
  return model::TimeRange{ms * kMsNs, (ms + 1) * kMsNs};
}

}  // namespace

Task<Answer> Console::get_calls(Visit& visit) {
  static constexpr std::array<std::string_view, 9> kKnown = {
      "limit", "before", "model", "key", "upstream", "status", "since", "trace", "session"};
  const auto parameters = Parameters::read(visit.exchange.request().query, kKnown);
  if (!parameters.ok()) co_return invalid_parameter(parameters.status().message());
  const auto page = read_page(*parameters);
  if (!page.ok()) co_return invalid_parameter(page.status().message());
  const auto filter = CallFilter::read(*parameters);
  if (!filter.ok()) co_return invalid_parameter(filter.status().message());
  const auto read = [&] { return read_calls(parts_.calls, *filter, *page); };
  Result<std::string> body = co_await parts_.pool.run(visit.worker.loop, read);
  if (!body.ok()) co_return store_failed(body.status());
  co_return ok(std::move(*body));
}

Task<Answer> Console::get_call(Visit& visit) {
  const std::string& id = visit.captures.front();
  const auto range = time_of(id);
  std::string body;
  Status read;
  if (range) {
    const bool bodies = visit.may(identity::Action::kBodiesRead);
    const auto find = [&] {
      return parts_.calls.read(
          call_selector(), *range, model::Order::kNewestFirst,
          [&](const model::Labels&, const model::Record& record, model::Position) {
            if (record.text("request_id") != id) return true;
            body = call_detail_json(record, bodies);
            return false;
          });
    };
    read = co_await parts_.pool.run(visit.worker.loop, find);
  }
  if (!read.ok()) co_return store_failed(read);
  if (body.empty()) {
    co_return refusal(404, "call_not_found", "No call has this id.",
                      "It may be older than what is kept, or still on its way.");
  }
  co_return ok(std::move(body));
}

Task<Answer> Console::get_filters(Visit& visit) {
  const gateway::SnapshotPtr snapshot = visit.worker.snapshot;
  const auto write = [&] { return filters_json(*snapshot); };
  std::string body = co_await parts_.pool.run(visit.worker.loop, write);
  co_return ok(std::move(body));
}

std::string Console::filters_json(const gateway::Snapshot& snapshot) const {
  std::set<std::string> models, upstreams;
  std::map<std::string, std::string> keys;  // id to name
  for (const gateway::RoutePtr& route : snapshot.router.routes()) {
    models.insert(route->config().name);
  }
  for (const auto& upstream : snapshot.upstreams) upstreams.insert(upstream->config().name);
  for (const identity::Key& key : parts_.keys.list()) {
    if (keys.size() < kFilterValuesMax) keys.emplace(key.id, key.name);
  }
  size_t seen = 0;
  Patience patience;
  const auto add = [](auto& to, auto... value) {
    if (to.size() < kFilterValuesMax) to.emplace(value...);
  };
  // What the records cannot tell is left out: the configured values stand.
  (void)parts_.calls.read(call_selector(), {}, model::Order::kNewestFirst,
                          [&](const model::Labels&, const model::Record& record, model::Position) {
                            if (const auto model = model_of(record); !model.empty())
                              add(models, model);
                            const auto upstream = record.text("gatehouse.upstream");
                            if (!upstream.empty()) add(upstreams, upstream);
                            const auto key = record.text("gatehouse.key.id");
                            if (!key.empty())
                              add(keys, key, record.text("gatehouse.key.name", key));
                            return ++seen < kFilterRecordsMax && !patience.over();
                          });
  std::vector<std::pair<std::string, std::string>> by_name;  // name, id
  by_name.reserve(keys.size());
  for (const auto& [id, name] : keys) by_name.emplace_back(name, id);
  std::sort(by_name.begin(), by_name.end());
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("models").begin_array();
  for (const std::string& model : models) json.string(model);
  json.end_array().key("keys").begin_array();
  for (const auto& [name, id] : by_name) {
    json.begin_object().member("id", id).member("name", name).end_object();
  }
  json.end_array().key("upstreams").begin_array();
  for (const std::string& upstream : upstreams) json.string(upstream);
  json.end_array().end_object();
  return out;
}

namespace {

void append_gathered(const LiveCalls::Gathered& gathered, std::string& out) {
  if (!gathered.calls.empty()) {
    out += "event: calls\ndata: [";
    for (size_t i = 0; i < gathered.calls.size(); ++i) {
      if (i != 0) out += ',';
      out += *gathered.calls[i];
    }
    out += "]\n\n";
  }
  if (gathered.skipped > 0) {
    out += "event: skipped\ndata: {\"count\":" + std::to_string(gathered.skipped) + "}\n\n";
  }
}

// Ends the watch however the stream ends.
struct Watching {
  LiveCalls& live;
  std::shared_ptr<LiveCalls::Watcher> watcher;
  ~Watching() { live.leave(watcher); }
};

}  // namespace

Task<Answer> Console::get_live(Visit& visit) {
  if (visit.exchange.request().method != net::Method::kGet) {
    Answer answer = refusal(405, "method_not_allowed", "A stream has no HEAD.", "Use GET.");
    answer.allow = "GET";
    co_return answer;
  }
  static constexpr std::array<std::string_view, 4> kKnown = {"model", "key", "upstream", "status"};
  const auto parameters = Parameters::read(visit.exchange.request().query, kKnown);
  if (!parameters.ok()) co_return invalid_parameter(parameters.status().message());
  const auto filter = CallFilter::read(*parameters);
  if (!filter.ok()) co_return invalid_parameter(filter.status().message());
  const Watching watching{live_, live_.watch(*filter)};
  if (watching.watcher == nullptr) {
    co_return retry_later(503, "overloaded", "As many live streams are open as may be (32).", 5);
  }
  const std::array headers = {
      net::Header{"content-type", "text/event-stream"}, net::Header{"cache-control", "no-store"},
      net::Header{"x-content-type-options", "nosniff"}, net::Header{"x-accel-buffering", "no"}};
  Answer streamed;
  streamed.sent = true;
  Status sent = co_await visit.exchange.start(200, headers);
  std::string out = ": alive\n\n";
  int64_t alive_ms = steady_ms();
  int64_t checked_ms = alive_ms;
  bool ended = false;
  while (sent.ok()) {
    if (!out.empty()) sent = co_await visit.exchange.write(out);
    if (!sent.ok() || ended) break;
    out.clear();
    const Wake wake =
        co_await visit.worker.loop.sleep_for(LiveCalls::kGatherMs, &visit.exchange.cancel());
    if (wake == Wake::kCancelled) break;
    const int64_t now = steady_ms();
    const bool recheck = now - checked_ms >= kRecheckMs;
    bool valid = true;
    const auto gather = [&] {
      if (recheck) valid = still_valid(visit);
      return live_.gather(*watching.watcher, now);
    };
    const LiveCalls::Gathered gathered = co_await parts_.pool.run(visit.worker.loop, gather);
    append_gathered(gathered, out);
    if (recheck) checked_ms = now;
    if (now - alive_ms >= kAliveMs) {
      out += ": alive\n\n";
      alive_ms = now;
    }
    const std::string_view reason = parts_.program.draining() ? "draining"
                                    : !valid                  ? "not_signed_in"
                                                              : std::string_view{};
    if (!reason.empty()) {
      out += "event: end\ndata: {\"code\":\"" + std::string(reason) + "\"}\n\n";
      ended = true;
    }
  }
  if (sent.ok()) sent = co_await visit.exchange.finish();
  co_return streamed;
}

// Whether the one who watches may still: their session, or their key.
bool Console::still_valid(const Visit& visit) const {
  if (visit.session) {
    const auto checked = parts_.sessions.check(visit.session_token, false);
    return checked.ok() && identity::may(*checked->principal, identity::Action::kCallsRead);
  }
  const auto key = parts_.keys.get(visit.principal->id);
  return key.ok() && key->state(parts_.clock.wall_ns()) == identity::KeyState::kActive;
}

}  // namespace gatehouse::api

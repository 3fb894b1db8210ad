#include "gateway/activity.h"

#include <algorithm>
#include <functional>
#include <unordered_map>

#include "base/loop.h"
#include "wire/json.h"

namespace gatehouse::gateway {

namespace {

constexpr int64_t kFineMs = 15'000;
constexpr int64_t kMinuteMs = 60'000;
constexpr int64_t kCoarseMs = 900'000;
// Twice the longest range of each step, and the unfinished step.
constexpr size_t kFineSteps = 2 * 3'600'000 / kFineMs + 4;
constexpr size_t kCoarseSteps = 2 * 24 * 3'600'000 / kCoarseMs + 1;
// Models are not compared with the time before.
constexpr size_t kModelMinuteSteps = 60;
constexpr size_t kModelCoarseSteps = 96;
constexpr int64_t kUpstreamMs = 5 * 60'000;
constexpr size_t kUpstreamSteps = kUpstreamMs / kFineMs + 1;

constexpr int64_t kMsNs = 1'000'000;
constexpr int64_t kDayMs = 24 * 3'600'000;

// Steps by time: step number n lies at n modulo the ring's length.
template <typename Step, size_t kSteps>
class Ring {
 public:
  // The step of that number, emptied where it stood for an older time; null
  // where it stands for a newer one.
  Step* at(int64_t number) {
    Place& place = places_[static_cast<size_t>(number) % kSteps];
    if (place.number > number) return nullptr;
    if (place.number < number) place = Place{number, Step{}};
    return &place.step;
  }
  const Step* find(int64_t number) const {
    const Place& place = places_[static_cast<size_t>(number) % kSteps];
    return place.number == number ? &place.step : nullptr;
  }

 private:
  struct Place {
    int64_t number = -1;
    Step step;
  };
  std::array<Place, kSteps> places_;
};

struct ModelStep {
  uint32_t calls = 0, errors = 0;
  int64_t tokens = 0, cost_nanodollars = 0;
  bool priced = false;
  DurationHistogram first_token;
};

struct ModelRing {
  std::string name;
  int64_t last_ms = 0;
  Ring<ModelStep, kModelMinuteSteps> minutes;
  Ring<ModelStep, kModelCoarseSteps> coarse;
};

struct UpstreamStep {
  uint32_t attempts = 0, failures = 0;
  DurationHistogram latency, first_token;
};

struct UpstreamRing {
  std::string name;
  int64_t last_ms = 0;
  Ring<UpstreamStep, kUpstreamSteps> steps;
};

// The entry of that name; a new one takes a free place, or that of one which was
// silent for as long as its ring reaches. Null: no place.
template <typename Named>
Named* named(std::vector<std::unique_ptr<Named>>& all, std::string_view name, int64_t at_ms,
             size_t max, int64_t silent_ms) {
  for (const auto& each : all) {
    if (each->name == name) {
      each->last_ms = std::max(each->last_ms, at_ms);
      return each.get();
    }
  }
  auto made = std::make_unique<Named>();
  made->name = name;
  made->last_ms = at_ms;
  if (all.size() < max) return all.emplace_back(std::move(made)).get();
  for (auto& each : all) {
    if (each->last_ms + silent_ms < at_ms) return (each = std::move(made)).get();
  }
  return nullptr;
}

struct TextHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

int64_t nanoseconds(double seconds) { return static_cast<int64_t>(seconds * 1e9); }

struct Shape {
  int64_t range_ms, step_ms, ring_ms;
};

Shape shape_of(Activity::Range range) {
  switch (range) {
    case Activity::Range::k15Minutes: return {15 * kMinuteMs, kFineMs, kFineMs};
    case Activity::Range::k1Hour: return {60 * kMinuteMs, kMinuteMs, kFineMs};
    case Activity::Range::k24Hours: return {kDayMs, kCoarseMs, kCoarseMs};
  }
  return {60 * kMinuteMs, kMinuteMs, kFineMs};
}

}  // namespace

void ActivityTotals::add(const ActivityTotals& other) {
  calls += other.calls;
  errors += other.errors;
  refused += other.refused;
  estimated += other.estimated;
  input_tokens += other.input_tokens;
  cached_input_tokens += other.cached_input_tokens;
  output_tokens += other.output_tokens;
  reasoning_tokens += other.reasoning_tokens;
  cost_nanodollars += other.cost_nanodollars;
  first_token.add(other.first_token);
}

// A call as the rings take it.
struct Activity::Ended {
  int64_t at_ms = 0;
  Outcome outcome = Outcome::kOk;
  std::string_view key_id;  // empty: none
  std::string_view model;   // as configured; empty: none
  int64_t input_tokens = 0, cached_input_tokens = 0, output_tokens = 0, reasoning_tokens = 0;
  bool estimated = false, priced = false;
  int64_t cost_nanodollars = 0;
  int64_t first_token_ns = 0;  // 0: none
};

struct Activity::Attempted {
  std::string_view upstream;
  int64_t at_ms = 0;
  bool failed = false;
  int64_t latency_ns = 0;
  int64_t first_token_ns = 0;  // 0: none
};

struct Activity::Rings {
  Ring<ActivityTotals, kFineSteps> fine;
  Ring<ActivityTotals, kCoarseSteps> coarse;
  std::vector<std::unique_ptr<ModelRing>> models;
  std::vector<std::unique_ptr<UpstreamRing>> upstreams;
  int64_t keys_day = 0;
  std::unordered_map<std::string, KeyToday, TextHash, std::equal_to<>> keys;
};

Activity::Activity(int64_t now_ms) : rings_(std::make_unique<Rings>()), known_since_ms_(now_ms) {}
Activity::~Activity() = default;

void Activity::add(std::string_view key_id, const CallTrace& trace) {
  Ended ended;
  ended.key_id = key_id;
  ended.at_ms = (trace.begin_wall_ns + trace.end_ns - trace.begin_ns) / kMsNs;
  ended.outcome =
      outcome_of(trace.status, trace.error, static_cast<int64_t>(trace.attempts.size()));
  ended.model = trace.public_model;
  ended.input_tokens = trace.usage.input_tokens;
  ended.cached_input_tokens = trace.usage.cached_input_tokens;
  ended.output_tokens = trace.usage.output_tokens;
  ended.reasoning_tokens = trace.usage.reasoning_tokens;
  ended.estimated = trace.usage.estimated;
  ended.priced = trace.priced;
  ended.cost_nanodollars = trace.cost_nanodollars;
  const int64_t first = trace.first_token_ns != 0 ? trace.first_token_ns : trace.first_byte_ns;
  if (first != 0) ended.first_token_ns = first - trace.begin_ns;

  const std::lock_guard lock(mutex_);
  add_locked(ended);
  for (const AttemptTrace& each : trace.attempts) {
    const bool served = each.error.empty() && each.upstream == trace.upstream;
    Attempted attempt{each.upstream, ended.at_ms, attempt_failed(each.error, each.status),
                      each.duration_ns, 0};
    if (served) {
      attempt.latency_ns = trace.end_ns - trace.begin_ns - each.begin_ns;
      if (first != 0) attempt.first_token_ns = first - trace.begin_ns - each.begin_ns;
    }
    add_attempt(attempt);
  }
}

void Activity::add_locked(const Ended& ended) {
  any_call_ = true;
  if (ended.at_ms < 0) return;  // a clock before 1970 has no step
  const bool error = ended.outcome == Outcome::kError || ended.outcome == Outcome::kIncomplete;
  const auto count = [&](ActivityTotals* step) {
    if (step == nullptr) return;
    ++step->calls;
    step->errors += error ? 1 : 0;
    step->refused += ended.outcome == Outcome::kRefused ? 1 : 0;
    step->estimated += ended.estimated ? 1 : 0;
    step->input_tokens += ended.input_tokens;
    step->cached_input_tokens += ended.cached_input_tokens;
    step->output_tokens += ended.output_tokens;
    step->reasoning_tokens += ended.reasoning_tokens;
    step->cost_nanodollars += ended.cost_nanodollars;
    if (ended.first_token_ns > 0) step->first_token.add(ended.first_token_ns);
  };
  count(rings_->fine.at(ended.at_ms / kFineMs));
  count(rings_->coarse.at(ended.at_ms / kCoarseMs));
  add_key(ended);
  if (ended.model.empty()) return;
  ModelRing* model = named(rings_->models, ended.model, ended.at_ms, kModelsMax, kDayMs);
  if (model == nullptr) return;
  const auto count_model = [&](ModelStep* step) {
    if (step == nullptr) return;
    ++step->calls;
    step->errors += error ? 1 : 0;
    step->tokens += ended.input_tokens + ended.output_tokens;
    step->cost_nanodollars += ended.cost_nanodollars;
    step->priced = step->priced || ended.priced;
    if (ended.first_token_ns > 0) step->first_token.add(ended.first_token_ns);
  };
  count_model(model->minutes.at(ended.at_ms / kMinuteMs));
  count_model(model->coarse.at(ended.at_ms / kCoarseMs));
}

void Activity::add_key(const Ended& ended) {
  const int64_t day = ended.at_ms / kDayMs;
  if (ended.key_id.empty() || day < rings_->keys_day) return;
  if (day > rings_->keys_day) {
    rings_->keys.clear();
    rings_->keys_day = day;
  }
  auto found = rings_->keys.find(ended.key_id);
  if (found == rings_->keys.end()) {
    if (rings_->keys.size() >= kKeysMax) return;
    found = rings_->keys.emplace(std::string(ended.key_id), KeyToday{}).first;
  }
  ++found->second.requests;
  found->second.tokens += ended.input_tokens + ended.output_tokens;
}

void Activity::add_attempt(const Attempted& attempt) {
  if (attempt.at_ms < 0 || attempt.upstream.empty()) return;
  UpstreamRing* ring =
      named(rings_->upstreams, attempt.upstream, attempt.at_ms, kUpstreamsMax, kUpstreamMs);
  UpstreamStep* step = ring == nullptr ? nullptr : ring->steps.at(attempt.at_ms / kFineMs);
  if (step == nullptr) return;
  ++step->attempts;
  step->failures += attempt.failed ? 1 : 0;
  step->latency.add(attempt.latency_ns);
  if (attempt.first_token_ns > 0) step->first_token.add(attempt.first_token_ns);
}

void Activity::replay(const model::Record& record) {
  Ended ended;
  const double duration_s = record.number("gatehouse.duration_s");
  const int64_t attempts = record.integer("gatehouse.attempts");
  ended.at_ms = (record.time_ns + nanoseconds(duration_s)) / kMsNs;
  ended.outcome =
      outcome_of(record.integer("http.response.status_code"), record.text("error.type"), attempts);
  ended.key_id = record.text("gatehouse.key.id");
  ended.model = record.text("gatehouse.model");
  ended.input_tokens = record.integer("gen_ai.usage.input_tokens");
  ended.cached_input_tokens = record.integer("gen_ai.usage.cached_input_tokens");
  ended.output_tokens = record.integer("gen_ai.usage.output_tokens");
  ended.reasoning_tokens = record.integer("gen_ai.usage.reasoning_tokens");
  ended.estimated = record.boolean("gatehouse.usage.estimated");
  ended.priced = record.boolean("gatehouse.priced", true);
  ended.cost_nanodollars = record.integer("gatehouse.cost_nanousd");
  ended.first_token_ns = nanoseconds(record.number("gen_ai.server.time_to_first_token"));
  const std::lock_guard lock(mutex_);
  add_locked(ended);
  const std::string_view detail = record.text("gatehouse.attempts.detail");
  if (detail.empty()) {
    if (attempts == 1) {
      add_attempt({record.text("gatehouse.upstream"), ended.at_ms, false, nanoseconds(duration_s),
                   ended.first_token_ns});
    }
    return;
  }
  const auto document = wire::JsonDocument::parse(detail);
  if (!document.ok()) return;
  for (const wire::JsonView each : document->root().items()) {
    add_attempt({each.get("upstream").string().value_or(""), ended.at_ms,
                 attempt_failed(each.get("error").string().value_or(""),
                                each.get("status").integer().value_or(0)),
                 nanoseconds(each.get("duration_ms").number().value_or(0) / 1000), 0});
  }
}

Status Activity::rebuild(const model::Reader& reader, model::Position through, int64_t now_ms,
                         int64_t patience_ms) {
  const model::Selector calls{
      {model::Matcher(model::Matcher::Op::kEqual, "stream", std::string(kCallStream))}};
  const int64_t deadline_ms = steady_ms() + patience_ms;
  int64_t oldest_ms = INT64_MAX;
  bool finished = true;
  const model::TimeRange range{(now_ms - 2 * kDayMs) * kMsNs, INT64_MAX};
  RETURN_IF_ERROR(
      reader.read(calls, range, model::Order::kNewestFirst,
                  [&](const model::Labels&, const model::Record& record, model::Position position) {
                    if (position > through) return true;
                    replay(record);
                    oldest_ms = std::min(oldest_ms, record.time_ns / kMsNs);
                    finished = steady_ms() < deadline_ms;
                    return finished;
                  }));
  // Whether anything lies before what was read: then the records reach as far
  // back as the rings.
  bool older = false;
  if (finished) {
    RETURN_IF_ERROR(reader.read(calls, {INT64_MIN, range.begin_ns}, model::Order::kNewestFirst,
                                [&](const model::Labels&, const model::Record&, model::Position) {
                                  older = true;
                                  return false;
                                }));
  }
  const std::lock_guard lock(mutex_);
  if (older) oldest_ms = std::min(oldest_ms, now_ms - 2 * kDayMs);
  known_since_ms_ = std::min(known_since_ms_, oldest_ms);
  any_call_ = any_call_ || older;
  return {};
}

ActivityView Activity::view(Range range, int64_t now_ms) const {
  const Shape shape = shape_of(range);
  ActivityView out;
  out.range_ms = shape.range_ms;
  out.step_ms = shape.step_ms;
  const int64_t steps = shape.range_ms / shape.step_ms;
  const int64_t last = now_ms / shape.step_ms;
  const int64_t parts = shape.step_ms / shape.ring_ms;
  const std::lock_guard lock(mutex_);
  const auto sum = [&](int64_t number) {
    ActivityTotals step;
    for (int64_t part = number * parts; part < (number + 1) * parts; ++part) {
      const ActivityTotals* found =
          shape.ring_ms == kFineMs ? rings_->fine.find(part) : rings_->coarse.find(part);
      if (found != nullptr) step.add(*found);
    }
    return step;
  };
  for (int64_t number = last - steps + 1; number <= last; ++number) {
    const ActivityTotals step = sum(number);
    out.totals.add(step);
    out.points.push_back(
        {number * shape.step_ms, step.calls, step.errors, step.first_token.quantile_ms(0.95)});
  }
  out.known_since_ms = known_since_ms_;
  if (known_since_ms_ <= (last - 2 * steps + 1) * shape.step_ms) {
    out.previous.emplace();
    for (int64_t number = last - 2 * steps + 1; number <= last - steps; ++number) {
      out.previous->add(sum(number));
    }
  }

  const bool coarse = range == Range::k24Hours;
  const int64_t model_ms = coarse ? kCoarseMs : kMinuteMs;
  for (const auto& model : rings_->models) {
    ModelActivity total;
    const int64_t now_step = now_ms / model_ms;
    for (int64_t n = now_step - shape.range_ms / model_ms + 1; n <= now_step; ++n) {
      const ModelStep* step = coarse ? model->coarse.find(n) : model->minutes.find(n);
      if (step == nullptr) continue;
      total.calls += step->calls;
      total.errors += step->errors;
      total.tokens += step->tokens;
      total.cost_nanodollars += step->cost_nanodollars;
      total.priced = total.priced || step->priced;
      total.first_token.add(step->first_token);
    }
    if (total.calls == 0) continue;
    total.model = model->name;
    out.top_models.push_back(std::move(total));
  }
  std::sort(out.top_models.begin(), out.top_models.end(), [](const auto& a, const auto& b) {
    return a.calls != b.calls ? a.calls > b.calls : a.model < b.model;
  });
  constexpr size_t kTop = 5;
  if (out.top_models.size() > kTop) out.top_models.resize(kTop);
  return out;
}

UpstreamActivity Activity::upstream(std::string_view name, int64_t now_ms) const {
  UpstreamActivity out;
  const std::lock_guard lock(mutex_);
  for (const auto& ring : rings_->upstreams) {
    if (ring->name != name) continue;
    const int64_t now_step = now_ms / kFineMs;
    for (int64_t n = now_step - kUpstreamMs / kFineMs + 1; n <= now_step; ++n) {
      const UpstreamStep* step = ring->steps.find(n);
      if (step == nullptr) continue;
      out.attempts += step->attempts;
      out.failures += step->failures;
      out.latency.add(step->latency);
      out.first_token.add(step->first_token);
    }
  }
  return out;
}

KeyToday Activity::key_today(std::string_view key_id, int64_t now_ms) const {
  const std::lock_guard lock(mutex_);
  if (rings_->keys_day != now_ms / kDayMs) return {};
  const auto found = rings_->keys.find(key_id);
  return found == rings_->keys.end() ? KeyToday{} : found->second;
}

bool Activity::any_call() const {
  const std::lock_guard lock(mutex_);
  return any_call_;
}

}  // namespace gatehouse::gateway

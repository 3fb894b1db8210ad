#include "collect/local_collector.h"

#include <cmath>

#include "base/log.h"
#include "collect/publisher.h"

namespace gatehouse::collect {

namespace {

// As Prometheus's client libraries write bounds: the shortest that reads back equal.
std::string bound_text(double bound) {
  if (std::isinf(bound)) return "+Inf";
  char text[32];
  for (int digits = 1; digits <= 17; ++digits) {
    std::snprintf(text, sizeof text, "%.*g", digits, bound);
    if (std::strtod(text, nullptr) == bound) break;
  }
  std::string out = text;
  if (out.find_first_of(".e") == std::string::npos) out += ".0";
  return out;
}

void sample_histogram(const model::Registry::Family& family, const model::Registry::Child& child,
                      std::vector<model::LabelView>& labels, SampleSink& sink) {
  if (child.histogram == nullptr) return;
  const model::Histogram& histogram = *child.histogram;
  const std::string bucket = family.name + "_bucket", sum = family.name + "_sum",
                    count = family.name + "_count";
  const size_t plain = labels.size();
  uint64_t below = 0;
  for (size_t i = 0; i <= histogram.bounds().size(); ++i) {
    below += histogram.bucket(i);
    const std::string bound =
        i < histogram.bounds().size() ? bound_text(histogram.bounds()[i]) : "+Inf";
    labels.push_back({"le", bound});
    sink.add({bucket, model::SampleType::kHistogram, family.help}, labels,
             static_cast<double>(below));
    labels.resize(plain);
  }
  sink.add({sum, model::SampleType::kHistogram, family.help}, labels, histogram.sum());
  sink.add({count, model::SampleType::kHistogram, family.help}, labels, static_cast<double>(below));
}

}  // namespace

void sample_registry(const model::Registry& registry, SampleSink& sink) {
  std::vector<model::LabelView> labels;
  registry.visit([&](const model::Registry::Family& family) {
    for (const model::Registry::Child& child : family.children) {
      labels.clear();
      for (const auto& [name, value] : child.labels.pairs()) labels.push_back({name, value});
      switch (family.type) {
        case model::MetricType::kCounter: {
          const std::string name = family.name + "_total";
          sink.add({name, model::SampleType::kCounter, family.help}, labels, child.counter.value());
          break;
        }
        case model::MetricType::kGauge:
          sink.add({family.name, model::SampleType::kGauge, family.help}, labels,
                   child.read ? child.read() : child.gauge.value());
          break;
        case model::MetricType::kHistogram: sample_histogram(family, child, labels, sink); break;
      }
    }
  });
}

struct LocalCollector::State {
  State(Loop& l, Pool& p, model::SampleAppender& appender, const model::Registry& r,
        const model::Clock& c, LocalOptions o)
      : loop(l),
        pool(p),
        registry(r),
        clock(c),
        options(std::move(o)),
        host(options.host, c),
        machine(appender, job("node")),
        containers(appender, job("cadvisor")),
        gpus(appender, job("dcgm")),
        self(appender, job("gatehouse")),
        ended(l) {}

  model::Labels job(std::string_view name) const {
    const std::string instance = options.instance.empty() ? host_name() : options.instance;
    return model::Labels{{"instance", instance}, {"job", std::string(name)}};
  }

  Status collect_once() {
    const int64_t now = clock.wall_ns() / 1'000'000;
    Status outcome;
    const auto publish = [&](PublishingSink& sink, auto collect) {
      sink.begin(now);
      collect();
      sink.gauge("up", "Whether the collection succeeded.", 1);
      const auto committed = sink.commit();
      if (!committed.ok() && outcome.ok()) outcome = committed.status();
    };
    if (options.host.machine) publish(machine, [&] { host.collect_machine(machine); });
    if (options.host.containers) publish(containers, [&] { host.collect_containers(containers); });
    if (options.host.gpus) {
      gpus.begin(now);
      host.collect_gpus(gpus);
      const auto committed = gpus.commit();
      if (!committed.ok() && outcome.ok()) outcome = committed.status();
    }
    if (options.self) publish(self, [&] { sample_registry(registry, self); });
    return outcome;
  }

  static Task<void> run(std::shared_ptr<State> state) {
    bool failing = false;
    int64_t next_ms = steady_ms();
    while (!state->stop.fired()) {
      State* raw = state.get();
      const Status outcome =
          co_await state->pool.run(state->loop, [raw] { return raw->collect_once(); });
      if (!outcome.ok() && !failing) {
        log_warning("the machine's metrics cannot be stored", {{"reason", outcome.message()}});
      }
      failing = !outcome.ok();
      next_ms = std::max(next_ms + state->options.interval_ms, steady_ms());
      const Wake wake = co_await state->loop.sleep_until(next_ms, &state->stop);
      if (wake == Wake::kCancelled) break;
    }
    state->ended.set();
  }

  Loop& loop;
  Pool& pool;
  const model::Registry& registry;
  const model::Clock& clock;
  LocalOptions options;
  HostCollector host;
  PublishingSink machine, containers, gpus, self;
  Cancel stop;
  Event ended;
  bool started = false;
};

LocalCollector::LocalCollector(Loop& loop, Pool& pool, model::SampleAppender& appender,
                               const model::Registry& registry, const model::Clock& clock,
                               LocalOptions options)
    : state_(std::make_shared<State>(loop, pool, appender, registry, clock, std::move(options))) {}
LocalCollector::~LocalCollector() = default;

void LocalCollector::start() {
  state_->started = true;
  detach(State::run(state_));
}

Task<void> LocalCollector::stop() {
  const auto state = state_;
  if (!state->started) co_return;
  state->stop.fire();
  co_await state->ended.wait();
}

Status LocalCollector::collect_once() { return state_->collect_once(); }

}  // namespace gatehouse::collect

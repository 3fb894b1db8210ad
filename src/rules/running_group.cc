#include "rules/running_group.h"

#include <algorithm>
#include <chrono>

#include "base/log.h"
#include "base/loop.h"

namespace gatehouse::rules {

namespace {

// A view waits so long for the rule that is being evaluated; who looks at a page does not
// notice it.
constexpr std::chrono::milliseconds kViewPatience{500};
// A rule that takes as long could make a view wait for so long: a copy is kept.
constexpr int64_t kSlowNs = 100'000'000;
// Samples in one append: what a write of the log holds well.
constexpr size_t kBatch = 4096;

bool same_rule(const Rule& a, const Rule& b) {
  return a.record == b.record && a.alert == b.alert && a.query == b.query && a.for_ms == b.for_ms &&
         a.keep_firing_for_ms == b.keep_firing_for_ms && a.labels == b.labels &&
         a.annotations == b.annotations;
}

bool same_group(const RuleGroup& a, const RuleGroup& b) {
  return a.file == b.file && a.name == b.name && a.interval_ms == b.interval_ms &&
         a.query_offset_ms == b.query_offset_ms && a.limit == b.limit && a.labels == b.labels &&
         std::equal(a.rules.begin(), a.rules.end(), b.rules.begin(), b.rules.end(), same_rule);
}

bool same_options(const EvaluationOptions& a, const EvaluationOptions& b) {
  return a.interval_ms == b.interval_ms && a.query_offset_ms == b.query_offset_ms &&
         a.resend_delay_ms == b.resend_delay_ms &&
         a.for_outage_tolerance_ms == b.for_outage_tolerance_ms &&
         a.for_grace_period_ms == b.for_grace_period_ms &&
         a.query_timeout_ms == b.query_timeout_ms && a.samples_max == b.samples_max &&
         a.query.lookback_ms == b.query.lookback_ms &&
         a.query.subquery_step_ms == b.query.subquery_step_ms &&
         a.query.delayed_name_removal == b.query.delayed_name_removal &&
         a.external_url == b.external_url && a.external_labels == b.external_labels;
}

double seconds(int64_t ns) { return static_cast<double>(ns) / 1e9; }

// Alerts of `before` whose rules `now` no longer has.
std::vector<ActiveAlert> lost(const GroupEvaluation& now, const std::vector<ActiveAlert>& before) {
  std::vector<const model::Labels*> kept;
  std::vector<std::vector<ActiveAlert>> lists;
  for (size_t i = 0; i < now.size(); ++i) lists.push_back(now.alerts(i));
  for (const auto& list : lists) {
    for (const ActiveAlert& alert : list) kept.push_back(&alert.labels);
  }
  const auto less = [](const model::Labels* a, const model::Labels* b) { return *a < *b; };
  std::sort(kept.begin(), kept.end(), less);
  std::vector<ActiveAlert> out;
  for (const ActiveAlert& alert : before) {
    if (!std::binary_search(kept.begin(), kept.end(), &alert.labels, less)) out.push_back(alert);
  }
  return out;
}

}  // namespace

// The evaluator's hold on `evaluation_`.
class RunningGroup::Exclusive {
 public:
  explicit Exclusive(RunningGroup& group) : group_(group) {
    std::unique_lock lock(group_.mutex_);
    group_.changed_.wait(lock, [this] { return group_.viewers_ == 0; });
    group_.evaluating_ = true;
  }
  ~Exclusive() {
    {
      const std::lock_guard lock(group_.mutex_);
      group_.evaluating_ = false;
    }
    group_.changed_.notify_all();
  }
  Exclusive(const Exclusive&) = delete;
  Exclusive& operator=(const Exclusive&) = delete;

 private:
  RunningGroup& group_;
};

RunningGroup::RunningGroup(const GroupSurroundings& around, RuleGroup group,
                           const EvaluationOptions& options, RunningGroup* before)
    : around_(around),
      options_(options),
      reader_(around.parts.reader, around.stopping, gone),
      metrics_(around.metrics.of_group(group.file, group.name)),
      offset_ms_(static_cast<int64_t>(
          model::Labels{{"file", group.file}, {"name", group.name}}.hash() %
          static_cast<uint64_t>(std::max<int64_t>(
              1, group.interval_ms != 0 ? group.interval_ms : options.interval_ms)))),
      evaluation_(std::move(group), options, before != nullptr && before->evaluation_.restored()) {
  rules_.resize(evaluation_.size());
  metrics_.interval_s.set(static_cast<double>(interval_ms()) / 1000);
  metrics_.rules.set(static_cast<double>(rules_.size()));
  if (rules_.empty()) evaluated_ = true;
  if (before == nullptr) return;
  const Exclusive hold(*before);
  std::vector<ActiveAlert> known;
  for (size_t i = 0; i < before->evaluation_.size(); ++i) {
    const auto alerts = before->evaluation_.alerts(i);
    known.insert(known.end(), alerts.begin(), alerts.end());
  }
  missed_ = before->missed_;
  {
    // Who still holds the one before sees what it was.
    const std::lock_guard lock(before->mutex_);
    before->copy_ = std::make_shared<const GroupView>(before->make_view(true));
    before->replaced_ = true;
  }
  evaluated_ = before->evaluated();
  evaluation_.inherit(std::move(before->evaluation_));
  around_.history.write_removed(evaluation_.group(), around_.now_ms(), lost(evaluation_, known));
}

bool RunningGroup::same_as(const RuleGroup& group, const EvaluationOptions& options) const {
  return same_options(options_, options) && same_group(evaluation_.group(), group);
}

int64_t RunningGroup::slot_before(int64_t now_ms) const {
  const int64_t interval = interval_ms();
  const int64_t shifted = now_ms - offset_ms_;
  const int64_t within = ((shifted % interval) + interval) % interval;
  return shifted - within + offset_ms_;
}

int64_t RunningGroup::run(int64_t due_ms) {
  if (gone || around_.stopping) return due_ms;
  const int64_t begun_ms = around_.now_ms();
  const int64_t passed = std::max<int64_t>(0, (begun_ms - due_ms) / interval_ms());
  const int64_t slot_ms = due_ms + passed * interval_ms();
  metrics_.iterations.add(static_cast<double>(passed + 1));
  if (passed > 0) metrics_.missed.add(static_cast<double>(passed));
  const int64_t begun_ns = steady_ns();
  EvaluationSource source{.reader = reader_,
                          .budget = around_.parts.budget,
                          .parallel = nullptr,  // its threads are for those who wait
                          .share = &around_.share};
  samples_ = 0;
  int64_t slowest_ns = 0;
  for (size_t i = 0; i < rules_.size() && !gone && !around_.stopping; ++i) {
    evaluate_rule(i, slot_ms, source);
    slowest_ns = std::max(slowest_ns, rules_[i].evaluation_ns);
  }
  if (gone || around_.stopping) return slot_ms;
  {
    const Exclusive hold(*this);
    std::vector<model::SeriesRef> none;
    const Status ended =
        append(slot_ms - evaluation_.query_offset_ms(), evaluation_.take_orphaned(), none);
    if (!ended.ok()) log_warning("series of rules did not end", {{"reason", ended.message()}});
    if (!evaluation_.restored()) evaluation_.restore(slot_ms, source);
  }
  const int64_t took_ns = steady_ns() - begun_ns;
  metrics_.last_duration_s.set(seconds(took_ns));
  metrics_.last_evaluation_s.set(static_cast<double>(begun_ms) / 1000);
  metrics_.last_samples.set(static_cast<double>(samples_));
  around_.metrics.group_duration_s.observe(seconds(took_ns));
  around_.metrics.lateness_s.observe(static_cast<double>(around_.now_ms() - slot_ms) / 1000);
  {
    const std::lock_guard lock(mutex_);
    evaluation_ns_ = took_ns;
    evaluated_at_ms_ = begun_ms;
    missed_ += static_cast<uint64_t>(passed);
  }
  keep_copy(slowest_ns);
  evaluated_ = true;
  return slot_ms;
}

void RunningGroup::evaluate_rule(size_t rule, int64_t slot_ms, const EvaluationSource& source) {
  const Exclusive hold(*this);
  const int64_t begun_ms = around_.now_ms();
  const int64_t begun_ns = steady_ns();
  const RuleOutcome outcome = evaluation_.evaluate(rule, slot_ms, source);
  // It was not wrong, it was ended, and has changed nothing. At the end of the program not
  // even a result counts: whether data was lost may not have been asked to the end.
  if (outcome.status.code() == Code::kCancelled && reader_.ending()) return;
  if (around_.stopping) return;
  Status appended;
  if (outcome.status.ok()) {
    appended = append(outcome.time_ms, outcome.samples, rules_[rule].refs);
    samples_ += static_cast<int64_t>(outcome.samples.size());
  }
  const int64_t took_ns = steady_ns() - begun_ns;
  metrics_.evaluations.add();
  around_.metrics.rule_duration_s.observe(seconds(took_ns));
  around_.history.write(evaluation_.group(), slot_ms, outcome.changes);
  // What could not be stored is told of all the same.
  if (!outcome.alerts.empty()) around_.parts.notifier.notify(outcome.alerts);
  tell(rule, outcome, appended);
  const std::lock_guard lock(mutex_);
  RuleState& state = rules_[rule];
  const Status& status = outcome.status.ok() ? appended : outcome.status;
  state.health = status.ok() ? RuleHealth::kOk : RuleHealth::kError;
  state.last_error = status.ok() ? std::string() : std::string(status.message());
  state.evaluation_ns = took_ns;
  state.evaluated_at_ms = begun_ms;
  state.series = outcome.series;
}

// Once for each error, not at every evaluation that has it.
void RunningGroup::tell(size_t rule, const RuleOutcome& outcome, const Status& appended) {
  const Status& status = outcome.status.ok() ? appended : outcome.status;
  if (status.ok()) return;
  metrics_.failures.add();
  const RuleGroup& group = evaluation_.group();
  if (rules_[rule].last_error == status.message()) return;
  log_warning("a rule was not evaluated", {{"file", group.file},
                                           {"group", group.name},
                                           {"rule", group.rules[rule].name()},
                                           {"reason", status.message()}});
}

Status RunningGroup::append(int64_t time_ms, const std::vector<RuleSample>& samples,
                            std::vector<model::SeriesRef>& refs) {
  refs.resize(samples.size());
  std::vector<model::LabelView> labels;
  std::vector<model::Sample> values;
  std::vector<model::HistogramSample> histograms;
  std::vector<model::SeriesAppend> batch;
  for (size_t begin = 0; begin < samples.size(); begin += kBatch) {
    const size_t end = std::min(begin + kBatch, samples.size());
    size_t pairs = 0;
    for (size_t i = begin; i < end; ++i) pairs += samples[i].labels.pairs().size();
    labels.clear();
    labels.reserve(pairs);
    values.clear();
    values.reserve(end - begin);
    histograms.clear();
    histograms.reserve(end - begin);
    batch.assign(end - begin, {});
    for (size_t i = begin; i < end; ++i) {
      const RuleSample& sample = samples[i];
      model::SeriesAppend& append = batch[i - begin];
      const size_t from = labels.size();
      for (const auto& [name, value] : sample.labels.pairs()) labels.push_back({name, value});
      append.ref = refs[i];
      append.labels = {labels.data() + from, labels.size() - from};
      if (sample.histogram != nullptr) {
        model::HistogramSample& one = histograms.emplace_back();
        one.time_ms = time_ms;
        one.histogram = *sample.histogram;
        append.histograms = {&one, 1};
      } else {
        model::Sample& one = values.emplace_back();
        one.time_ms = time_ms;
        one.value = sample.value;
        append.samples = {&one, 1};
      }
    }
    ASSIGN_OR_RETURN(const model::AppendOutcome outcome, around_.parts.appender.append(batch, {}));
    for (size_t i = begin; i < end; ++i) refs[i] = batch[i - begin].ref;
    if (outcome.refused() > 0) {
      log_warning("samples of a rule were refused",
                  {{"group", evaluation_.group().name}, {"reason", outcome.first_refusal}});
    }
  }
  return {};
}

void RunningGroup::end() {
  const Exclusive hold(*this);
  std::vector<model::SeriesRef> none;
  const int64_t now_ms = around_.now_ms();
  for (size_t i = 0; i < evaluation_.size(); ++i) {
    around_.history.write_removed(evaluation_.group(), now_ms, evaluation_.alerts(i));
  }
  const Status ended = append(now_ms, evaluation_.end_all(), none);
  if (!ended.ok()) log_warning("series of rules did not end", {{"reason", ended.message()}});
  metrics_.retire();
}

GroupView RunningGroup::make_view(bool with_alerts) const {
  const RuleGroup& group = evaluation_.group();
  GroupView view;
  view.file = group.file;
  view.name = group.name;
  view.interval_ms = evaluation_.interval_ms();
  view.query_offset_ms = evaluation_.query_offset_ms();
  view.limit = group.limit;
  view.evaluation_ns = evaluation_ns_;
  view.evaluated_at_ms = evaluated_at_ms_;
  view.missed = missed_;
  view.rules.reserve(rules_.size());
  for (size_t i = 0; i < rules_.size(); ++i) {
    const RuleState& state = rules_[i];
    RuleView rule;
    rule.rule = std::make_shared<const Rule>(group.rules[i]);
    rule.health = state.health;
    rule.last_error = state.last_error;
    rule.evaluation_ns = state.evaluation_ns;
    rule.evaluated_at_ms = state.evaluated_at_ms;
    rule.samples = state.series;
    if (group.rules[i].alerting()) {
      rule.state = evaluation_.state(i);
      if (with_alerts) rule.alerts = evaluation_.alerts(i);
    }
    view.rules.push_back(std::move(rule));
  }
  return view;
}

void RunningGroup::keep_copy(int64_t slowest_ns) {
  const std::lock_guard lock(mutex_);
  copy_ = slowest_ns > kSlowNs ? std::make_shared<const GroupView>(make_view(true)) : nullptr;
}

GroupView RunningGroup::view(bool with_alerts) const {
  std::unique_lock lock(mutex_);
  ++viewers_;
  const auto free = [this] { return !evaluating_ || replaced_; };
  const bool now = changed_.wait_for(lock, kViewPatience, free);
  if (!now && copy_ == nullptr) changed_.wait(lock, free);
  GroupView view = evaluating_ || replaced_ ? *copy_ : make_view(with_alerts);
  if (--viewers_ == 0) {
    lock.unlock();
    changed_.notify_all();
  }
  return view;
}

}  // namespace gatehouse::rules

#include "rules/evaluation.h"

#include <algorithm>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "base/loop.h"
#include "lang/promql/parser.h"
#include "model/sample.h"
#include "rules/alert_states.h"
#include "rules/alert_template.h"
#include "rules/lost_data.h"

namespace gatehouse::rules {
namespace {

constexpr std::string_view kAlertName = "alertname";

// An instant vector; a scalar is one without labels.
Result<promql::QueryValue> vector_of(promql::QueryValue value) {
  switch (value.type) {
    case promql::ValueType::kVector: return value;
    case promql::ValueType::kScalar:
      value.series.push_back({{}, {{value.scalar.time_ms, value.scalar.value, nullptr}}});
      return value;
    default: return invalid_argument("rule result is not a vector or scalar");
  }
}

bool same_labels_twice(const std::vector<const model::Labels*>& all) {
  if (all.size() < 2) return false;
  const auto hash = [](const model::Labels* labels) { return labels->hash(); };
  const auto equal = [](const model::Labels* a, const model::Labels* b) { return *a == *b; };
  std::unordered_set<const model::Labels*, decltype(hash), decltype(equal)> seen(all.size(), hash,
                                                                                 equal);
  return std::any_of(all.begin(), all.end(),
                     [&seen](const model::Labels* each) { return !seen.insert(each).second; });
}

// A series' labels in one piece of memory, a third of what Labels take: each name and value
// is followed by a byte that no UTF-8 text holds.
constexpr char kSeparator = '\xff';

std::string packed(const model::Labels& labels) {
  size_t bytes = 0;
  for (const auto& [name, value] : labels.pairs()) bytes += name.size() + value.size() + 2;
  std::string out;
  out.reserve(bytes);
  for (const auto& [name, value] : labels.pairs()) {
    out.append(name) += kSeparator;
    out.append(value) += kSeparator;
  }
  return out;
}

model::Labels unpacked(std::string_view text) {
  std::vector<model::Labels::Pair> pairs;
  const auto next = [&text] {
    const size_t end = text.find(kSeparator);
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(end + 1);
    return std::string(word);
  };
  while (!text.empty()) {
    std::string name = next();
    pairs.emplace_back(std::move(name), next());
  }
  return model::Labels(std::move(pairs));
}

bool same_series(std::string_view text, const model::Labels& labels) {
  const auto take = [&text](std::string_view word) {
    if (text.size() <= word.size() || !text.starts_with(word) || text[word.size()] != kSeparator) {
      return false;
    }
    text.remove_prefix(word.size() + 1);
    return true;
  };
  for (const auto& [name, value] : labels.pairs()) {
    if (!take(name) || !take(value)) return false;
  }
  return text.empty();
}

RuleSample staleness_marker(model::Labels labels) {
  return {std::move(labels), model::kStaleValue, nullptr};
}

// A rule's identity when its group is replaced.
std::string identity(const Rule& rule) {
  std::string text = (rule.alerting() ? "a" : "r") + rule.name();
  for (const auto& [label, value] : rule.labels) text += '\xff' + label + '\xff' + value;
  return text;
}

struct RuleState {
  std::vector<std::pair<std::string, AlertTemplate>> labels, annotations;
  AlertStates alerts;
  std::vector<std::string> given;  // which series the last evaluation gave, packed
  bool restored = true;
};

}  // namespace

struct GroupEvaluation::State {
  RuleGroup group;
  EvaluationOptions options;
  gotemplate::Value external_labels;
  std::vector<RuleState> rules;
  std::vector<RuleSample> orphaned;
  // Of the evaluation that runs: what a template's query reads.
  const EvaluationSource* source = nullptr;
  int64_t time_ms = 0;
  int64_t deadline_steady_ms = 0;

  int64_t offset_ms() const { return group.query_offset_ms.value_or(options.query_offset_ms); }
  int64_t interval_ms() const {
    return group.interval_ms != 0 ? group.interval_ms : options.interval_ms;
  }

  Result<promql::QueryValue> query(const promql::Expr& expr, const std::string& text,
                                   int64_t at_ms) const {
    model::QueryContext context(source->budget, deadline_steady_ms, options.samples_max,
                                source->share);
    ASSIGN_OR_RETURN(auto value,
                     promql::evaluate_instant(expr, text, at_ms, options.query, source->reader,
                                              context, source->parallel));
    return vector_of(std::move(value));
  }

  Result<gotemplate::List> query_of_template(const std::string& text) const {
    if (source == nullptr) return unavailable("no evaluation runs");
    promql::ParseOptions parse_options;
    parse_options.experimental_functions = true;
    ASSIGN_OR_RETURN(const auto expr, promql::parse(text, parse_options));
    ASSIGN_OR_RETURN(const auto value, query(*expr, text, time_ms));
    return query_list(value);
  }

  void evaluate_recording(const Rule& rule, promql::QueryValue value, RuleOutcome& outcome) {
    std::vector<const model::Labels*> all;
    all.reserve(value.series.size());
    outcome.samples.reserve(value.series.size());
    for (promql::ResultSeries& series : value.series) {
      if (series.points.empty()) continue;
      std::vector<model::Labels::Pair> pairs = series.labels.pairs();
      pairs.emplace_back(model::kMetricName, rule.record);
      pairs.insert(pairs.end(), rule.labels.begin(), rule.labels.end());
      promql::Point& point = series.points.front();
      outcome.samples.push_back(
          {model::Labels(std::move(pairs)), point.value, std::move(point.histogram)});
    }
    for (const RuleSample& sample : outcome.samples) all.push_back(&sample.labels);
    outcome.series = static_cast<int64_t>(all.size());
    if (same_labels_twice(all)) {
      outcome.status = invalid_argument(
          "vector contains metrics with the same labelset after applying rule labels");
    } else if (group.limit > 0 && outcome.series > group.limit) {
      outcome.status = resource_exhausted("exceeded limit of " + std::to_string(group.limit) +
                                          " with " + std::to_string(outcome.series) + " series");
    }
  }

  std::vector<FoundAlert> find_alerts(const Rule& rule, const RuleState& state,
                                      promql::QueryValue value, RuleOutcome& outcome) const {
    std::vector<FoundAlert> found;
    found.reserve(value.series.size());
    std::string failure;
    const auto expand = [&](const AlertTemplate& text, const gotemplate::Value& data) {
      failure.clear();
      std::string expanded = text.expand(data, &failure);
      // One of a kind: an evaluation of thousands of alerts fails in the same way.
      if (!failure.empty() && (outcome.warnings.empty() || outcome.warnings.back() != failure)) {
        outcome.warnings.push_back(failure);
      }
      return expanded;
    };
    for (promql::ResultSeries& series : value.series) {
      if (series.points.empty()) continue;
      const gotemplate::Value data = alert_data(series, external_labels, options.external_url);
      FoundAlert alert;
      alert.value = series.points.front().value;
      std::vector<model::Labels::Pair> pairs = series.labels.pairs();
      std::erase_if(pairs, [](const auto& pair) { return pair.first == model::kMetricName; });
      for (const auto& [label, text] : state.labels) pairs.emplace_back(label, expand(text, data));
      pairs.emplace_back(kAlertName, rule.alert);
      alert.labels = model::Labels(std::move(pairs));
      alert.sample_labels = std::move(series.labels);
      for (const auto& [label, text] : state.annotations) {
        alert.annotations.emplace_back(label, expand(text, data));
      }
      found.push_back(std::move(alert));
    }
    return found;
  }

  // Which of the alerts ended because their data did. Asked for those together whose
  // expression held at the same time.
  std::vector<bool> lost(const Rule& rule, std::span<const ActiveAlert* const> alerts,
                         RuleOutcome& outcome) const {
    std::vector<bool> out(alerts.size(), false);
    std::map<int64_t, std::vector<size_t>> by_time;
    for (size_t i = 0; i < alerts.size(); ++i) by_time[alerts[i]->held_at_ms].push_back(i);
    for (const auto& [held_at_ms, which] : by_time) {
      std::vector<const model::Labels*> samples;
      for (const size_t i : which) samples.push_back(&alerts[i]->sample_labels);
      model::QueryContext context(source->budget, deadline_steady_ms, options.samples_max,
                                  source->share);
      const auto answer =
          lost_data(*rule.expr, samples, held_at_ms - offset_ms(), time_ms - offset_ms(),
                    options.query.lookback_ms, source->reader, context);
      if (!answer.ok()) {
        outcome.warnings.push_back("whether alerts lost their data: " + answer.status().message());
        continue;
      }
      for (size_t i = 0; i < which.size(); ++i) out[which[i]] = (*answer)[i];
    }
    return out;
  }

  void evaluate_alerting(const Rule& rule, RuleState& state, promql::QueryValue value,
                         RuleOutcome& outcome) {
    std::vector<FoundAlert> found = find_alerts(rule, state, std::move(value), outcome);
    std::vector<const model::Labels*> all;
    for (const FoundAlert& alert : found) all.push_back(&alert.labels);
    if (same_labels_twice(all)) {
      outcome.status = invalid_argument(
          "vector contains metrics with the same labelset after applying alert labels");
      return;
    }
    outcome.status = state.alerts.advance(
        rule, std::move(found), group.limit, time_ms,
        [&](std::span<const ActiveAlert* const> alerts) { return lost(rule, alerts, outcome); },
        outcome.changes);
    if (!outcome.status.ok()) return;
    outcome.series = static_cast<int64_t>(state.alerts.active());
    outcome.alerts = state.alerts.due(time_ms, options.resend_delay_ms, interval_ms(),
                                      options.external_url + expression_path(rule.query));
    if (state.restored) state.alerts.append_samples(outcome.samples);
  }

  // Ends what the last evaluation gave and this one does not.
  static void append_staleness(RuleState& state, std::vector<RuleSample>& samples) {
    const auto same = [](const std::string& given, const RuleSample& sample) {
      return same_series(given, sample.labels);
    };
    // Most evaluations give the same series in the same order.
    if (state.given.size() == samples.size() &&
        std::equal(state.given.begin(), state.given.end(), samples.begin(), same)) {
      return;
    }
    std::vector<std::string> given;
    given.reserve(samples.size());
    for (const RuleSample& sample : samples) given.push_back(packed(sample.labels));
    if (!state.given.empty()) {
      const std::unordered_set<std::string_view> now(given.begin(), given.end());
      for (const std::string& series : state.given) {
        if (!now.contains(series)) samples.push_back(staleness_marker(unpacked(series)));
      }
    }
    state.given = std::move(given);
  }

  // False: it could not be read, and is to be tried again.
  bool restore_rule(const Rule& rule, RuleState& state) const {
    if (rule.for_ms == 0 || state.alerts.active() == 0) return true;
    const std::vector<model::Matcher> matchers = {
        {model::Matcher::Op::kEqual, std::string(model::kMetricName), "ALERTS_FOR_STATE"},
        {model::Matcher::Op::kEqual, std::string(kAlertName), rule.alert}};
    model::QueryContext context(source->budget, deadline_steady_ms, options.samples_max,
                                source->share);
    const auto set =
        source->reader.select(matchers, {time_ms - options.for_outage_tolerance_ms, time_ms},
                              model::SeriesOrder::kAny, context);
    if (!set.ok()) return false;
    std::unordered_map<model::Labels, model::Sample, model::LabelsHash> last;
    model::SampleColumns columns;
    for (size_t i = 0; i < (*set)->size(); ++i) {
      if (!(*set)->samples(i, columns).ok()) return false;
      if (columns.empty() || model::is_stale(columns.values.back())) continue;
      std::vector<model::Labels::Pair> pairs;
      for (const model::LabelView& label : (*set)->labels(i)) {
        if (label.name != model::kMetricName) pairs.emplace_back(label.name, label.value);
      }
      last[model::Labels(std::move(pairs))] = {columns.times_ms.back(), columns.values.back(), 0};
    }
    state.alerts.visit([&](ActiveAlert& alert) {
      const auto found = last.find(alert.labels);
      if (found != last.end()) restore_alert(rule, found->second, alert);
    });
    return true;
  }

  // The time that it was pending before the outage counts; at least the grace period is
  // left to go. Unlike Prometheus, rules whose `for` is shorter than that are restored too:
  // else what fired would be pending for a while, not said again, and taken for over.
  void restore_alert(const Rule& rule, const model::Sample& sample, ActiveAlert& alert) const {
    const int64_t down_at_ms = sample.time_ms;
    const int64_t active_at_ms = static_cast<int64_t>(sample.value) * 1000;
    const int64_t remaining_ms = rule.for_ms - (down_at_ms - active_at_ms);
    if (remaining_ms <= 0) {
      alert.active_at_ms = active_at_ms;  // it was firing, and the next evaluation says so again
    } else if (remaining_ms < options.for_grace_period_ms &&
               rule.for_ms >= options.for_grace_period_ms) {
      alert.active_at_ms = time_ms + options.for_grace_period_ms - rule.for_ms;
    } else {
      alert.active_at_ms = active_at_ms + (time_ms - down_at_ms);
    }
  }
};

GroupEvaluation::GroupEvaluation(RuleGroup group, EvaluationOptions options, bool restored)
    : state_(std::make_unique<State>()) {
  State& state = *state_;
  state.group = std::move(group);
  state.options = std::move(options);
  gotemplate::Map external;
  for (const auto& [label, value] : state.options.external_labels.pairs()) {
    external.emplace(label, value);
  }
  state.external_labels = std::move(external);
  gotemplate::PrometheusFunctionOptions function_options;
  function_options.external_url = state.options.external_url;
  function_options.query = [at = state_.get()](const std::string& text) {
    return at->query_of_template(text);
  };
  const auto functions = gotemplate::prometheus_functions(std::move(function_options));
  for (const Rule& rule : state.group.rules) {
    RuleState& each = state.rules.emplace_back();
    if (!rule.alerting()) continue;
    each.restored = restored;
    for (const auto& [label, text] : rule.labels) {
      each.labels.emplace_back(label, AlertTemplate(rule.alert, text, functions));
    }
    for (const auto& [label, text] : rule.annotations) {
      each.annotations.emplace_back(label, AlertTemplate(rule.alert, text, functions));
    }
  }
}

GroupEvaluation::~GroupEvaluation() = default;
GroupEvaluation::GroupEvaluation(GroupEvaluation&&) noexcept = default;
GroupEvaluation& GroupEvaluation::operator=(GroupEvaluation&&) noexcept = default;

const RuleGroup& GroupEvaluation::group() const { return state_->group; }
size_t GroupEvaluation::size() const { return state_->rules.size(); }
int64_t GroupEvaluation::interval_ms() const { return state_->interval_ms(); }
int64_t GroupEvaluation::query_offset_ms() const { return state_->offset_ms(); }

void GroupEvaluation::inherit(GroupEvaluation&& before) {
  std::unordered_map<std::string, std::vector<size_t>> by_identity;
  State& old = *before.state_;
  for (size_t i = old.rules.size(); i-- > 0;) {
    by_identity[identity(old.group.rules[i])].push_back(i);
  }
  for (size_t i = 0; i < state_->rules.size(); ++i) {
    const auto found = by_identity.find(identity(state_->group.rules[i]));
    if (found == by_identity.end() || found->second.empty()) continue;
    RuleState& from = old.rules[found->second.back()];
    found->second.pop_back();
    RuleState& to = state_->rules[i];
    to.alerts = std::move(from.alerts);
    to.given = std::move(from.given);
    from.given.clear();
    to.restored = from.restored;
  }
  for (RuleSample& sample : old.orphaned) state_->orphaned.push_back(std::move(sample));
  for (RuleSample& sample : before.end_all()) state_->orphaned.push_back(std::move(sample));
}

RuleOutcome GroupEvaluation::evaluate(size_t rule, int64_t time_ms,
                                      const EvaluationSource& source) {
  State& state = *state_;
  const Rule& what = state.group.rules[rule];
  RuleState& own = state.rules[rule];
  state.source = &source;
  state.time_ms = time_ms;
  state.deadline_steady_ms = steady_ms() + state.options.query_timeout_ms;
  RuleOutcome outcome;
  outcome.time_ms = time_ms - state.offset_ms();
  auto value = state.query(*what.expr, what.query, outcome.time_ms);
  if (!value.ok()) {
    outcome.status = value.status();
  } else {
    const auto& warnings = value->annotations.warnings;
    outcome.warnings.assign(warnings.begin(), warnings.end());
    if (what.alerting()) {
      state.evaluate_alerting(what, own, std::move(*value), outcome);
    } else {
      state.evaluate_recording(what, std::move(*value), outcome);
    }
  }
  if (outcome.status.ok()) {
    State::append_staleness(own, outcome.samples);
  } else {
    outcome.samples.clear();
    outcome.series = 0;
  }
  state.source = nullptr;
  return outcome;
}

std::vector<RuleSample> GroupEvaluation::take_orphaned() {
  std::vector<RuleSample> out = std::exchange(state_->orphaned, {});
  if (out.empty()) return out;
  // Another rule of the group may give such a series now.
  std::unordered_set<std::string_view> given;
  for (const RuleState& rule : state_->rules) given.insert(rule.given.begin(), rule.given.end());
  std::erase_if(
      out, [&given](const RuleSample& sample) { return given.contains(packed(sample.labels)); });
  return out;
}

std::vector<RuleSample> GroupEvaluation::end_all() {
  std::vector<RuleSample> out;
  for (RuleState& rule : state_->rules) {
    for (const std::string& series : rule.given) {
      out.push_back(staleness_marker(unpacked(series)));
    }
    rule.given.clear();
  }
  return out;
}

bool GroupEvaluation::restore(int64_t time_ms, const EvaluationSource& source) {
  State& state = *state_;
  state.source = &source;
  state.time_ms = time_ms;
  state.deadline_steady_ms = steady_ms() + state.options.query_timeout_ms;
  for (size_t i = 0; i < state.rules.size(); ++i) {
    RuleState& rule = state.rules[i];
    if (!rule.restored) rule.restored = state.restore_rule(state.group.rules[i], rule);
  }
  state.source = nullptr;
  return restored();
}

bool GroupEvaluation::restored() const {
  return std::all_of(state_->rules.begin(), state_->rules.end(),
                     [](const RuleState& rule) { return rule.restored; });
}

std::vector<ActiveAlert> GroupEvaluation::alerts(size_t rule) const {
  return state_->rules[rule].alerts.all();
}

AlertState GroupEvaluation::state(size_t rule) const { return state_->rules[rule].alerts.worst(); }

std::string expression_path(std::string_view query) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out = "/graph?g0.expr=";
  for (const char c : query) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~';
    if (plain) {
      out += c;
    } else if (c == ' ') {
      out += '+';
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out + "&g0.tab=1";
}

}  // namespace gatehouse::rules

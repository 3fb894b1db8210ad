#include "rules/lost_data.h"

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "model/sample.h"

namespace gatehouse::rules {
namespace {

using promql::as;
using promql::Expr;

struct Selection {
  const promql::VectorSelector* selector;
  int64_t offset_ms;  // of it and of subqueries around it
  int64_t range_ms;   // of all ranges around it
};

bool is_plain(const promql::Duration& duration) { return duration.expression == nullptr; }

void collect(const Expr& expr, int64_t offset_ms, int64_t range_ms, std::vector<Selection>& out) {
  const auto add = [&](const promql::VectorSelector& selector, int64_t range) {
    const bool pinned = selector.at.kind != promql::AtModifier::Kind::kNone;
    if (pinned || !is_plain(selector.offset)) return;
    out.push_back({&selector, offset_ms + selector.offset.ms, range_ms + range});
  };
  switch (expr.kind) {
    case Expr::Kind::kNumber:
    case Expr::Kind::kString: return;
    case Expr::Kind::kVectorSelector: add(as<promql::VectorSelector>(expr), 0); return;
    case Expr::Kind::kMatrixSelector: {
      const auto& matrix = as<promql::MatrixSelector>(expr);
      if (is_plain(matrix.range)) add(*matrix.selector, matrix.range.ms);
      return;
    }
    case Expr::Kind::kSubquery: {
      const auto& subquery = as<promql::SubqueryExpr>(expr);
      const bool pinned = subquery.at.kind != promql::AtModifier::Kind::kNone;
      if (pinned || !is_plain(subquery.range) || !is_plain(subquery.offset)) return;
      collect(*subquery.inner, offset_ms + subquery.offset.ms, range_ms + subquery.range.ms, out);
      return;
    }
    case Expr::Kind::kCall:
      for (const auto& argument : as<promql::CallExpr>(expr).arguments) {
        collect(*argument, offset_ms, range_ms, out);
      }
      return;
    case Expr::Kind::kAggregate: {
      const auto& aggregate = as<promql::AggregateExpr>(expr);
      if (aggregate.parameter) collect(*aggregate.parameter, offset_ms, range_ms, out);
      collect(*aggregate.inner, offset_ms, range_ms, out);
      return;
    }
    case Expr::Kind::kBinary:
      collect(*as<promql::BinaryExpr>(expr).left, offset_ms, range_ms, out);
      collect(*as<promql::BinaryExpr>(expr).right, offset_ms, range_ms, out);
      return;
    case Expr::Kind::kUnary:
      collect(*as<promql::UnaryExpr>(expr).inner, offset_ms, range_ms, out);
      return;
    case Expr::Kind::kParen:
      collect(*as<promql::ParenExpr>(expr).inner, offset_ms, range_ms, out);
      return;
  }
}

// Series reduced to the names that a set of alerts has. A series that lacks some of them fits
// every value of those, so that series are kept apart by which they lack: an alert is looked
// up once for each such pattern.
class Projections {
 public:
  explicit Projections(std::vector<std::string_view> names) : names_(std::move(names)) {}

  void add(model::LabelsView labels) {
    std::string mask, key;
    for (const std::string_view name : names_) {
      const std::string_view value = model::find_label(labels, name);
      mask += value.empty() ? '0' : '1';
      key.append(value) += '\xff';  // no UTF-8 text holds it
    }
    by_mask_[mask].insert(std::move(key));
  }

  bool fits(const model::Labels& sample) const {
    for (const auto& [mask, keys] : by_mask_) {
      std::string key;
      for (size_t i = 0; i < names_.size(); ++i) {
        if (mask[i] == '1') key.append(sample.get(names_[i]));
        key += '\xff';
      }
      if (keys.contains(key)) return true;
    }
    return false;
  }

 private:
  std::vector<std::string_view> names_;
  std::unordered_map<std::string, std::unordered_set<std::string>> by_mask_;
};

enum class Wanted { kAnySample, kLastSampleLives };

Status project(const Selection& selection, model::TimeRangeMs range, Wanted wanted,
               const model::SampleReader& reader, model::QueryContext& context, Projections& out) {
  ASSIGN_OR_RETURN(const auto set, reader.select(selection.selector->matchers, range,
                                                 model::SeriesOrder::kAny, context));
  model::SampleColumns columns;
  for (size_t i = 0; i < set->size(); ++i) {
    RETURN_IF_ERROR(set->samples(i, columns));
    RETURN_IF_ERROR(context.count_samples(static_cast<int64_t>(columns.size())));
    const auto lives = [](double value) { return !model::is_stale(value); };
    const bool found = wanted == Wanted::kAnySample
                           ? std::any_of(columns.values.begin(), columns.values.end(), lives)
                           : !columns.empty() && lives(columns.values.back());
    if (found) out.add(set->labels(i));
  }
  return context.check();
}

// Of samples whose names of labels are the same.
Status judge(const std::vector<Selection>& selections, const std::vector<size_t>& which,
             std::span<const model::Labels* const> samples, int64_t before_ms, int64_t now_ms,
             int64_t lookback_ms, const model::SampleReader& reader, model::QueryContext& context,
             std::vector<bool>& lost) {
  std::vector<std::string_view> names;
  for (const auto& [name, value] : samples[which.front()]->pairs()) names.push_back(name);
  std::vector<bool> had(which.size()), has(which.size());
  for (const Selection& selection : selections) {
    Projections before(names), now(names);
    const int64_t then_ms = before_ms - selection.offset_ms;
    const int64_t reach_ms = std::max(lookback_ms, selection.range_ms);
    RETURN_IF_ERROR(project(selection, {then_ms - reach_ms + 1, then_ms}, Wanted::kAnySample,
                            reader, context, before));
    const int64_t today_ms = now_ms - selection.offset_ms;
    RETURN_IF_ERROR(project(selection, {today_ms - lookback_ms + 1, today_ms},
                            Wanted::kLastSampleLives, reader, context, now));
    for (size_t i = 0; i < which.size(); ++i) {
      const model::Labels& sample = *samples[which[i]];
      if (!before.fits(sample)) continue;
      had[i] = true;
      if (now.fits(sample)) has[i] = true;
    }
  }
  for (size_t i = 0; i < which.size(); ++i) lost[which[i]] = had[i] && !has[i];
  return {};
}

}  // namespace

Result<std::vector<bool>> lost_data(const Expr& expr, std::span<const model::Labels* const> samples,
                                    int64_t before_ms, int64_t now_ms, int64_t lookback_ms,
                                    const model::SampleReader& reader,
                                    model::QueryContext& context) {
  std::vector<bool> lost(samples.size(), false);
  std::vector<Selection> selections;
  collect(expr, 0, 0, selections);
  std::unordered_map<std::string, std::vector<size_t>> by_names;
  for (size_t i = 0; i < samples.size(); ++i) {
    std::string names;
    for (const auto& [name, value] : samples[i]->pairs()) names.append(name) += '\xff';
    by_names[names].push_back(i);
  }
  for (const auto& [names, which] : by_names) {
    RETURN_IF_ERROR(
        judge(selections, which, samples, before_ms, now_ms, lookback_ms, reader, context, lost));
  }
  return lost;
}

}  // namespace gatehouse::rules

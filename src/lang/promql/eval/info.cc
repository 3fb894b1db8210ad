// info(): adds to every series the labels of the info metrics ("target_info" where
// none is named) that have the same "instance" and "job". The second argument is a
// selector in form only: its name matchers choose the info metrics, its others both
// which of their series count and which of their labels are taken.
#include <re2/re2.h>

#include <algorithm>
#include <map>
#include <set>

#include "lang/promql/eval/evaluation.h"

namespace gatehouse::promql {
namespace {

using model::Matcher;

constexpr std::string_view kTargetInfo = "target_info";
const std::vector<std::string> kIdentity = {"instance", "job"};
// More values than this of an identifying label are not worth a pattern.
constexpr size_t kPatternValuesMax = 500;

// At which times the argument's samples were taken: info series are looked up at the
// same. Through subqueries down to the first selector; @ fixes the time.
struct Reference {
  std::optional<int64_t> at_ms;
  int64_t offset_ms = 0;
};

Status follow(const Evaluation& evaluation, const Expr& expr, Reference& reference, bool& found) {
  if (found) return {};
  const auto turn = [&](const AtModifier& at, const Duration& offset) -> Status {
    if (at.kind != AtModifier::Kind::kNone) reference = {evaluation.at_ms(at), 0};
    ASSIGN_OR_RETURN(const int64_t offset_ms, evaluation.milliseconds(offset, true));
    reference.offset_ms += offset_ms;
    return {};
  };
  switch (expr.kind) {
    case Expr::Kind::kVectorSelector:
      found = true;
      return turn(as<VectorSelector>(expr).at, as<VectorSelector>(expr).offset);
    case Expr::Kind::kMatrixSelector:
      return follow(evaluation, *as<MatrixSelector>(expr).selector, reference, found);
    case Expr::Kind::kSubquery: {
      const auto& subquery = as<SubqueryExpr>(expr);
      const Reference before = reference;
      RETURN_IF_ERROR(turn(subquery.at, subquery.offset));
      RETURN_IF_ERROR(follow(evaluation, *subquery.inner, reference, found));
      if (!found) reference = before;
      return {};
    }
    case Expr::Kind::kCall:
      for (const ExprPtr& argument : as<CallExpr>(expr).arguments) {
        RETURN_IF_ERROR(follow(evaluation, *argument, reference, found));
      }
      return {};
    case Expr::Kind::kAggregate:
      return follow(evaluation, *as<AggregateExpr>(expr).inner, reference, found);
    case Expr::Kind::kBinary:
      RETURN_IF_ERROR(follow(evaluation, *as<BinaryExpr>(expr).left, reference, found));
      return follow(evaluation, *as<BinaryExpr>(expr).right, reference, found);
    case Expr::Kind::kUnary:
      return follow(evaluation, *as<UnaryExpr>(expr).inner, reference, found);
    case Expr::Kind::kParen:
      return follow(evaluation, *as<ParenExpr>(expr).inner, reference, found);
    default: return {};
  }
}

struct Wanted {
  std::vector<Matcher> names;         // of the info metric
  std::vector<Matcher> labels;        // of its other labels
  std::set<std::string> label_names;  // those labels; empty: all are taken
  bool empty_will_do = true;          // every matcher matches a label's absence

  bool is_info_metric(std::string_view metric) const {
    return std::all_of(names.begin(), names.end(),
                       [metric](const Matcher& matcher) { return matcher.matches(metric); });
  }
};

Result<Wanted> read_selector(const CallExpr& call) {
  Wanted wanted;
  bool positive = false;
  bool named = false;
  if (call.arguments.size() > 1) {
    const auto& selector = as<VectorSelector>(unwrap_parens(*call.arguments[1]));
    for (const Matcher& matcher : selector.matchers) {
      if (matcher.name() == model::kMetricName) {
        wanted.names.push_back(matcher);
        named = true;
        positive = positive || !matcher.negative();
        continue;
      }
      wanted.labels.push_back(matcher);
      wanted.label_names.insert(matcher.name());
      wanted.empty_will_do = wanted.empty_will_do && matcher.matches_empty();
    }
  }
  if (!named) {
    wanted.names.emplace_back(Matcher::Op::kEqual, std::string(model::kMetricName),
                              std::string(kTargetInfo));
  } else if (!positive) {
    // What is not to be has to be among something: the info metrics.
    ASSIGN_OR_RETURN(Matcher all, Matcher::create(Matcher::Op::kRegex,
                                                  std::string(model::kMetricName), ".+_info"));
    wanted.names.push_back(std::move(all));
  }
  return wanted;
}

class Enrichment {
 public:
  Enrichment(Evaluation& evaluation, const Wanted& wanted, const Block& base, const Block& infos)
      : evaluation_(evaluation),
        wanted_(wanted),
        base_(base),
        infos_(infos),
        key_(true, kIdentity) {}

  Result<BlockPtr> run() {
    LabelGroups identities(key_);
    std::vector<std::vector<size_t>> of_identity;
    for (size_t i = 0; i < infos_.size(); ++i) {
      const uint32_t group = identities.add(infos_.name(i).labels);
      if (group == of_identity.size()) of_identity.emplace_back();
      of_identity[group].push_back(i);
    }
    auto out = std::make_unique<Block>(base_.steps());
    for (size_t i = 0; i < base_.size(); ++i) {
      const SeriesName name = base_.name(i);
      if (wanted_.is_info_metric(name.metric())) {
        const size_t row = out->add(name);
        for (size_t step = 0; step < base_.steps(); ++step) out->copy(row, step, base_, i);
        continue;
      }
      const uint32_t group = identities.find(name.labels);
      const bool identified = !model::find_label(name.labels, kIdentity[0]).empty() ||
                              !model::find_label(name.labels, kIdentity[1]).empty();
      static const std::vector<size_t> kNobody;
      RETURN_IF_ERROR(enrich(
          i, group == LabelGroups::kNone || !identified ? kNobody : of_identity[group], *out));
    }
    out->drop_empty();
    RETURN_IF_ERROR(evaluation_.merge_equal_names(out));
    return out;
  }

 private:
  Status enrich(size_t i, const std::vector<size_t>& candidates, Block& out) {
    std::map<std::vector<size_t>, size_t> rows;  // by the info series that match
    std::vector<size_t> matched;
    for (size_t step = 0; step < base_.steps(); ++step) {
      if (!base_.present(i, step)) continue;
      RETURN_IF_ERROR(newest(candidates, step, matched));
      if (matched.empty() && !wanted_.empty_will_do) continue;
      auto at = rows.find(matched);
      if (at == rows.end()) {
        ASSIGN_OR_RETURN(const SeriesName name, enriched(base_.name(i), matched));
        at = rows.emplace(matched, out.add(name)).first;
      }
      out.copy(at->second, step, base_, i);
    }
    return {};
  }

  // Of each info metric the series with the newest sample at that step.
  Status newest(const std::vector<size_t>& candidates, size_t step, std::vector<size_t>& matched) {
    matched.clear();
    for (const size_t candidate : candidates) {
      const double time = infos_.value(candidate, step);
      if (!is_present(time)) continue;
      const std::string_view metric = infos_.name(candidate).metric();
      const auto rival = std::find_if(matched.begin(), matched.end(), [&](size_t other) {
        return infos_.name(other).metric() == metric;
      });
      if (rival == matched.end()) {
        matched.push_back(candidate);
      } else if (infos_.value(*rival, step) < time) {
        *rival = candidate;
      } else if (infos_.value(*rival, step) == time) {
        const auto place = [&](size_t series) {
          return to_text(infos_.name(series).labels) + " @ " +
                 std::to_string(static_cast<int64_t>(time * 1000));
        };
        return invalid_argument("found duplicate series for info metric: existing " +
                                place(*rival) + ", new " + place(candidate));
      }
    }
    return {};
  }

  Result<SeriesName> enriched(SeriesName name, const std::vector<size_t>& matched) {
    LabelBuilder added({});
    for (const size_t info : matched) {
      for (const LabelView& label : infos_.name(info).labels) {
        if (label.name == model::kMetricName) continue;
        if (!wanted_.label_names.empty() &&
            !wanted_.label_names.contains(std::string(label.name))) {
          continue;
        }
        const std::string_view other = added.get(label.name);
        if (!other.empty() && other != label.value) {
          return invalid_argument("conflicting label: " + std::string(label.name));
        }
        if (model::find_label(name.labels, label.name).empty()) {
          added.set(label.name, label.value);
        }
      }
    }
    LabelBuilder builder(name.labels);
    for (const LabelView& label : added.labels()) builder.set(label.name, label.value);
    return SeriesName{evaluation_.arena().keep(builder.labels()), name.drop_name};
  }

  Evaluation& evaluation_;
  const Wanted& wanted_;
  const Block& base_;
  const Block& infos_;
  LabelKey key_;
};

// Matchers that leave out the info series nobody asks for.
Result<std::vector<Matcher>> identity_matchers(const Block& base, const Wanted& wanted) {
  std::vector<Matcher> matchers;
  for (const std::string& label : kIdentity) {
    std::set<std::string> values;
    for (size_t i = 0; i < base.size(); ++i) {
      if (wanted.is_info_metric(base.name(i).metric())) continue;
      const std::string_view value = model::find_label(base.name(i).labels, label);
      // Where a series lacks the label it is to match those that lack it too.
      values.emplace(value);
    }
    if (values.empty() || values.size() > kPatternValuesMax) continue;
    std::string pattern;
    for (const std::string& value : values) {
      if (!pattern.empty()) pattern += '|';
      pattern += re2::RE2::QuoteMeta(value);
    }
    ASSIGN_OR_RETURN(Matcher matcher, Matcher::create(Matcher::Op::kRegex, label, pattern));
    matchers.push_back(std::move(matcher));
  }
  return matchers;
}

}  // namespace

Result<VectorPtr> call_info(Evaluation& evaluation, const CallExpr& call, const Scope& scope) {
  ASSIGN_OR_RETURN(const BlockPtr base, evaluation.block(*call.arguments[0], scope));
  ASSIGN_OR_RETURN(const Wanted wanted, read_selector(call));
  Reference reference;
  bool found = false;
  RETURN_IF_ERROR(follow(evaluation, *call.arguments[0], reference, found));
  VectorSelector selector;
  selector.matchers = wanted.names;
  selector.matchers.insert(selector.matchers.end(), wanted.labels.begin(), wanted.labels.end());
  ASSIGN_OR_RETURN(const std::vector<Matcher> identity, identity_matchers(*base, wanted));
  selector.matchers.insert(selector.matchers.end(), identity.begin(), identity.end());
  selector.offset.ms = reference.offset_ms;
  if (reference.at_ms) {
    selector.at.kind = AtModifier::Kind::kTime;
    selector.at.time_ms = *reference.at_ms;
  }
  ASSIGN_OR_RETURN(VectorPtr values,
                   select_vector(evaluation, selector, SampleField::kValue, scope));
  ASSIGN_OR_RETURN(const BlockPtr value_block, evaluation.materialise(std::move(values), scope));
  for (size_t i = 0; i < value_block->size(); ++i) {
    if (value_block->has_histograms(i)) return invalid_argument("info sample should be float");
  }
  ASSIGN_OR_RETURN(VectorPtr times, select_vector(evaluation, selector, SampleField::kTime, scope));
  ASSIGN_OR_RETURN(const BlockPtr infos, evaluation.materialise(std::move(times), scope));
  ASSIGN_OR_RETURN(BlockPtr out, Enrichment(evaluation, wanted, *base, *infos).run());
  RETURN_IF_ERROR(evaluation.arena().status());
  return VectorPtr(std::move(out));
}

}  // namespace gatehouse::promql

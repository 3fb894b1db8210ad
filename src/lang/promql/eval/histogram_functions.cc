// histogram_quantile, histogram_quantiles and histogram_fraction, over native
// histograms and over classic ones, whose buckets are series told apart by "le".
//
// Which series are buckets of which histogram, and in what order, is found once;
// then every step costs one pass over the buckets.
#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "base/text.h"
#include "lang/promql/eval/evaluation.h"
#include "lang/promql/function_ids.h"
#include "lang/promql/histogram/quantile.h"

namespace gatehouse::promql {
namespace {

constexpr std::string_view kBound = "le";

// The bound of a bucket as Go's ParseFloat reads it. False: none.
bool parse_bound(std::string_view text, double& bound) {
  std::string_view digits = text;
  double sign = 1;
  if (!digits.empty() && (digits[0] == '+' || digits[0] == '-')) {
    if (digits[0] == '-') sign = -1;
    digits.remove_prefix(1);
  }
  if (equal_ignoring_case(digits, "inf") || equal_ignoring_case(digits, "infinity")) {
    bound = sign * kInf;
    return true;
  }
  if (digits.empty() || !((digits[0] >= '0' && digits[0] <= '9') || digits[0] == '.')) return false;
  const auto value = parse_double(digits);
  if (!value) return false;
  bound = sign * *value;
  return true;
}

struct BucketSeries {
  double upper = 0;
  size_t series = 0;
};

// The series with the same labels but for "le".
struct Family {
  SeriesName name;  // without the metric's name to be, and without "le"
  std::string_view metric;
  std::vector<BucketSeries> buckets;  // by upper bound
  std::vector<size_t> natives;        // series with native histograms: one, or an error
};

class Families {
 public:
  Families(Evaluation& evaluation, const Block& block, Position position) {
    const LabelKey key(false, {std::string(kBound)});
    std::unordered_map<std::string, size_t> found;
    std::string text;
    for (size_t i = 0; i < block.size(); ++i) {
      const SeriesName name = block.name(i);
      // Whether the series is a bucket: of the floats it has.
      double bound = 0;
      const std::string_view le = model::find_label(name.labels, kBound);
      bool has_floats = false;
      for (double value : block.values(i)) has_floats = has_floats || is_present(value);
      const bool is_bucket = parse_bound(le, bound);
      if (has_floats && !is_bucket) {
        evaluation.annotator().warn("bucket label \"le\" is missing or has a malformed value of " +
                                        go_quoted(le) + for_metric(name.metric()),
                                    position);
      }
      if (has_floats && is_bucket) {
        text.clear();
        key.append(name.labels, text);
        // Metrics of different names are different histograms, even where the name
        // is to go: they clash in the answer.
        text.append(name.metric());
        Family& family = at(found, text, evaluation, name, key);
        family.buckets.push_back({bound, i});
      }
      if (block.has_histograms(i)) {
        text.clear();
        const bool with_le = !le.empty();
        const LabelKey all(false, {});
        (with_le ? all : key).append(name.labels, text);
        if (with_le) text += "le";
        text.append(name.metric());
        at(found, text, evaluation, name, with_le ? all : key).natives.push_back(i);
      }
    }
    for (Family& family : families_) {
      std::stable_sort(
          family.buckets.begin(), family.buckets.end(),
          [](const BucketSeries& a, const BucketSeries& b) { return a.upper < b.upper; });
    }
  }

  std::vector<Family>& all() { return families_; }

 private:
  Family& at(std::unordered_map<std::string, size_t>& found, const std::string& text,
             Evaluation& evaluation, const SeriesName& name, const LabelKey& key) {
    const auto [place, is_new] = found.try_emplace(text, families_.size());
    if (is_new) {
      std::vector<LabelView> labels;
      for (const LabelView& label : name.labels) {
        if (key.contains(label.name) || label.name == model::kMetricName) labels.push_back(label);
      }
      Family family;
      family.metric = name.metric();
      family.name = evaluation.without_metric_name({evaluation.arena().keep(labels), false});
      families_.push_back(std::move(family));
    }
    return families_[place->second];
  }

  std::vector<Family> families_;
};

// What is asked of each histogram at each step.
struct Question {
  bool fraction = false;
  std::vector<double> first;   // q, or the lower end
  std::vector<double> second;  // the upper end
};

class Distribution {
 public:
  Distribution(Evaluation& evaluation, const Block& block, Position position)
      : evaluation_(evaluation),
        block_(block),
        position_(position),
        families_(evaluation, block, position) {}

  // Adds a row for each histogram. With `label` each has it besides.
  void answer(const Question& question, std::string_view label, std::string_view value,
              Block& out) {
    Column column;
    for (const Family& family : families_.all()) {
      column.reset(block_.steps());
      for (size_t step = 0; step < block_.steps(); ++step) {
        column.values[step] = at_step(question, family, step);
      }
      SeriesName name = family.name;
      if (!label.empty()) {
        LabelBuilder builder(name.labels);
        builder.set(label, value);
        name.labels = evaluation_.arena().keep(builder.labels());
      }
      out.add(name, std::move(column));
    }
  }

 private:
  double at_step(const Question& question, const Family& family, size_t step) {
    const NativeHistogram* native = nullptr;
    for (const size_t i : family.natives) {
      if (const NativeHistogram* histogram = block_.histogram(i, step)) native = histogram;
    }
    buckets_.clear();
    for (const BucketSeries& bucket : family.buckets) {
      const double count = block_.value(bucket.series, step);
      if (is_present(count)) buckets_.push_back({bucket.upper, count});
    }
    if (native != nullptr && !buckets_.empty()) {
      evaluation_.annotator().warn(
          "vector contains a mix of classic and native histograms" + for_metric(family.metric),
          position_);
      return kNoSample;
    }
    if (native != nullptr) return of_native(question, *native, family, step);
    if (buckets_.empty()) return kNoSample;
    if (question.fraction) {
      return classic_fraction(question.first[step], question.second[step], buckets_);
    }
    const ClassicQuantile quantile = classic_quantile(question.first[step], buckets_);
    if (quantile.forced_monotonic) {
      evaluation_.annotator().inform(
          "input to histogram_quantile needed to be fixed for monotonicity (see "
          "https://prometheus.io/docs/prometheus/latest/querying/functions/"
          "#histogram_quantile)" +
              for_metric(family.metric),
          position_);
    }
    return quantile.value;
  }

  double of_native(const Question& question, const NativeHistogram& native, const Family& family,
                   size_t step) {
    if (question.fraction) {
      if (std::isnan(native.sum) && native.count != 0) {
        evaluation_.annotator().inform(
            "input to histogram_fraction has NaN observations, which are excluded from all "
            "fractions" +
                for_metric(family.metric),
            position_);
      }
      return native_fraction(question.first[step], question.second[step], native);
    }
    const NativeQuantile quantile = native_quantile(question.first[step], native);
    if (quantile.not_a_number || quantile.skewed) {
      evaluation_.annotator().inform(
          std::string("input to histogram_quantile has NaN observations, result is ") +
              (quantile.skewed ? "skewed higher" : "NaN") + for_metric(family.metric),
          position_);
    }
    return quantile.value;
  }

  Evaluation& evaluation_;
  const Block& block_;
  Position position_;
  Families families_;
  std::vector<ClassicBucket> buckets_;
};

void check_quantile(Evaluation& evaluation, const std::vector<double>& q, Position position) {
  for (double value : q) {
    if (value >= 0 && value <= 1) continue;
    evaluation.annotator().warn("quantile value should be between 0 and 1, got " + go_number(value),
                                position);
  }
}

// A float as OpenMetrics writes it: whole numbers with ".0".
std::string open_metrics_number(double value) {
  std::string text = go_number(value);
  if (!std::isfinite(value) || text.find_first_of("e.") != std::string::npos) return text;
  return text + ".0";
}

}  // namespace

Result<VectorPtr> call_histogram_distribution(Evaluation& evaluation, const CallExpr& call,
                                              const Scope& scope) {
  const FunctionId id = call.function->id;
  const bool several = id == FunctionId::kHistogramQuantiles;
  const Expr& argument = several ? *call.arguments[0] : *call.arguments.back();
  Scope inner = scope;
  inner.stats_only = false;
  inner.stats_barred = true;
  ASSIGN_OR_RETURN(const BlockPtr block, evaluation.block(argument, inner));
  Distribution distribution(evaluation, *block, argument.position);
  auto out = std::make_unique<Block>(scope.steps.count);
  if (several) {
    const std::string_view label = evaluation.arena().keep(evaluation.string(*call.arguments[1]));
    for (size_t i = 2; i < call.arguments.size(); ++i) {
      Question question;
      ASSIGN_OR_RETURN(question.first, evaluation.scalar(*call.arguments[i], scope));
      check_quantile(evaluation, question.first, call.arguments[i]->position);
      const std::string_view value =
          evaluation.arena().keep(open_metrics_number(question.first[0]));
      distribution.answer(question, label, value, *out);
    }
  } else {
    Question question;
    question.fraction = id == FunctionId::kHistogramFraction;
    ASSIGN_OR_RETURN(question.first, evaluation.scalar(*call.arguments[0], scope));
    if (question.fraction) {
      ASSIGN_OR_RETURN(question.second, evaluation.scalar(*call.arguments[1], scope));
    } else {
      check_quantile(evaluation, question.first, call.arguments[0]->position);
    }
    distribution.answer(question, {}, {}, *out);
  }
  out->drop_empty();
  RETURN_IF_ERROR(evaluation.arena().status());
  RETURN_IF_ERROR(evaluation.merge_equal_names(out));
  return VectorPtr(std::move(out));
}

}  // namespace gatehouse::promql

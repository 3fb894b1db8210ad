// Aggregations that pick some of a group's series at every step: topk and bottomk
// by value, limitk by order, limit_ratio by the hash of the labels.
//
// A step's candidates of a group are kept in a heap of at most k, whose worst one is
// on top; nothing else of the series' columns is.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cmath>

#include "lang/promql/eval/evaluation.h"

namespace gatehouse::promql {
namespace {

struct Candidate {
  double value = 0;
  uint32_t series = 0;
  HistogramPtr histogram;
};

// Whether `a` comes before `b`. NaN comes last; of equal values the earlier series.
struct Order {
  AggregateOp op;
  bool operator()(const Candidate& a, const Candidate& b) const {
    if (op != AggregateOp::kLimitk) {
      const bool a_nan = std::isnan(a.value);
      const bool b_nan = std::isnan(b.value);
      if (a_nan != b_nan) return b_nan;
      if (!a_nan && a.value != b.value) {
        return op == AggregateOp::kTopk ? a.value > b.value : a.value < b.value;
      }
    }
    return a.series < b.series;
  }
};

using Heap = std::vector<Candidate>;

void offer(Heap& heap, size_t k, const Order& order, Candidate candidate) {
  if (heap.size() < k) {
    heap.push_back(std::move(candidate));
    std::push_heap(heap.begin(), heap.end(), order);
  } else if (order(candidate, heap.front())) {
    std::pop_heap(heap.begin(), heap.end(), order);
    heap.back() = std::move(candidate);
    std::push_heap(heap.begin(), heap.end(), order);
  }
}

class Picking {
 public:
  Picking(Evaluation& evaluation, const AggregateExpr& expr, const VectorSource& source,
          std::vector<size_t> k)
      : evaluation_(evaluation), expr_(expr), source_(source), k_(std::move(k)), order_{expr.op} {}

  Result<VectorPtr> run() {
    LabelGroups groups(LabelKey(!expr_.without, expr_.grouping));
    group_of_.resize(source_.size());
    for (size_t i = 0; i < source_.size(); ++i) {
      group_of_[i] = groups.add(groups.key().trivial() ? LabelsView() : source_.name(i).labels);
    }
    const size_t steps = k_.size();
    const size_t parts = evaluation_.parts(source_.size(), 64);
    std::vector<std::vector<Heap>> heaps(parts);  // by part, then group and step
    const Status status = evaluation_.in_parts(
        source_.size(), parts, [&](size_t begin, size_t end, size_t part, Worker& worker) {
          RETURN_IF_ERROR(evaluation_.context().charge(
              static_cast<int64_t>(groups.size() * steps * sizeof(Heap))));
          heaps[part].resize(groups.size() * steps);
          for (size_t i = begin; i < end; ++i) {
            RETURN_IF_ERROR(source_.column(i, worker.column, worker));
            take(worker.column, i, heaps[part].data() + group_of_[i] * steps);
          }
          return Status();
        });
    RETURN_IF_ERROR(status);
    for (size_t part = 1; part < parts; ++part) {
      for (size_t at = 0; at < heaps[0].size(); ++at) {
        for (Candidate& candidate : heaps[part][at]) {
          offer(heaps[0][at], k_[at % steps], order_, std::move(candidate));
        }
      }
    }
    return answer(heaps[0], steps);
  }

 private:
  void take(const Column& column, size_t series, Heap* heaps) {
    bool ignored = false;
    for (size_t step = 0; step < k_.size(); ++step) {
      const double value = column.values[step];
      HistogramPtr histogram = column.histogram(step);
      if (!is_present(value) && !histogram) continue;
      if (histogram && expr_.op != AggregateOp::kLimitk) {
        ignored = true;
        continue;
      }
      if (k_[step] == 0) continue;
      Heap& heap = heaps[step];
      offer(heap, k_[step], order_, {value, static_cast<uint32_t>(series), std::move(histogram)});
    }
    if (ignored) {
      evaluation_.annotator().inform(
          "ignored histogram in " + std::string(name(expr_.op)) + " aggregation",
          expr_.inner->position);
    }
  }

  Result<VectorPtr> answer(std::vector<Heap>& heaps, size_t steps) {
    auto out = std::make_unique<Block>(steps);
    constexpr uint32_t kNoRow = UINT32_MAX;
    std::vector<uint32_t> rows(source_.size(), kNoRow);
    for (size_t at = 0; at < heaps.size(); ++at) {
      Heap& heap = heaps[at];
      std::sort_heap(heap.begin(), heap.end(), order_);  // the best first
      for (Candidate& candidate : heap) {
        uint32_t& row = rows[candidate.series];
        if (row == kNoRow) {
          RETURN_IF_ERROR(evaluation_.charge_columns(1, steps));
          row = static_cast<uint32_t>(out->add(source_.name(candidate.series)));
        }
        if (candidate.histogram) {
          out->set(row, at % steps, std::move(candidate.histogram));
        } else {
          out->set(row, at % steps, candidate.value);
        }
      }
    }
    return VectorPtr(std::move(out));
  }

  Evaluation& evaluation_;
  const AggregateExpr& expr_;
  const VectorSource& source_;
  std::vector<size_t> k_;
  Order order_;
  std::vector<uint32_t> group_of_;
};

Result<std::vector<size_t>> read_k(const std::vector<double>& values, size_t series) {
  std::vector<size_t> k(values.size());
  for (const double value : values) {
    if (std::isnan(value)) return invalid_argument("Parameter value is NaN");
    if (value >= 0x1p63 || value <= -0x1p63) {
      return invalid_argument("Scalar value " + go_number(value) + " overflows int64");
    }
  }
  for (size_t i = 0; i < values.size(); ++i) {
    k[i] = values[i] < 1 ? 0 : std::min(static_cast<size_t>(values[i]), series);
  }
  return k;
}

// The place of a series between 0 and 1: that of Prometheus, so that both pick the
// same series. xxHash of the labels, each text led by its length.
double place_of(LabelsView labels, std::string& text) {
  text.clear();
  const auto append = [&text](std::string_view part) {
    const size_t size = part.size();
    if (size < 255) {
      text += static_cast<char>(size);
    } else {
      text += static_cast<char>(255);
      for (int shift = 0; shift < 24; shift += 8) text += static_cast<char>(size >> shift);
    }
    text += part;
  };
  for (const LabelView& label : labels) {
    append(label.name);
    append(label.value);
  }
  return static_cast<double>(XXH64(text.data(), text.size(), 0)) / 0x1p64;
}

Result<VectorPtr> limit_ratio(Evaluation& evaluation, const AggregateExpr& expr,
                              const Scope& scope) {
  ASSIGN_OR_RETURN(std::vector<double> ratios, evaluation.scalar(*expr.parameter, scope));
  for (double& ratio : ratios) {
    if (std::isnan(ratio)) return invalid_argument("Ratio value is NaN");
    const double capped = std::clamp(ratio, -1.0, 1.0);
    if (capped != ratio) {
      evaluation.annotator().warn("ratio value should be between -1 and 1, got " +
                                      go_number(ratio) + ", capping to " + go_number(capped),
                                  expr.parameter->position);
    }
    ratio = capped;
  }
  ASSIGN_OR_RETURN(BlockPtr block, evaluation.block(*expr.inner, scope));
  std::string text;
  for (size_t i = 0; i < block->size(); ++i) {
    const double place = place_of(block->name(i).labels, text);
    for (size_t step = 0; step < scope.steps.count; ++step) {
      const double ratio = ratios[step];
      if (ratio >= 0 ? place < ratio || ratio == 1 : place >= 1 + ratio) continue;
      if (block->histogram(i, step) != nullptr) block->set(i, step, HistogramPtr());
      block->set(i, step, kNoSample);
    }
  }
  block->drop_empty();
  return VectorPtr(std::move(block));
}

}  // namespace

Result<VectorPtr> aggregate_pick(Evaluation& evaluation, const AggregateExpr& expr,
                                 const Scope& scope) {
  if (expr.op == AggregateOp::kLimitRatio) return limit_ratio(evaluation, expr, scope);
  ASSIGN_OR_RETURN(const std::vector<double> values, evaluation.scalar(*expr.parameter, scope));
  ASSIGN_OR_RETURN(const VectorPtr source, evaluation.vector(*expr.inner, scope));
  ASSIGN_OR_RETURN(std::vector<size_t> k, read_k(values, source->size()));
  return Picking(evaluation, expr, *source, std::move(k)).run();
}

}  // namespace gatehouse::promql

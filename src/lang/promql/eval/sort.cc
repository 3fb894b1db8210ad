// sort, sort_desc (by value, NaN last) and sort_by_label. The order is that of an
// instant query's answer; a matrix is ordered by its labels, whatever was asked.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "lang/promql/eval/evaluation.h"
#include "lang/promql/function_ids.h"

namespace gatehouse::promql {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Natural order: runs of digits by their number, the rest byte by byte.
int compare_naturally(std::string_view a, std::string_view b) {
  size_t i = 0;
  size_t j = 0;
  while (i < a.size() && j < b.size()) {
    if (is_digit(a[i]) && is_digit(b[j])) {
      size_t a_end = i;
      size_t b_end = j;
      while (a_end < a.size() && is_digit(a[a_end])) ++a_end;
      while (b_end < b.size() && is_digit(b[b_end])) ++b_end;
      size_t a_first = i;
      size_t b_first = j;
      while (a_first + 1 < a_end && a[a_first] == '0') ++a_first;
      while (b_first + 1 < b_end && b[b_first] == '0') ++b_first;
      if (a_end - a_first != b_end - b_first) return a_end - a_first < b_end - b_first ? -1 : 1;
      const int order =
          a.substr(a_first, a_end - a_first).compare(b.substr(b_first, b_end - b_first));
      if (order != 0) return order;
      if (a_end - i != b_end - j) return a_end - i < b_end - j ? -1 : 1;
      i = a_end;
      j = b_end;
    } else {
      if (a[i] != b[j]) {
        return static_cast<unsigned char>(a[i]) < static_cast<unsigned char>(b[j]) ? -1 : 1;
      }
      ++i;
      ++j;
    }
  }
  return a.size() - i < b.size() - j ? -1 : a.size() - i > b.size() - j ? 1 : 0;
}

BlockPtr reordered(const Block& block, const std::vector<size_t>& order) {
  auto out = std::make_unique<Block>(block.steps());
  for (const size_t i : order) {
    const size_t to = out->add(block.name(i));
    for (size_t step = 0; step < block.steps(); ++step) out->copy(to, step, block, i);
  }
  return out;
}

}  // namespace

Result<VectorPtr> call_sort(Evaluation& evaluation, const CallExpr& call, const Scope& scope) {
  ASSIGN_OR_RETURN(BlockPtr block, evaluation.block(*call.arguments[0], scope));
  const FunctionId id = call.function->id;
  const bool by_value = id == FunctionId::kSort || id == FunctionId::kSortDesc;
  const bool descending = id == FunctionId::kSortDesc || id == FunctionId::kSortByLabelDesc;
  const size_t steps = block->steps();
  std::vector<size_t> order;
  for (size_t i = 0; i < block->size(); ++i) {
    if (by_value) {  // histograms have no place in such an order
      bool any = false;
      for (size_t step = 0; step < steps; ++step) {
        if (block->histogram(i, step) != nullptr) block->set(i, step, HistogramPtr());
        any = any || is_present(block->value(i, step));
      }
      if (!any) continue;
    }
    order.push_back(i);
  }
  if (by_value) {
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      const double x = block->value(a, 0);
      const double y = block->value(b, 0);
      if (std::isnan(x) || std::isnan(y)) return !std::isnan(x) && std::isnan(y);
      return descending ? x > y : x < y;
    });
  } else {
    std::vector<std::string> names;
    for (size_t i = 1; i < call.arguments.size(); ++i) {
      names.push_back(evaluation.string(*call.arguments[i]));
    }
    std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      const LabelsView x = block->name(a).labels;
      const LabelsView y = block->name(b).labels;
      for (const std::string& name : names) {
        const int sign = compare_naturally(model::find_label(x, name), model::find_label(y, name));
        if (sign != 0) return descending ? sign > 0 : sign < 0;
      }
      const int sign = compare_labels(x, y);
      return descending ? sign > 0 : sign < 0;
    });
  }
  return VectorPtr(reordered(*block, order));
}

}  // namespace gatehouse::promql

#include "alerts/route.h"

#include <algorithm>

namespace gatehouse::alerts {

namespace {

void collect(const Route& route, const model::Labels& alert, std::vector<const Route*>& out) {
  const size_t before = out.size();
  for (const auto& child : route.routes) {
    if (!matches_all(child->matchers, alert)) continue;
    collect(*child, alert, out);
    if (!child->go_on) break;
  }
  if (out.size() == before) out.push_back(&route);
}

}  // namespace

model::Labels Route::group_labels(const model::Labels& alert) const {
  if (group_by_all) return alert;
  std::vector<model::Labels::Pair> pairs;
  for (const auto& pair : alert.pairs()) {
    if (std::find(group_by.begin(), group_by.end(), pair.first) != group_by.end()) {
      pairs.push_back(pair);
    }
  }
  return model::Labels(std::move(pairs));
}

std::vector<const Route*> match(const Route& root, const model::Labels& alert) {
  std::vector<const Route*> out;
  collect(root, alert, out);
  return out;
}

std::string group_labels_text(const model::Labels& labels) {
  std::string out = "{";
  for (const auto& [name, value] : labels.pairs()) {
    if (out.size() > 1) out += ", ";
    out += name + "=" + go_quoted(value);
  }
  return out + "}";
}

}  // namespace gatehouse::alerts

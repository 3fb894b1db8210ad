#include "gateway/route.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"

namespace gatehouse::gateway {

namespace {

// splitmix64's finalizer (Steele, Lea and Flood): every input bit moves every
// output bit.
uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// The high 53 bits as a number in (0, 1).
double unit(uint64_t x) { return (static_cast<double>(x >> 11) + 0.5) * 0x1p-53; }

// FNV-1a with a finalizer; stable across machines and restarts, so that a
// conversation stays where it is.
uint64_t hash_text(std::string_view text, uint64_t seed = 0xcbf29ce484222325) {
  for (const char c : text) {
    seed = (seed ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  return mix(seed);
}

size_t literal_characters(std::string_view pattern) {
  return pattern.size() - static_cast<size_t>(std::count(pattern.begin(), pattern.end(), '*'));
}

}  // namespace

uint64_t hash_conversation(std::string_view text) {
  const uint64_t hash = hash_text(text);
  return hash == 0 ? 1 : hash;
}

Route::Route(ModelConfig config) : config_(std::move(config)) {
  std::vector<size_t> order(config_.targets.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [this](size_t a, size_t b) {
    return config_.targets[a].order < config_.targets[b].order;
  });
  for (const size_t i : order) {
    if (groups_.empty() ||
        config_.targets[groups_.back().back()].order != config_.targets[i].order) {
      groups_.emplace_back();
    }
    groups_.back().push_back(i);
  }
  for (const TargetConfig& target : config_.targets) {
    hashes_.push_back(hash_text(target.model, hash_text(target.upstream)));
  }
}

Candidates Route::choose(std::string_view requested_model, uint64_t sticky,
                         const std::array<bool, kTargetsMax>& allowed) const {
  Candidates out;
  const uint64_t ticket = sticky != 0 ? 0 : ticket_.fetch_add(1, std::memory_order_relaxed);
  // The fractional part of n × golden ratio, in 64-bit fixed point: the sequence
  // of lowest discrepancy.
  const double first = unit(ticket * 0x9e3779b97f4a7c15);

  struct Scored {
    double score;
    size_t index;
  };
  std::array<Scored, kTargetsMax> scored;
  for (const std::vector<size_t>& group : groups_) {
    size_t count = 0;
    double weight_sum = 0;
    for (const size_t i : group) {
      if (!allowed[i]) {
        ++out.skipped_;
        continue;
      }
      const double weight = config_.targets[i].weight;
      weight_sum += weight;
      // -ln(u)/w is exponential with rate w: the smallest is i with probability
      // w over the sum, and the order is a draw by weight without replacement.
      const uint64_t own = sticky != 0 ? sticky : ticket;
      scored[count++] = {-std::log(unit(mix(hashes_[i] ^ mix(own)))) / weight, i};
    }
    if (sticky == 0 && count > 1) {
      double point = first * weight_sum;
      size_t winner = count - 1;
      for (size_t k = 0; k < count; ++k) {
        point -= config_.targets[scored[k].index].weight;
        if (point < 0) {
          winner = k;
          break;
        }
      }
      scored[winner].score = -1;  // before all the others
    }
    std::sort(scored.begin(), scored.begin() + static_cast<ptrdiff_t>(count),
              [](const Scored& a, const Scored& b) {
                return a.score != b.score ? a.score < b.score : a.index < b.index;
              });
    for (size_t k = 0; k < count && out.size_ < Candidates::kMax; ++k) {
      const TargetConfig& target = config_.targets[scored[k].index];
      out.items_[out.size_++] = {&target, scored[k].index,
                                 target.model.empty() ? requested_model : target.model};
    }
  }
  return out;
}

Result<Router> Router::make(std::span<const ModelConfig> models) {
  Router out;
  for (const ModelConfig& model : models) {
    const std::string lead = "model '" + model.name + "' ";
    if (model.name.empty()) return invalid_argument("a model has no name");
    if (model.targets.empty()) {
      return invalid_argument(lead + "has no targets; name at least one upstream");
    }
    if (model.targets.size() > Route::kTargetsMax) {
      return invalid_argument(lead + "has more than " + std::to_string(Route::kTargetsMax) +
                              " targets");
    }
    for (const TargetConfig& target : model.targets) {
      if (!(target.weight > 0) || !std::isfinite(target.weight)) {
        return invalid_argument(lead + "has a target at '" + target.upstream +
                                "' whose weight is not above 0");
      }
    }
    const RoutePtr route = std::make_shared<const Route>(model);
    const bool pattern = model.name.find('*') != std::string::npos;
    const bool known =
        pattern ? std::any_of(out.patterns_.begin(), out.patterns_.end(),
                              [&](const RoutePtr& r) { return r->config().name == model.name; })
                : !out.exact_.emplace(model.name, route).second;
    if (known) return invalid_argument(lead + "is configured twice");
    if (pattern) out.patterns_.push_back(route);
    out.routes_.push_back(route);
  }
  std::stable_sort(
      out.patterns_.begin(), out.patterns_.end(), [](const RoutePtr& a, const RoutePtr& b) {
        return literal_characters(a->config().name) > literal_characters(b->config().name);
      });
  return out;
}

RoutePtr Router::find(std::string_view model) const {
  if (const auto at = exact_.find(model); at != exact_.end()) return at->second;
  for (const RoutePtr& route : patterns_) {
    if (glob_match(route->config().name, model)) return route;
  }
  return nullptr;
}

Status Router::unknown(std::string_view model) const {
  // A name this long is no slip of the pen, and is not repeated in full.
  constexpr size_t kNameShownMax = 100;
  std::string message = "The model '" + std::string(model.substr(0, kNameShownMax)) +
                        (model.size() > kNameShownMax ? "…" : "") + "' is not offered here.";
  std::vector<std::string_view> names;
  if (model.size() <= kNameShownMax) {
    for (const RoutePtr& route : routes_) names.push_back(route->config().name);
  }
  std::string close;
  for (int i = 0; i < 3; ++i) {
    const auto found = closest(model, names);
    if (!found) break;
    close += (close.empty() ? " Did you mean '" : ", '") + std::string(*found) + "'";
    std::erase(names, *found);
  }
  if (!close.empty()) message += close + "?";
  return not_found(message + " GET /v1/models lists what is.");
}

}  // namespace gatehouse::gateway

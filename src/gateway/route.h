// Routes: from a public model name to the upstreams that may serve it, in the
// order to try them.
//
// A model's targets form groups by `order`; a group is tried before the next
// one. Within a group the first choice follows the weights smoothly (a golden
// ratio sequence: any run of n calls is within O(log n) of its share, unlike
// independent draws), the rest follow as fallbacks by weight. A sticky model
// orders each group by weighted rendezvous hashing of the conversation instead:
// a target that comes or goes moves only its own conversations.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "gateway/config.h"

namespace gatehouse::gateway {

struct Candidate {
  const TargetConfig* target = nullptr;
  size_t index = 0;        // in the model's targets
  std::string_view model;  // the name at the upstream; lives as the route and the requested name
};

// In the order to try. Bounded, so that choosing allocates nothing.
class Candidates {
 public:
  static constexpr size_t kMax = 16;  // more fallbacks than the longest call could try

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  const Candidate& operator[](size_t i) const { return items_[i]; }
  const Candidate* begin() const { return items_.data(); }
  const Candidate* end() const { return items_.data() + size_; }
  size_t skipped() const { return skipped_; }  // targets that were not usable

 private:
  friend class Route;
  std::array<Candidate, kMax> items_;
  size_t size_ = 0;
  size_t skipped_ = 0;
};

class Route {
 public:
  explicit Route(ModelConfig config);
  Route(const Route&) = delete;
  Route& operator=(const Route&) = delete;

  const ModelConfig& config() const { return config_; }
  // "sticky" is the caller's choice per call: a hash of the conversation
  // (see hash_conversation), or 0 for the weighted order.
  // usable(index into config().targets) -> bool: ejected and open upstreams out.
  template <typename Usable>
  Candidates candidates(std::string_view requested_model, uint64_t sticky, Usable&& usable) const {
    std::array<bool, kTargetsMax> allowed{};
    for (size_t i = 0; i < targets(); ++i) allowed[i] = usable(i);
    return choose(requested_model, sticky, allowed);
  }

 private:
  static constexpr size_t kTargetsMax = 64;  // of a model; further ones are refused by Router::make

  size_t targets() const { return config_.targets.size(); }
  Candidates choose(std::string_view requested_model, uint64_t sticky,
                    const std::array<bool, kTargetsMax>& allowed) const;

  friend class Router;
  ModelConfig config_;
  std::vector<std::vector<size_t>> groups_;  // indexes of targets, lowest order first
  std::vector<uint64_t> hashes_;             // of a target's upstream and model
  mutable std::atomic<uint64_t> ticket_{0};  // calls so far: the place in the sequence
};
using RoutePtr = std::shared_ptr<const Route>;

// Never 0, so that it can be told from "not sticky".
uint64_t hash_conversation(std::string_view text);

class Router {
 public:
  // kInvalidArgument: two models of one name, a model without targets or with
  // too many, a weight that is not above 0 and finite.
  static Result<Router> make(std::span<const ModelConfig> models);

  // An exact name before a pattern, the pattern with more literal characters
  // before the one with fewer. Null: unknown.
  RoutePtr find(std::string_view model) const;
  // kNotFound with the closest names, for a caller who asked for `model`.
  Status unknown(std::string_view model) const;
  // In the order of the configuration.
  std::span<const RoutePtr> routes() const { return routes_; }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };

  std::vector<RoutePtr> routes_;
  std::unordered_map<std::string, RoutePtr, Hash, std::equal_to<>> exact_;
  std::vector<RoutePtr> patterns_;  // the most specific first
};

}  // namespace gatehouse::gateway

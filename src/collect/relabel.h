// Relabelling: rules that rewrite or drop the labels of a target, a sample or a series
// to be sent on. After Prometheus, documentation/configuration (relabel_config) and
// model/relabel: all eleven actions, with the same defaults and the same refusals.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "model/labels.h"
#include "model/sample.h"

namespace gatehouse::collect {

// Labels that rules change: sorted by name, every name once, no empty value.
class MutableLabels {
 public:
  using Pair = std::pair<std::string, std::string>;

  MutableLabels() = default;
  explicit MutableLabels(model::LabelsView labels);
  explicit MutableLabels(const model::Labels& labels) : pairs_(labels.pairs()) {}

  void clear() { pairs_.clear(); }
  void assign(model::LabelsView labels);
  // "" where there is none.
  std::string_view get(std::string_view name) const;
  // An empty value removes the label.
  void set(std::string_view name, std::string_view value);
  void remove(std::string_view name) { set(name, {}); }

  const std::vector<Pair>& pairs() const { return pairs_; }
  std::vector<Pair>& pairs() { return pairs_; }  // REQUIRES: the order is kept
  bool empty() const { return pairs_.empty(); }
  model::Labels labels() const { return model::Labels(pairs_); }
  friend bool operator==(const MutableLabels&, const MutableLabels&) = default;

 private:
  std::vector<Pair> pairs_;
};

enum class RelabelAction : uint8_t {
  kReplace,
  kKeep,
  kDrop,
  kKeepEqual,
  kDropEqual,
  kHashMod,
  kLabelMap,
  kLabelDrop,
  kLabelKeep,
  kLowercase,
  kUppercase,
};
// "replace", "keepequal", ...
std::string_view name(RelabelAction action);

// As written in a configuration, defaults filled in.
struct RelabelConfig {
  std::vector<std::string> source_labels;
  std::string separator = ";";
  std::string regex = "(.*)";
  uint64_t modulus = 0;
  std::string target_label;
  std::string replacement = "$1";
  RelabelAction action = RelabelAction::kReplace;
  // Which of these were given: keepequal and dropequal take none of them.
  bool separator_given = false, regex_given = false, modulus_given = false,
       replacement_given = false;
  friend bool operator==(const RelabelConfig&, const RelabelConfig&) = default;
};

// A rule ready to be applied. Any thread.
class RelabelRule {
 public:
  // kInvalidArgument: in Prometheus's words, what the action lacks or may not have.
  static Result<RelabelRule> create(RelabelConfig config);

  // False: the labels are to be dropped.
  bool apply(MutableLabels& labels) const;
  const RelabelConfig& config() const { return config_; }

 private:
  struct Compiled;
  RelabelRule() = default;
  bool replace(MutableLabels& labels, const std::string& value) const;

  RelabelConfig config_;
  std::shared_ptr<const Compiled> compiled_;
};

using RelabelRules = std::vector<RelabelRule>;

Result<RelabelRules> create_relabel_rules(std::span<const RelabelConfig> configs);
// All in turn. False: dropped.
bool apply_rules(std::span<const RelabelRule> rules, MutableLabels& labels);

}  // namespace gatehouse::collect

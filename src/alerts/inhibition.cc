#include "alerts/inhibition.h"

#include <utility>

namespace gatehouse::alerts {

namespace {

// The values, each behind its length, so that no two lists are one text.
std::string equal_key(const InhibitRule& rule, const model::Labels& labels) {
  std::string key;
  for (const std::string& name : rule.equal) {
    const std::string_view value = labels.get(name);
    key += std::to_string(value.size());
    key += ':';
    key += value;
  }
  return key;
}

std::optional<uint64_t> any_firing(const std::unordered_map<uint64_t, int64_t>& alerts,
                                   int64_t now_ms) {
  for (const auto& [fingerprint, ends_at_ms] : alerts) {
    if (ends_at_ms == 0 || ends_at_ms > now_ms) return fingerprint;
  }
  return std::nullopt;
}

}  // namespace

Inhibitor::Inhibitor(std::vector<InhibitRule> rules) {
  rules_.reserve(rules.size());
  for (InhibitRule& rule : rules) rules_.push_back({std::move(rule), {}});
}

void Inhibitor::set(const model::Labels& labels, uint64_t fingerprint, int64_t ends_at_ms) {
  for (Indexed& each : rules_) {
    if (!matches_all(each.rule.source, labels)) continue;
    Bucket& bucket = each.by_equal[equal_key(each.rule, labels)];
    auto& side = matches_all(each.rule.target, labels) ? bucket.both : bucket.source_only;
    side[fingerprint] = ends_at_ms;
  }
}

void Inhibitor::remove(const model::Labels& labels, uint64_t fingerprint) {
  for (Indexed& each : rules_) {
    if (!matches_all(each.rule.source, labels)) continue;
    const auto at = each.by_equal.find(equal_key(each.rule, labels));
    if (at == each.by_equal.end()) continue;
    at->second.source_only.erase(fingerprint);
    at->second.both.erase(fingerprint);
    if (at->second.source_only.empty() && at->second.both.empty()) each.by_equal.erase(at);
  }
}

std::optional<uint64_t> Inhibitor::inhibiting(const model::Labels& labels, int64_t now_ms) const {
  for (const Indexed& each : rules_) {
    if (each.by_equal.empty() || !matches_all(each.rule.target, labels)) continue;
    const auto at = each.by_equal.find(equal_key(each.rule, labels));
    if (at == each.by_equal.end()) continue;
    if (const auto found = any_firing(at->second.source_only, now_ms)) return found;
    if (matches_all(each.rule.source, labels)) continue;
    if (const auto found = any_firing(at->second.both, now_ms)) return found;
  }
  return std::nullopt;
}

size_t Inhibitor::sources() const {
  size_t count = 0;
  for (const Indexed& each : rules_) {
    for (const auto& [key, bucket] : each.by_equal) {
      count += bucket.source_only.size() + bucket.both.size();
    }
  }
  return count;
}

}  // namespace gatehouse::alerts

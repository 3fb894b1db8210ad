// Inhibition: an alert is not told of while another one, its source, fires.
//
// Each rule holds the firing alerts that match its source side, by the values that the
// labels of `equal` have on them, so that one look-up finds those that may inhibit: 10,000
// sources and 10,000 targets are 20,000 look-ups. An alert that matches both sides of a rule
// is not inhibited by one of which the same is true, itself among them.
// After inhibit/inhibit.go of Alertmanager.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "alerts/matchers.h"
#include "model/labels.h"

namespace gatehouse::alerts {

struct InhibitRule {
  std::string name;
  Matchers source, target;
  std::vector<std::string> equal;
};

// One thread.
class Inhibitor {
 public:
  explicit Inhibitor(std::vector<InhibitRule> rules);

  // An alert as it is now: firing until `ends_at_ms` (0: without an end).
  void set(const model::Labels& labels, uint64_t fingerprint, int64_t ends_at_ms);
  // It is over, or no longer known.
  void remove(const model::Labels& labels, uint64_t fingerprint);

  // The fingerprint of an alert that inhibits this one now: of the first rule that has one.
  std::optional<uint64_t> inhibiting(const model::Labels& labels, int64_t now_ms) const;
  size_t sources() const;  // over all rules

 private:
  struct Bucket {
    // By fingerprint, the time it ends: those that match the source side alone, and both.
    std::unordered_map<uint64_t, int64_t> source_only, both;
  };
  struct Indexed {
    InhibitRule rule;
    std::unordered_map<std::string, Bucket> by_equal;
  };
  std::vector<Indexed> rules_;
};

}  // namespace gatehouse::alerts

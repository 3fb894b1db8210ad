// SeriesLabels: under which labels a series leaves. They are asked of the store's head
// each time, not kept: what is remembered is what relabelling made of the series, in
// eight bytes, so that a million series cost no copies of their labels here.
//
// A slot may come to name another series; the fingerprint tells (texts of label pairs
// stay where they are for the life of the head).
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <vector>

#include "model/labels.h"
#include "model/sample.h"
#include "store/head/head.h"

namespace gatehouse::exporting {

// Changes the labels as the rules of relabelling say; false: the series is dropped.
// Called on the writer's thread; a pure function of its argument.
using Relabel = std::function<bool(model::Labels&)>;

class SeriesLabels {
 public:
  // REQUIRES: the head outlives it. `relabel` may be empty.
  SeriesLabels(const store::Head& head, model::Labels external, Relabel relabel)
      : head_(head),
        external_(std::move(external)),
        relabel_(std::move(relabel)),
        memory_(head.budget()) {}

  enum class Verdict {
    kKept,
    kDropped,  // by the rules
    kUnknown,  // the head has no such series: not yet, or not any more
  };
  Verdict verdict(uint32_t shard, uint32_t slot) { return look(shard, slot, nullptr, nullptr); }

  // What labels that are not the head's live in.
  using Storage = std::deque<model::Labels>;
  // kKept: adds the labels to `out`; they live as long as the head, this and `storage`.
  Verdict labels(uint32_t shard, uint32_t slot, std::vector<model::LabelView>& out,
                 Storage& storage) {
    return look(shard, slot, &out, &storage);
  }
  // Whether verdict() is worth asking before labels().
  bool has_rules() const { return relabel_ != nullptr; }

 private:
  enum class Outcome : uint8_t { kNone, kPlain, kChanged, kDropped };
  struct Remembered {
    uint32_t fingerprint = 0;
    Outcome outcome = Outcome::kNone;
  };
  Verdict look(uint32_t shard, uint32_t slot, std::vector<model::LabelView>* out, Storage* storage);
  // Null: there is no memory to remember it in.
  Remembered* remembered(uint32_t shard, uint32_t slot);
  void merge_external();

  const store::Head& head_;
  const model::Labels external_;
  const Relabel relabel_;
  MemoryCharge memory_;
  std::array<std::vector<Remembered>, store::kShards> slots_;
  std::vector<model::LabelView> own_;     // of the series at hand
  std::vector<model::LabelView> merged_;  // with the external ones
};

}  // namespace gatehouse::exporting

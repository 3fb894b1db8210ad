// What keys and models have used, across restarts: a snapshot of the limits in
// the catalog every few seconds, and the call records after its position. Spend
// has no second source of truth, so kill -9 cannot make the two disagree.
#pragma once

#include "gateway/gateway.h"
#include "model/catalog.h"
#include "model/stream.h"

namespace gatehouse::app {

class LimitState {
 public:
  LimitState(model::Catalog& catalog, const model::Reader& calls, gateway::Gateway& gateway)
      : catalog_(catalog), calls_(calls), gateway_(gateway) {}

  // Before the first call. A damaged snapshot is passed over with a log line:
  // every record that is kept is replayed then.
  Status restore();

  // Any thread but a Loop's: writes to the catalog. `position`: how far the log
  // had come before the call.
  Status save(model::Position position);

 private:
  model::Catalog& catalog_;
  const model::Reader& calls_;
  gateway::Gateway& gateway_;
};

}  // namespace gatehouse::app

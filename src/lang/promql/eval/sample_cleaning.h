// What is done to a series' samples before a function sees them.
#pragma once

#include "model/sample.h"

namespace gatehouse::promql {

// Takes the stale markers away.
void drop_stale(model::SampleColumns& samples);

// Says of every histogram that says nothing itself whether its counter was reset
// since the histogram before it.
void judge_resets(model::SampleColumns& samples);

}  // namespace gatehouse::promql

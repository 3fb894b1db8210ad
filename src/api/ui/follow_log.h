// The feed of live calls from the log's window in memory.
#pragma once

#include "api/ui/live_calls.h"
#include "store/recent_window.h"

namespace gatehouse::api {

// REQUIRES: the window outlives every feed, and so the Console.
FollowCalls follow_window(store::RecentWindow& window);

}  // namespace gatehouse::api

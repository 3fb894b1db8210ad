// Sender: makes one attempt to deliver a notification through one integration. Retries,
// order and the notification log are the dispatcher's.
//
// Belongs to one Loop. HTTP clients are kept by configuration. Redirects are followed only
// where the configuration says so, and never to an address that the dialer refuses, nor from one
// host to another on a private network.
#pragma once

#include <memory>

#include "alerts/integration.h"
#include "alerts/templates.h"
#include "base/loop.h"
#include "base/pool.h"
#include "base/task.h"
#include "model/clock.h"
#include "net/options.h"

namespace gatehouse::alerts {

class Sender {
 public:
  // REQUIRES: when it is destroyed, every send has ended.
  Sender(Loop& loop, Pool& pool, const model::Clock& clock, net::DialOptions dial);
  ~Sender();
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;

  // Ends by the deadline (steady) or the cancel. The arguments outlive the call.
  Task<SendOutcome> send(const Integration& integration, const NotificationTemplates& templates,
                         const Notification& notification, int64_t deadline_ms, Cancel* cancel);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace gatehouse::alerts

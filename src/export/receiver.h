// Receiver: one destination of remote write, and what its answers mean
// (prometheus.io/docs/specs/prw and remote_write_spec_2_0).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/loop.h"
#include "base/pool.h"
#include "export/config.h"
#include "model/clock.h"
#include "model/disk.h"
#include "net/client.h"
#include "net/dialer.h"
#include "net/http.h"

namespace gatehouse::exporting {

// What became of a request.
struct Answer {
  enum class Kind {
    kTaken,
    kTryAgain,   // no answer, 5xx or 429
    kRefused,    // any other: the same again would be refused again
    kCancelled,  // the writer's end
  };
  Kind kind = Kind::kCancelled;
  std::string reason;          // but for kTaken
  int64_t retry_after_ms = 0;  // 0: the receiver did not say
  // Of version 2: what the receiver says it has written; -1: it does not say.
  int64_t samples_written = -1;
  int64_t histograms_written = -1;
  int64_t exemplars_written = -1;
};

// Of a head alone; `reason` names the status. Retry-After is a number of seconds or a
// date, at most kRetryAfterMaxMs: who asks for more is mistaken.
inline constexpr int64_t kRetryAfterMaxMs = 10 * 60'000;
Answer judge(int status, const net::HeaderList& headers, int64_t now_seconds);

// Belongs to its Loop.
class Receiver {
 public:
  // REQUIRES: a checked configuration; everything outlives it.
  Receiver(Loop& loop, Pool& pool, model::Disk& disk, const model::Clock& clock,
           const RemoteWriteConfig& config, const net::DialOptions& dial,
           std::shared_ptr<net::TlsClientContext> tls);
  ~Receiver();

  // `attempt` counts from 0. The body lives until the end.
  Task<Answer> post(std::string_view body, int attempt, Cancel* cancel);

 private:
  Status renew_authorization();
  Task<Answer> exchange(std::string_view body, int attempt, Cancel* cancel);

  Loop& loop_;
  model::Disk& disk_;
  const model::Clock& clock_;
  const RemoteWriteConfig& config_;
  net::Origin origin_;
  std::string target_;
  std::string authorization_;
  int64_t authorization_until_ms_ = INT64_MIN;
  net::Dialer dialer_;
  net::Client client_;
};

}  // namespace gatehouse::exporting

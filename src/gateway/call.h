// Call: one call through the gate, from a parsed request to its record.
//
//   admit     may this key use this model, and do its limits and the model's
//             leave room? Reserves what the call may cost.
//   attempt   routes to an upstream, tries, backs off, tries again: until a
//             reply can be passed on, or nothing is left to try (attempts.cc).
//   relay     passes the reply on, learning its usage (relay.cc).
//   settle    turns the reservation into the real cost and makes the record
//             durable, before the reply's last byte is sent.
//
// Everything happens on the exchange's Loop. The client leaving fires the
// exchange's Cancel, which ends every wait here and closes the upstream call.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "gateway/gateway.h"
#include "gateway/limits.h"
#include "gateway/protocol.h"
#include "gateway/retry.h"
#include "gateway/route.h"
#include "gateway/telemetry.h"
#include "gateway/upstream_call.h"
#include "gateway/usage.h"
#include "net/exchange.h"
#include "net/sse.h"

namespace gatehouse::gateway {

class Call {
 public:
  Call(Worker& worker, net::Exchange& exchange, CallRequest& request);
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  Task<void> run();
  // Refuses a call that could not be read: answered in its protocol and recorded.
  Task<void> refuse_unread(CallError error);

 private:
  using UpstreamCallPtr = std::unique_ptr<UpstreamCall>;
  // An attempt in the making, and how it went.
  struct Try {
    UpstreamCallPtr call;
    CircuitBreaker::Permit permit;
    UpstreamResult result;
    size_t trace_index = 0;
    size_t target_index = 0;  // in the model's targets
  };

  // False: refused, and the refusal sent.
  Task<bool> admit();
  bool reserve_limits(CallError& refusal);
  int64_t worst_cost(bool generates) const;

  // The attempt whose reply is to be passed on; null: none, and the error sent.
  Task<UpstreamCallPtr> attempt();
  Task<void> try_once(Try& attempt);
  Task<void> try_hedged(Try& attempt, const Candidate& candidate);
  bool begin_try(Try& attempt, const Candidate& candidate);
  void end_try(Try& attempt, const RetryDecision& decision);
  RetryDecision decide(const Try& attempt, int retries_made) const;
  Candidates candidates() const;
  Task<void> refuse_unserved(const Candidates& tried);
  Task<void> refuse_failed(Try& last, int64_t asked_wait_ms);
  int64_t hedge_after_ms(const Upstream& upstream) const;

  Task<void> relay(UpstreamCall& from);
  Task<void> relay_whole(UpstreamCall& from);
  Task<void> relay_pieces(UpstreamCall& from);
  Task<void> relay_events(UpstreamCall& from);
  Task<void> cut_stream(UpstreamCall& from);
  // Forwards what `rest` holds of events; true once the terminal one is in `last`.
  bool take_events(net::SseParser& parser, StreamUsage& usage, std::string_view rest,
                   std::string& out, std::string& last);

  // Settles the reservation and appends the record, once.
  Task<void> settle();
  // Sends `error` in the caller's protocol, and records it.
  Task<void> refuse(CallError& error);
  void reply_headers(const UpstreamCall* from, std::vector<net::Header>& out);
  void keep_reply(std::string_view piece);
  void finish_usage(size_t reply_bytes);
  Instant now() const;
  // What a call is marked with that ended because nobody waits for it any more.
  std::string_view cancel_code() const;

  Worker& worker_;
  SnapshotPtr snapshot_;
  net::Exchange& exchange_;
  CallRequest& request_;
  CallTrace trace_;
  std::string traceparent_;
  const ServedModel* served_ = nullptr;
  size_t target_index_ = 0;  // of the attempt that is relayed
  std::vector<LimitSetPtr> limit_sets_;
  Reservation reservation_;
  Timeouts timeouts_;
  int64_t total_deadline_ms_ = kNever;
  int reply_status_ = 0;  // in the place of the upstream's; 0: its own
  bool settled_ = false;
  bool unrecordable_ = false;             // refused because the store cannot take records
  bool reached_model_ = false;            // an upstream worked for it: usage counts
  std::vector<std::string> header_text_;  // what reply headers view
};

}  // namespace gatehouse::gateway

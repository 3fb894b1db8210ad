// UpstreamCall: one attempt of a call at one upstream, up to the point where its
// reply can be judged: the head and, of a stream, the events up to the first that
// carries a part of the answer; of any other reply what fits into 64 KiB. Until then nothing has
// reached the client, so that the call can be tried again. Destroying it closes the upstream call.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/protocol.h"
#include "gateway/retry.h"
#include "gateway/upstream.h"
#include "gateway/usage.h"
#include "net/client.h"
#include "net/sse.h"

namespace gatehouse::gateway {

// What came of an attempt.
struct UpstreamResult {
  AttemptEnd end = AttemptEnd::kReply;
  int status = 0;          // of the upstream; 0: none came
  std::string message;     // for a person; empty for a 2xx
  std::string error_code;  // the upstream's own, where its reply or stream names one
  std::string retry_after, retry_after_ms, should_retry;  // header values

  bool ok() const { return end == AttemptEnd::kReply && status < 400; }
  Attempt attempt() const {
    return {end, status, error_code, retry_after, retry_after_ms, should_retry, false};
  }
};

struct UpstreamCallLimits {
  Timeouts timeouts;
  int64_t total_deadline_ms = kNever;  // steady
  size_t event_bytes_max = 4 << 20;
};

class UpstreamCall {
 public:
  UpstreamCall(net::Client& client, std::shared_ptr<Upstream> upstream, std::string model,
               const UpstreamCallLimits& limits);
  ~UpstreamCall();
  UpstreamCall(const UpstreamCall&) = delete;
  UpstreamCall& operator=(const UpstreamCall&) = delete;

  // Sends the call and reads until its reply can be judged. `call`, `headers`
  // and `traceparent` must live until it returns.
  Task<UpstreamResult> open(const CallRequest& call, const net::HeaderList& headers,
                            std::string_view traceparent, Cancel* cancel);

  // REQUIRES for all below: open() gave kReply.
  const net::ResponseHead& head() const { return *head_; }
  bool event_stream() const { return event_stream_; }

  // What open() has read of the body, and whether that is all of it.
  std::string_view held() const { return held_; }
  bool whole() const { return whole_; }

  // Of a stream: steady time by which its first token is due; kNever: it has come.
  int64_t first_token_deadline_ms() const { return first_token_deadline_ms_; }

  // The next piece of the body; empty at its end. Lives until the next read.
  Task<Result<std::string_view>> read_some(int64_t stall_ms);
  // More of the body that has come already; empty: nothing, or it needs a look by
  // read_some. Lives until the next read.
  std::string_view read_ready() { return call_.read_ready(); }

  Upstream& upstream() { return *upstream_; }
  const std::string& model() const { return model_; }
  // Steady; when open() began.
  int64_t begin_ns() const { return begin_ns_; }

 private:
  Task<UpstreamResult> send(const CallRequest& call, const net::HeaderList& headers,
                            std::string_view traceparent, Cancel* cancel);
  Task<UpstreamResult> send_form(FormBody& form);
  Task<UpstreamResult> hold_body();
  Task<UpstreamResult> hold_first_content(const CallRequest& call);
  bool judge_events(net::SseParser& parser, StreamUsage& usage, std::string_view rest,
                    UpstreamResult& result);
  void find_error(const CallRequest& call, UpstreamResult& result) const;
  UpstreamResult failure(const Status& status, AttemptEnd lost, AttemptEnd late) const;
  void read_error(const CallRequest& call, UpstreamResult& result) const;
  int64_t deadline_ms(int64_t after_ms) const;

  Loop& loop_;
  std::shared_ptr<Upstream> upstream_;
  net::ClientCall call_;
  std::string model_;
  UpstreamCallLimits limits_;
  int64_t begin_ns_ = 0;
  const net::ResponseHead* head_ = nullptr;
  bool event_stream_ = false;
  bool whole_ = false;
  int64_t first_token_deadline_ms_ = kNever;
  std::string held_;
  // What the request is made of; it must outlive the sending.
  model::Credential::Header credential_;
  std::string target_;
  std::string body_;
  std::vector<net::Header> headers_;
};

}  // namespace gatehouse::gateway

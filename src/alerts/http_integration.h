// HttpIntegration: a kind of receiver that is told by HTTP requests. A kind says which request
// a notification becomes and how the reply reads; most need request() alone.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "alerts/attempt.h"
#include "alerts/integration.h"

namespace gatehouse::alerts {

struct HttpReply {
  int status = 0;
  std::string content_type;
  std::string body;  // its beginning: at most kReplyBytesMax
};

// Search results of an issue tracker have some KiB; error pages more, which nobody reads.
inline constexpr size_t kReplyBytesMax = 256 << 10;

// How a reply reads. With `next` the conversation goes on.
struct Reading {
  bool delivered = false;
  bool retry = false;
  std::string error;
  int64_t retry_after_ms = 0;  // where the body says it; else the header's counts
  std::optional<OutgoingRequest> next;
};

class HttpIntegration : public Integration {
 public:
  HttpIntegration(std::string_view kind, bool send_resolved)
      : kind_(kind), send_resolved_(send_resolved) {}

  std::string_view kind() const final { return kind_; }
  bool send_resolved() const final { return send_resolved_; }
  const HttpIntegration* http() const final { return this; }
  const outbound::HttpClientConfig& client_config() const { return client_; }
  int64_t timeout_ms() const { return timeout_ms_; }  // 0: the caller's deadline alone

  // On the Pool. An error means that no attempt can succeed: a secret's file is missing.
  virtual Result<OutgoingRequest> request(Attempt& attempt) const = 0;
  virtual Reading read(Attempt& attempt, const HttpReply& reply) const;

 protected:
  // send_resolved and http_config, which every kind has.
  void read_usual(wire::ConfigFields& fields, const Globals& globals);

  outbound::HttpClientConfig client_;
  int64_t timeout_ms_ = 0;

 private:
  std::string_view kind_;
  bool send_resolved_;
};

// 2xx is delivered; 5xx and 429 are worth another attempt; the error has the beginning of the
// body.
Reading usual_reading(const HttpReply& reply);
Reading failed_reading(std::string error, bool retry);
// The beginning of a reply's body, for an error.
std::string quoted_body(std::string_view body);

// A POST of a JSON body.
OutgoingRequest json_request(std::string url, std::string body);

}  // namespace gatehouse::alerts

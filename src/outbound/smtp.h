// One mail over SMTP (RFC 5321): EHLO, STARTTLS (RFC 3207) or TLS from the first byte (RFC 8314),
// AUTH PLAIN (RFC 4616), LOGIN and CRAM-MD5 (RFC 2195), then the message with its dots stuffed.
//
// Invariants
//   - Nothing that the server sent before TLS is believed after it.
//   - No command is made of text that holds CR or LF; who asks checks addresses besides.
//   - Errors hold what the server said, shortened, and never a password.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/loop.h"
#include "base/result.h"
#include "base/task.h"
#include "net/dialer.h"

namespace gatehouse::outbound {

struct SmtpAsk {
  std::string host;
  uint16_t port = 25;
  std::string hello = "localhost";
  bool implicit_tls = false;
  bool require_tls = true;  // else STARTTLS where it is offered
  // Empty user: no authentication. `secret` is CRAM-MD5's, `password` of the others.
  std::string username, password, secret, identity;
  std::string from;             // an address, without a name
  std::vector<std::string> to;  // the same, at least one
  std::string message;          // headers and body; lines end in CR LF
  int64_t deadline_ms = kNever;
  Cancel* cancel = nullptr;
};

struct SmtpOutcome {
  Status status;  // ok: the server has taken the message for all recipients
  bool retry = false;
  int code = 0;  // of the last reply
};

// `dialer` holds the TLS context. `ask` lives until the end.
Task<SmtpOutcome> send_mail(Loop& loop, net::Dialer& dialer, const SmtpAsk& ask);

}  // namespace gatehouse::outbound

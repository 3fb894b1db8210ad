// What the server and the dialer are told: plain values, apart from the classes
// that they are for, so that who fills them needs neither.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "net/http.h"

namespace gatehouse::net {

struct ServerOptions {
  HeadLimits head;
  size_t body_bytes_max = 32 << 20;        // a chat with images in it; bigger bodies stream
  int64_t head_timeout_ms = 10'000;        // from the first byte of a head to its last
  int64_t idle_timeout_ms = 75'000;        // between requests; nginx's default
  int64_t body_stall_timeout_ms = 30'000;  // without a byte of the body
  int64_t write_stall_timeout_ms = 30'000;
  int64_t total_timeout_ms = 3'600'000;  // a whole exchange, streams included
  int connections_max = 20'000;          // a Server
  // Half of all: behind a balancer or one address translator everybody shares one.
  int connections_per_address_max = 10'000;
  std::vector<std::string> proxy_protocol_from;  // CIDRs whose connections must begin with PROXY v2
};

struct DialOptions {
  // CIDRs that may be dialled; empty: all but link-local and metadata addresses.
  std::vector<std::string> allow;
  // CIDRs that may not, even where `allow` has them.
  std::vector<std::string> deny;
  int64_t resolve_cache_ms = 30'000;
};

}  // namespace gatehouse::net

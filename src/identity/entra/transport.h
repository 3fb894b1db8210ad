// One request for a token and its reply: an interface, so that the chain can be
// tested without a network.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/loop.h"
#include "base/result.h"
#include "base/task.h"
#include "net/dialer.h"

namespace gatehouse::identity::entra {

struct TokenAsk {
  std::string method = "GET";
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers{};
  std::string body{};  // form; secret
  bool link_local = false;
  int64_t timeout_ms = 10'000;
};

struct TokenReply {
  int status = 0;
  std::string body;  // secret
};

class Transport {
 public:
  virtual ~Transport() = default;
  virtual Task<Result<TokenReply>> fetch(Loop& loop, const TokenAsk& ask) = 0;
};

// By net::Client over the dialer. https, but for loopback and link-local
// addresses, where the platform's own endpoints live.
class NetTransport : public Transport {
 public:
  explicit NetTransport(net::Dialer& dialer) : dialer_(dialer) {}
  Task<Result<TokenReply>> fetch(Loop& loop, const TokenAsk& ask) override;

 private:
  net::Dialer& dialer_;
};

}  // namespace gatehouse::identity::entra

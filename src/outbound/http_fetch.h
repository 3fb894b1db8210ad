// One HTTP client configuration at work: authentication, TLS,
// headers and redirects around net::Client. Used by scrapes, discovery and
// receivers of alerts.
//
// Belongs to one Loop. Secrets in files are read anew for each request, on the Pool.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/budget.h"
#include "base/loop.h"
#include "base/pool.h"
#include "base/result.h"
#include "base/task.h"
#include "net/options.h"
#include "outbound/http_client_config.h"

namespace gatehouse::outbound {

struct FetchAsk {
  std::string method = "GET";
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  // kResourceExhausted past it. What is held is charged to `budget` where there is one.
  size_t body_bytes_max = 16 << 20;
  int64_t deadline_ms = kNever;  // steady; of the whole
  Cancel* cancel = nullptr;
  MemoryCharge* charge = nullptr;
  // Given: pieces of a reply of status 200 go here as they come, not into the body. An
  // error ends the reading and is what fetch gives.
  std::function<Status(std::string_view)> on_piece;
  // A redirect to another host leads to public addresses alone, unless the outbound address
  // lists name the private one: what a receiver answers must not open the network it is not in.
  bool redirects_stay_public = false;
  // A longer reply is cut there instead of being an error.
  bool cut_body = false;
};

struct FetchReply {
  int status = 0;
  std::string content_type, content_encoding, retry_after;
  std::string body;  // as sent, still compressed
};

class HttpFetch {
 public:
  // The Status says which file of the TLS configuration is wrong.
  static Result<std::unique_ptr<HttpFetch>> create(Loop& loop, Pool& pool,
                                                   const net::DialOptions& dial,
                                                   HttpClientConfig config);
  ~HttpFetch();
  HttpFetch(const HttpFetch&) = delete;
  HttpFetch& operator=(const HttpFetch&) = delete;

  // Follows redirects where the configuration says so; after 301, 302 and 303 a POST becomes a
  // GET without its body, as in Go and browsers. `ask` lives until the end.
  Task<Result<FetchReply>> fetch(const FetchAsk& ask);

  const HttpClientConfig& config() const;

 private:
  struct State;
  explicit HttpFetch(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// The parameters of a form or a query, escaped and joined with &.
std::string encode_form(const std::vector<std::pair<std::string, std::string>>& fields);

}  // namespace gatehouse::outbound

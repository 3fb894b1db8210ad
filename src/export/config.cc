#include "export/config.h"

#include <array>

#include "base/text.h"
#include "net/url.h"

namespace gatehouse::exporting {
namespace {

// What the protocol itself says in every request.
constexpr std::array<std::string_view, 9> kReservedHeaders = {
    "host",         "content-length",    "content-encoding",
    "content-type", "authorization",     "x-prometheus-remote-write-version",
    "user-agent",   "transfer-encoding", "connection"};

Status check_queue(const RemoteWriteQueueConfig& queue) {
  // 200 requests at a time are four times what Prometheus comes to by itself.
  if (queue.shards_min < 1 || queue.shards_max < queue.shards_min || queue.shards_max > 200) {
    return invalid_argument("shards go from 1 to 200, and shards_min is at most shards_max");
  }
  // Receivers refuse requests of some ten megabytes; a sample takes some 200 bytes.
  if (queue.batch_samples_max < 1 || queue.batch_samples_max > 50'000) {
    return invalid_argument("a request has 1 to 50000 samples");
  }
  if (queue.capacity < queue.batch_samples_max || queue.capacity > 1'000'000) {
    return invalid_argument("capacity is at least that of one request and at most 1000000");
  }
  if (queue.batch_deadline_ms < 1 || queue.backoff_min_ms < 1 ||
      queue.backoff_max_ms < queue.backoff_min_ms) {
    return invalid_argument("deadlines and backoffs are positive, and rise from min to max");
  }
  return {};
}

Status check_parts(const RemoteWriteConfig& config) {
  // It becomes a file's name, escaped, which may have 255 bytes.
  if (config.name.empty() || config.name.size() > 64) {
    return invalid_argument("it needs a name of 1 to 64 bytes");
  }
  if (const auto url = net::parse_url(config.url); !url.ok()) {
    return url.status().with_context("url");
  }
  if (config.version != 1 && config.version != 2) {
    return invalid_argument("the version of the protocol is 1 or 2");
  }
  const bool basic = !config.username.empty();
  const bool bearer = !config.bearer_token.empty() || !config.bearer_token_file.empty();
  if (basic && bearer) return invalid_argument("basic auth and a bearer token exclude each other");
  if (!config.password.empty() && !config.password_file.empty()) {
    return invalid_argument("a password is given or in a file, not both");
  }
  if (!config.bearer_token.empty() && !config.bearer_token_file.empty()) {
    return invalid_argument("a bearer token is given or in a file, not both");
  }
  if (config.timeout_ms < 1) return invalid_argument("the timeout is positive");
  for (const auto& [name, value] : config.headers) {
    for (const std::string_view reserved : kReservedHeaders) {
      if (equal_ignoring_case(name, reserved)) {
        return invalid_argument("the header " + name + " is not for the configuration to set");
      }
    }
    if (name.empty() ||
        (name + value).find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) {
      return invalid_argument("a header has no name, or a line break in it");
    }
  }
  return check_queue(config.queue);
}

}  // namespace

Status check(const RemoteWriteConfig& config) {
  const Status status = check_parts(config);
  return status.ok() ? status : status.with_context("remote_write \"" + config.name + "\"");
}

}  // namespace gatehouse::exporting

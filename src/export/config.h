// What a remote writer is told: plain values, so that who fills them needs nothing else.
// Names and defaults follow Prometheus's remote_write and queue_config.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "model/labels.h"

namespace gatehouse::exporting {

struct RemoteWriteQueueConfig {
  int shards_min = 1;   // requests under way at a time, at first and at least
  int shards_max = 50;  // at most
  // Samples that wait, for each shard: five requests of the largest size.
  int capacity = 10'000;
  int batch_samples_max = 2'000;      // of a request
  int64_t batch_deadline_ms = 5'000;  // how long a sample waits for a request to be full
  int64_t backoff_min_ms = 30;        // doubled from one attempt to the next
  int64_t backoff_max_ms = 5'000;
};

struct RemoteWriteConfig {
  std::string name;  // of the destination: in metrics, logs, and its file of the position
  std::string url;
  int version = 1;  // of the protocol: 1 or 2
  std::vector<std::pair<std::string, std::string>> headers;
  // At most one of: user name and password, bearer token. A file is read again every
  // minute, and its trailing white space left out.
  std::string username;
  std::string password;
  std::string password_file;
  std::string bearer_token;
  std::string bearer_token_file;
  std::string ca_file;            // PEM: authorities trusted besides the system's
  model::Labels external_labels;  // for series that have no label of that name
  bool send_exemplars = true;
  bool send_native_histograms = true;
  // Type, help and unit of all metrics so often, 0: never. Version 1 alone: 2 has
  // them with every series.
  int64_t metadata_interval_ms = 60'000;
  int64_t timeout_ms = 30'000;  // of a request
  RemoteWriteQueueConfig queue;
};

// kInvalidArgument names what is wrong, and of which destination.
Status check(const RemoteWriteConfig& config);

}  // namespace gatehouse::exporting

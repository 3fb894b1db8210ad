// What the gateway is told: upstreams, models, prices and the policies of a
// call. Plain values, filled by app/config from gatehouse.yaml; docs/config.md
// says the same for people.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "model/principal.h"

namespace gatehouse::gateway {

enum class UpstreamKind { kOpenAi, kAzureOpenAi, kAnthropic, kHttp };

struct Timeouts {
  int64_t connect_ms = 5'000;
  int64_t first_byte_ms = 120'000;     // until the reply's head
  int64_t first_token_ms = 120'000;    // until the first event with content
  int64_t between_tokens_ms = 60'000;  // between two events
  int64_t total_ms = 600'000;          // a call with all its attempts; the SDKs' default
};

struct RetryConfig {
  int retries = 3;
  int64_t initial_ms = 500;
  double multiplier = 2;
  int64_t cap_ms = 30'000;
  std::vector<int> statuses = {408, 409, 429, 500, 502, 503, 504};
  // Retries may be at most this share of an upstream's calls.
  double budget_ratio = 0.1;
};

struct BreakerConfig {
  double failure_ratio = 0.5;
  int requests_min = 20;  // in the window, before the ratio counts
  int64_t window_ms = 30'000;
  int consecutive_failures = 10;
  int64_t open_ms = 15'000;  // then one probe; a Retry-After that is longer wins
  // Among several upstreams of a model: one whose failure ratio exceeds the
  // others' median by this much is left out for open_ms. 0: never.
  double outlier_margin = 0.4;
};

struct HealthConfig {
  bool enabled = true;
  int64_t interval_ms = 30'000;
  int64_t timeout_ms = 10'000;
  std::string path;  // empty: after the kind (/models, …)
  int unhealthy_after = 3;
  int healthy_after = 2;
  // Probe by calls of one token what its models offer: chat, embeddings. Off: by
  // its list of models alone.
  bool calls = true;
};

// Who the gateway is to an upstream.
struct AuthConfig {
  enum class Kind { kNone, kApiKey, kEntra } kind = Kind::kNone;
  std::string api_key;  // secret
  std::string header;   // empty: after the upstream's kind
  // Microsoft Entra: DefaultAzureCredential's production chain.
  std::string scope = "https://cognitiveservices.azure.com/.default";
  std::string tenant_id, client_id;
  std::string client_secret;  // secret
  std::string client_certificate_path;
  std::string authority_host;
};

struct UpstreamConfig {
  std::string name;
  UpstreamKind kind = UpstreamKind::kOpenAi;
  std::string url;  // e.g. https://api.openai.com/v1
  AuthConfig auth;
  std::string api_version;  // Azure's query parameter; empty: its v1 path
  std::map<std::string, std::string> headers;
  int connections_max = 8192;  // a core: a stream holds one for as long as it lasts
  Timeouts timeouts;
  RetryConfig retry;
  BreakerConfig breaker;
  HealthConfig health;
};

struct TargetConfig {
  std::string upstream;
  std::string model;  // the name there; empty: the public one
  double weight = 1;
  int order = 0;  // lower first; higher are fallbacks
};

// What a model does that a health check can prove by a call of one token.
enum class Capability { kChat, kEmbeddings };

struct ModelConfig {
  std::string name;  // public name, or a pattern with *
  std::string version;
  std::vector<TargetConfig> targets;
  // None: after its name, see capabilities_of().
  std::optional<std::vector<Capability>> offers;
  model::Limits limits;
  bool sticky = false;          // by x-gatehouse-session, else by the conversation's start
  double hedge_percentile = 0;  // 0: off; 0.95: a second attempt after p95 of first-token time
  std::optional<Timeouts> timeouts;
};

// A price, in nano-dollars a token (or second, or image): $1 a million tokens
// is 1,000.
struct PriceConfig {
  std::string model;               // pattern with *
  std::string tier;                // a service_tier; empty: any
  int64_t above_input_tokens = 0;  // applies to calls with more input tokens than this
  int64_t input = 0, cached_input = -1, cache_write = -1, output = 0,
          reasoning = -1;  // -1: as the plain kind
  int64_t audio_input = -1, audio_output = -1;
  int64_t image = 0;              // nano-dollars an image
  int64_t audio_second = 0;       // nano-dollars a second
  int64_t request = 0;            // nano-dollars a call
  int64_t output_tokens_max = 0;  // what one call can give at most; for reservations
};

// What the whole gate may spend, over all keys and models, its probes included.
struct SpendBudget {
  int64_t daily_nanodollars = 0;  // 0: no limit
  int64_t monthly_nanodollars = 0;
};

struct GatewayConfig {
  SpendBudget budget;
  std::vector<UpstreamConfig> upstreams;
  std::vector<ModelConfig> models;
  std::vector<PriceConfig> prices;  // before the built-in table
  bool record_calls = true;
  bool record_bodies = false;
  size_t recorded_body_bytes_max = 64 << 10;
  bool authenticate = true;  // off: for measuring only, on loopback
  size_t body_bytes_max = 32 << 20;
  uint64_t form_bytes_max = 512 << 20;  // forms stream: images and audio
  size_t event_bytes_max = 4 << 20;     // one event of a stream
};

}  // namespace gatehouse::gateway

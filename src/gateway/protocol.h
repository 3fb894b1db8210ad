// What a caller's protocol means to the gateway. api/* translates bytes into a
// CallRequest and errors back into the protocol's shape through a Dialect; the
// gateway decides.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "model/principal.h"
#include "net/exchange.h"
#include "net/http.h"
#include "wire/json_edit.h"

namespace gatehouse::gateway {

// Named as OpenTelemetry's gen_ai.operation.name where it has a name.
enum class Operation : uint8_t {
  kChat,
  kCompletions,
  kResponses,
  kEmbeddings,
  kModerations,
  kImages,
  kAudio,
  kMessages,
  kInfer,
};
inline constexpr int kOperations = 9;
std::string_view name(Operation operation);

// A call and its upstream speak the same protocol.
enum class Family : uint8_t { kOpenAi, kAnthropic, kHttp };
std::string_view name(Family family);

enum class ErrorKind : uint8_t {
  kInvalidRequest,  // 400
  kAuthentication,  // 401
  kPermission,      // 403
  kNotFound,        // 404
  kRequestTimeout,  // 408, the client was too slow
  kTooLarge,        // 413
  kRateLimit,       // 429, a rate or concurrency limit
  kQuota,           // 429, money
  kCancelled,       // 499, recorded only: the client has left
  kInternal,        // 500
  kUpstream,        // 502, the upstream failed or spoke nonsense
  kUnavailable,     // 503, nothing can serve the call now
  kTimeout,         // 504
};
int http_status(ErrorKind kind);
std::string_view name(ErrorKind kind);

struct CallError {
  ErrorKind kind = ErrorKind::kInternal;
  std::string_view code;        // stable, snake_case: what a program tests
  std::string message;          // for a person, with a next step
  int64_t retry_after_ms = -1;  // < 0: unknown
  std::string_view request_id;
};

// For a caller whose call the gate has ended itself; empty: it has not.
std::string ended_message(net::Interruption why);

class FormBody;

class Dialect {
 public:
  virtual ~Dialect() = default;
  // The body of an error reply, and the event that ends a stream with an error.
  virtual std::string error_body(const CallError& error) const = 0;
  virtual std::string error_event(const CallError& error) const = 0;
};

// A part of a text, as byte offsets.
struct ByteRange {
  size_t begin = 0;
  size_t end = 0;
  bool empty() const { return begin == end; }
};

// Where the body names its model.
struct BodyModel {
  enum class Place : uint8_t {
    kNowhere,  // and need not
    kValue,    // `range` is the value with its quotes
    kMissing,  // it must be written at range.begin, as the object's first member
  };
  Place place = Place::kNowhere;
  ByteRange range;
  std::string text;  // what stands there now, unescaped
};

// A call, parsed. Views live as long as the exchange.
struct CallRequest {
  Operation operation = Operation::kChat;
  Family family = Family::kOpenAi;
  const Dialect* dialect = nullptr;
  model::PrincipalPtr principal;

  std::string model;      // the public name asked for
  std::string_view path;  // below the upstream's base, e.g. "/chat/completions"
  // Where `path` names the model, so that the upstream's name can take its place.
  ByteRange model_in_path;
  std::string_view query;  // passed on, but for api-version where it means nothing

  std::string_view body;     // whole; or
  FormBody* form = nullptr;  // a form that streams
  BodyModel body_model;
  bool stream = false;
  // Asks the upstream for the usage of a stream that the caller did not ask for;
  // the event that tells it is then withheld.
  std::optional<wire::JsonSplice> usage_option;

  int64_t output_tokens_max = 0;  // what the caller allows; 0: not said
  int64_t choices = 1;            // n
  std::string service_tier;
  std::string_view conversation;  // raw JSON of the messages, for sticky routes

  std::string_view trace, session, user, metadata;  // x-gatehouse-* request headers
};

}  // namespace gatehouse::gateway

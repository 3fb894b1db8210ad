#include "gateway/protocol.h"

namespace gatehouse::gateway {

std::string_view name(Operation operation) {
  switch (operation) {
    case Operation::kChat: return "chat";
    case Operation::kCompletions: return "text_completion";
    case Operation::kResponses: return "responses";
    case Operation::kEmbeddings: return "embeddings";
    case Operation::kModerations: return "moderations";
    case Operation::kImages: return "images";
    case Operation::kAudio: return "audio";
    case Operation::kMessages: return "messages";
    case Operation::kInfer: return "infer";
  }
  return "chat";
}

std::string_view name(Family family) {
  switch (family) {
    case Family::kOpenAi: return "openai";
    case Family::kAnthropic: return "anthropic";
    case Family::kHttp: return "http";
  }
  return "http";
}

int http_status(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kInvalidRequest: return 400;
    case ErrorKind::kAuthentication: return 401;
    case ErrorKind::kPermission: return 403;
    case ErrorKind::kNotFound: return 404;
    case ErrorKind::kRequestTimeout: return 408;
    case ErrorKind::kTooLarge: return 413;
    case ErrorKind::kRateLimit: return 429;
    case ErrorKind::kQuota: return 429;
    case ErrorKind::kCancelled: return 499;
    case ErrorKind::kInternal: return 500;
    case ErrorKind::kUpstream: return 502;
    case ErrorKind::kUnavailable: return 503;
    case ErrorKind::kTimeout: return 504;
  }
  return 500;
}

std::string_view name(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kInvalidRequest: return "invalid_request";
    case ErrorKind::kAuthentication: return "authentication";
    case ErrorKind::kPermission: return "permission";
    case ErrorKind::kNotFound: return "not_found";
    case ErrorKind::kRequestTimeout: return "request_timeout";
    case ErrorKind::kTooLarge: return "too_large";
    case ErrorKind::kRateLimit: return "rate_limit";
    case ErrorKind::kQuota: return "quota";
    case ErrorKind::kCancelled: return "cancelled";
    case ErrorKind::kInternal: return "internal";
    case ErrorKind::kUpstream: return "upstream";
    case ErrorKind::kUnavailable: return "unavailable";
    case ErrorKind::kTimeout: return "timeout";
  }
  return "internal";
}

std::string ended_message(net::Interruption why) {
  switch (why) {
    case net::Interruption::kDraining:
      return "the gate is about to end and could not wait for this call (server.drain); the answer "
             "is incomplete, try again";
    case net::Interruption::kTooLong:
      return "the call took longer than the gate allows (server.limits.total_timeout); the answer "
             "is incomplete";
    case net::Interruption::kNone: break;
  }
  return {};
}

}  // namespace gatehouse::gateway

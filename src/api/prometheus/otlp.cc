// OpenTelemetry metrics: POST /api/v1/otlp/v1/metrics, protobuf or JSON.
#include <mutex>

#include "api/prometheus/answer.h"
#include "base/text.h"
#include "store/metric_store.h"
#include "wire/delta_accumulator.h"
#include "wire/gzip.h"
#include "wire/otlp_metrics_json.h"
#include "wire/otlp_translate.h"

namespace gatehouse::api {

namespace {

constexpr std::string_view kProtobuf = "application/x-protobuf";
constexpr std::string_view kJson = "application/json";

// The media type, without its parameters.
std::string_view media_type(std::string_view content_type) {
  return trim(content_type.substr(0, content_type.find(';')));
}

MetricAnswer refusal(int status, const std::string& message) {
  MetricAnswer answer = metric::error("bad_data", message);
  answer.status = status;
  if (status == 429 || status == 503) answer.headers.emplace_back("retry-after", "2");
  return answer;
}

}  // namespace

MetricAnswer Prometheus::take_otlp(std::string_view message, bool json, MemoryCharge& charge) {
  // What is translated is a few times as long as the message says it.
  if (!charge.grow(static_cast<int64_t>(4 * message.size())).ok()) {
    return refusal(429, "the memory budget is used up (memory.limit)");
  }
  wire::OtlpTranslateOptions options;
  options.promote_resource_attributes = parts_.limits().otlp_promoted;
  // Differences add up in the order in which they come: one request that has any at a time,
  // until its sums are in the store.
  std::unique_lock turn(deltas_mutex_, std::defer_lock);
  wire::OtlpTranslator translator(std::move(options), &deltas_, &turn);
  const Status read = json ? wire::decode_otlp_metrics_json(message, translator)
                           : wire::decode_otlp_metrics(message, translator);
  if (!read.ok()) {
    return refusal(read.code() == Code::kResourceExhausted ? 429 : 400, read.message());
  }
  const auto outcome = parts_.store.append(translator.series(), {});
  if (!outcome.ok()) {
    const bool full = outcome.status().code() == Code::kResourceExhausted;
    return refusal(full ? 429 : 503, outcome.status().message());
  }
  const uint64_t rejected = translator.rejected() + outcome->refused();
  const std::string& why =
      translator.rejected() != 0 ? translator.first_rejection() : outcome->first_refusal;
  MetricAnswer answer;
  answer.content_type = json ? kJson : kProtobuf;
  answer.body = json ? wire::otlp_metrics_response_json(rejected, why)
                     : wire::otlp_metrics_response(rejected, why);
  return answer;
}

Task<MetricAnswer> Prometheus::otlp(MetricRequest& request) {
  const net::HeaderList& headers = request.exchange.request().headers;
  const std::string_view type = media_type(headers.get("content-type"));
  const bool json = equal_ignoring_case(type, kJson);
  if (!json && !equal_ignoring_case(type, kProtobuf)) {
    co_return refusal(415, "send application/x-protobuf or application/json");
  }
  const std::string_view encoding = headers.get("content-encoding", "identity");
  const bool packed = equal_ignoring_case(encoding, "gzip");
  if (!packed && !equal_ignoring_case(encoding, "identity")) {
    co_return refusal(415, "send the content encoding gzip, or none");
  }
  const QueryLimits limits = parts_.limits();
  const auto body =
      co_await request.exchange.read_body(static_cast<size_t>(limits.write_bytes_max));
  if (!body.ok()) {
    // No memory now is no reason to drop the samples, as senders do on 400.
    if (body.status().code() == Code::kUnavailable) co_return refusal(503, body.status().message());
    const bool large = body.status().code() == Code::kResourceExhausted;
    co_return refusal(large ? 413 : 400, body.status().message());
  }
  const auto unpacked_max = static_cast<size_t>(limits.decoded_bytes_max);
  // gzip does not say how long its contents are: up to that of a small one they are unpacked
  // among those, and what is longer is done anew.
  size_t most = packed ? std::min(kBulkBytes, unpacked_max) : unpacked_max;
  const auto work = [&]() -> std::optional<MetricAnswer> {
    MemoryCharge charge(parts_.budget);
    if (!packed) return take_otlp(*body, json, charge);
    const auto message = wire::gzip_decompress(*body, most, &charge);
    if (message.ok()) return take_otlp(*message, json, charge);
    const Code why = message.status().code();
    if (why == Code::kResourceExhausted && most < unpacked_max) return std::nullopt;
    const int status = why == Code::kResourceExhausted ? 413
                       : why == Code::kUnavailable     ? 429
                                                       : 400;
    return refusal(status, message.status().message());
  };
  std::optional<MetricAnswer> answer = co_await lane(body->size()).run(request.worker.loop, work);
  if (!answer) {
    most = unpacked_max;
    answer = co_await parts_.bulk.run(request.worker.loop, work);
  }
  co_return *std::move(answer);
}

}  // namespace gatehouse::api

// Samples that are pushed: remote write 1.0 and 2.0 (prometheus.io/docs/specs/prw).
#include <optional>

#include "api/prometheus/answer.h"
#include "base/text.h"
#include "store/metric_store.h"
#include "wire/remote_write.h"
#include "wire/snappy.h"

namespace gatehouse::api {

namespace {

// What a thread of the pool keeps between requests; more is given back, so that one
// large request does not cost its memory for ever.
constexpr size_t kKeptBytes = 8 << 20;

// What any request may take decoded, however short it is.
constexpr size_t kSmallBytes = 64 << 10;

// Seconds after which a sender may try again what there was no room for.
constexpr std::string_view kRetryAfter = "2";

MetricAnswer plain(int status, std::string text) {
  MetricAnswer answer;
  answer.status = status;
  answer.content_type = "text/plain; charset=utf-8";
  answer.body = std::move(text);
  if (!answer.body.empty()) answer.body += '\n';
  if (status == 429 || status == 503) answer.headers.emplace_back("retry-after", kRetryAfter);
  return answer;
}

MetricAnswer no_memory() { return plain(429, "the memory budget is used up (memory.limit)"); }

MetricAnswer refused(const Status& status) {
  switch (status.code()) {
    case Code::kInvalidArgument: return plain(400, status.message());
    case Code::kResourceExhausted: return plain(429, status.message());
    case Code::kUnavailable: return plain(503, status.message());
    default: return plain(500, status.message());
  }
}

void add_counts(MetricAnswer& answer, const model::AppendOutcome& outcome) {
  answer.headers.emplace_back("x-prometheus-remote-write-samples-written",
                              std::to_string(outcome.samples));
  answer.headers.emplace_back("x-prometheus-remote-write-histograms-written",
                              std::to_string(outcome.histograms));
  answer.headers.emplace_back("x-prometheus-remote-write-exemplars-written",
                              std::to_string(outcome.exemplars));
}

// What a request was answered, with all it asks of memory charged meanwhile.
MetricAnswer take(std::string_view body, bool packed, wire::RemoteWriteVersion version,
                  size_t unpacked_max, MemoryBudget& budget, model::SampleAppender& appender) {
  static thread_local wire::RemoteWriteDecoder decoder;
  static thread_local std::string unpacked;
  MemoryCharge charge(budget);
  std::string_view message = body;
  if (packed) {
    const Result<size_t> size = wire::snappy_decompressed_size(body, unpacked_max);
    if (!size.ok()) {
      const bool large = size.status().code() == Code::kResourceExhausted;
      return plain(large ? 413 : 400, size.status().message());
    }
    if (!charge.grow(static_cast<int64_t>(*size)).ok()) return no_memory();
    const Status done = wire::snappy_decompress(body, unpacked_max, unpacked);
    if (!done.ok()) return refused(done);
    message = unpacked;
  }
  // Labels are views of the message. Decoded, a usual one takes twice its bytes, series of
  // one short label six times, what is made for it forty.
  decoder.set_memory_max(8 * message.size() + kSmallBytes);
  const auto decoded = decoder.decode(version, message, &charge);
  MetricAnswer answer = plain(204, "");
  if (!decoded.ok()) {
    const Code why = decoded.status().code();
    // To come again would not help one that is too large.
    answer = why == Code::kUnavailable         ? no_memory()
             : why == Code::kResourceExhausted ? plain(413, decoded.status().message())
                                               : refused(decoded.status());
  } else {
    auto outcome = appender.append(decoded->series, {});
    if (!outcome.ok()) {
      answer = refused(outcome.status());
    } else {
      for (const auto& [family, metadata] : decoded->metadata) {
        appender.describe(family, metadata);
      }
      const std::string& why =
          decoded->invalid != 0 ? decoded->first_invalid : outcome->first_refusal;
      const uint64_t lost = decoded->invalid + outcome->refused();
      // 400 tells the sender not to try again; what could be taken is in.
      if (lost != 0) {
        answer =
            plain(400, std::to_string(lost) + " samples were refused, the others taken: " + why);
      }
      if (version == wire::RemoteWriteVersion::kV2) add_counts(answer, *outcome);
    }
  }
  if (decoder.held_bytes() > kKeptBytes) decoder.shrink();
  if (unpacked.capacity() > kKeptBytes) std::string().swap(unpacked);
  return answer;
}

}  // namespace

Task<MetricAnswer> Prometheus::write(MetricRequest& request) {
  const net::HeaderList& headers = request.exchange.request().headers;
  const auto version =
      wire::remote_write_version(headers.get("content-type", "application/x-protobuf"));
  if (!version) {
    co_return plain(415,
                    "send application/x-protobuf: prometheus.WriteRequest or "
                    "io.prometheus.write.v2.Request");
  }
  const std::string_view encoding = headers.get("content-encoding", "snappy");
  const bool packed = equal_ignoring_case(encoding, "snappy");
  if (!packed && !equal_ignoring_case(encoding, "identity")) {
    co_return plain(415, "send the content encoding snappy");
  }
  const QueryLimits limits = parts_.limits();
  const auto body =
      co_await request.exchange.read_body(static_cast<size_t>(limits.write_bytes_max));
  if (!body.ok()) {
    // No memory now is no reason to drop the samples, as senders do on 400.
    if (body.status().code() == Code::kUnavailable) co_return plain(503, body.status().message());
    const bool large = body.status().code() == Code::kResourceExhausted;
    co_return plain(large ? 413 : 400, body.status().message());
  }
  const auto unpacked_max = static_cast<size_t>(limits.decoded_bytes_max);
  const auto work = [&] {
    return take(*body, packed, *version, unpacked_max, parts_.budget, parts_.store);
  };
  // What is no block at all is refused without much work.
  const size_t bytes =
      packed ? wire::snappy_decompressed_size(*body, unpacked_max).value_or(0) : body->size();
  co_return co_await lane(bytes).run(request.worker.loop, work);
}

}  // namespace gatehouse::api

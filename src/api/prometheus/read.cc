// Remote read: POST /api/v1/read, samples or streamed XOR chunks as the client asks.
#include <array>

#include "api/prometheus/answer.h"
#include "api/prometheus/run_query.h"
#include "store/metric_store.h"
#include "wire/remote_read.h"
#include "wire/snappy.h"

namespace gatehouse::api {

namespace {

// A request names series, it does not hold any.
constexpr size_t kRequestBytesMax = 1 << 20;

MetricAnswer plain(int status, std::string text) {
  MetricAnswer answer;
  answer.status = status;
  answer.content_type = "text/plain; charset=utf-8";
  answer.body = std::move(text) + "\n";
  return answer;
}

MetricAnswer refused(const Status& status) {
  const MetricAnswer shaped = metric::error_of(status);
  return plain(shaped.status, status.message());
}

}  // namespace

// Answers with samples: one message, snappy-packed whole.
MetricAnswer Prometheus::read_samples(const std::vector<wire::ReadQuery>& queries,
                                      model::QueryContext& context) {
  std::string response, result;
  model::SampleColumns columns;
  for (const wire::ReadQuery& query : queries) {
    result.clear();
    auto set = parts_.store.select(query.matchers, {query.begin_ms, query.end_ms},
                                   model::SeriesOrder::kByLabels, context);
    if (!set.ok()) return refused(set.status());
    for (size_t i = 0; i < (*set)->size(); ++i) {
      const size_t before = result.size();
      if (const Status read = (*set)->samples(i, columns); !read.ok()) return refused(read);
      wire::append_read_series((*set)->labels(i), columns, result);
      const Status held = context.charge(static_cast<int64_t>(result.size() - before));
      if (!held.ok()) return refused(held);
    }
    wire::append_read_result(result, response);
  }
  MetricAnswer answer;
  answer.content_type = wire::kReadSamplesContentType;
  answer.headers.emplace_back("content-encoding", "snappy");
  wire::snappy_compress(response, answer.body);
  return answer;
}

// Answers with frames, a few series at a time, so that memory holds no more than that.
Task<MetricAnswer> Prometheus::stream_chunks(MetricRequest& request,
                                             const std::vector<wire::ReadQuery>& queries,
                                             model::QueryContext& context) {
  constexpr size_t kPieceBytes = 256 << 10;
  bool started = false;
  std::string frames;
  for (size_t number = 0; number < queries.size(); ++number) {
    const wire::ReadQuery& query = queries[number];
    const auto select = [&] {
      return parts_.store.select(query.matchers, {query.begin_ms, query.end_ms},
                                 model::SeriesOrder::kByLabels, context);
    };
    auto set = co_await parts_.pool.run(request.worker.loop, select);
    Status failed = set.ok() ? Status() : set.status();
    size_t i = 0;
    while (failed.ok() && i < (*set)->size()) {
      const auto fill = [&]() -> Status {
        frames.clear();
        model::SampleColumns columns;
        while (i < (*set)->size() && frames.size() < kPieceBytes) {
          RETURN_IF_ERROR(context.check());
          RETURN_IF_ERROR((*set)->samples(i, columns));
          RETURN_IF_ERROR(wire::append_read_frames((*set)->labels(i), columns, number, frames));
          ++i;
        }
        return {};
      };
      failed = co_await parts_.pool.run(request.worker.loop, fill);
      if (!failed.ok()) break;
      if (!started) {
        const std::array headers = {net::Header{"content-type", wire::kReadChunksContentType}};
        const Status begun = co_await request.exchange.start(200, headers);
        if (!begun.ok()) co_return MetricAnswer{.sent = true};
        started = true;
      }
      const Status written = co_await request.exchange.write(frames);
      if (!written.ok()) co_return MetricAnswer{.sent = true};
    }
    if (failed.ok()) continue;
    if (!started) co_return refused(failed);
    request.exchange.abort();  // a cut answer must not pass for a whole one
    co_return MetricAnswer{.sent = true};
  }
  if (!started) {
    const std::array headers = {net::Header{"content-type", wire::kReadChunksContentType}};
    const Status begun = co_await request.exchange.start(200, headers);
    if (!begun.ok()) co_return MetricAnswer{.sent = true};
  }
  const Status ended = co_await request.exchange.finish();
  (void)ended;  // the client has left
  co_return MetricAnswer{.sent = true};
}

Task<MetricAnswer> Prometheus::read(MetricRequest& request) {
  const auto body = co_await request.exchange.read_body(kRequestBytesMax);
  if (!body.ok()) {
    co_return plain(body.status().code() == Code::kUnavailable ? 503 : 400,
                    body.status().message());
  }
  std::string message;
  const Status unpacked = wire::snappy_decompress(*body, kRequestBytesMax, message);
  if (!unpacked.ok()) co_return plain(400, unpacked.message());
  const auto asked = wire::decode_read_request(message);
  if (!asked.ok()) co_return plain(400, asked.status().message());
  const bool samples = asked->accepted.front() == wire::ReadResponseType::kSamples;
  if (samples) {
    const auto work = [&](model::QueryContext& context) {
      return read_samples(asked->queries, context);
    };
    co_return co_await run_query(request, INT64_MAX, work);
  }
  const QueryLimits limits = parts_.limits();
  model::QueryContext context(parts_.budget, steady_ms() + limits.timeout_ms, limits.samples_max,
                              &query_share());
  request.exchange.cancel().on_fire([&context] { context.cancel(); });
  MetricAnswer answer = co_await stream_chunks(request, asked->queries, context);
  request.exchange.cancel().on_fire({});
  co_return answer;
}

}  // namespace gatehouse::api

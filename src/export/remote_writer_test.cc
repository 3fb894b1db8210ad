// Writers against a receiver in this process: a store that is written to, and what
// arrives over HTTP, decoded.
#include "export/remote_writer.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

#include "base/bytes.h"
#include "base/text.h"
#include "export/position_file.h"
#include "net/net_test_peers.h"
#include "store/metric_store.h"
#include "store/real_disk.h"
#include "wire/remote_write.h"
#include "wire/snappy.h"

namespace gatehouse::exporting {
namespace {

constexpr int64_t kStartMs = 1'700'000'000'000;

struct Scripted {
  int status = 204;
  std::string_view retry_after = {};
  int64_t samples_written = -1;  // -1: not said; -2: as many as came
  int64_t wait_ms = 0;
};

// Takes requests as a script says, and keeps what was in those it answered with 2xx.
class TestReceiver {
 public:
  explicit TestReceiver(std::function<Scripted(int)> script = [](int) { return Scripted{}; })
      : script_(std::move(script)),
        server_([this](net::Exchange& exchange) { return serve(exchange); }) {}

  std::string url(const std::string& path = "/api/v1/write?tenant=a") const {
    return "http://127.0.0.1:" + std::to_string(server_.port()) + path;
  }
  // By labels.
  std::map<std::string, std::vector<model::Sample>> samples() const {
    std::lock_guard lock(mutex_);
    return samples_;
  }
  size_t count() const {
    std::lock_guard lock(mutex_);
    size_t count = 0;
    for (const auto& [series, of_series] : samples_) count += of_series.size();
    return count;
  }
  bool wait_for(size_t count_min, int64_t wait_ms = 15'000) const {
    const int64_t until_ms = steady_ms() + wait_ms;
    while (count() < count_min && steady_ms() < until_ms) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return count() >= count_min;
  }
  std::string header(const std::string& name) const {  // of the last request
    std::lock_guard lock(mutex_);
    const auto at = last_headers.find(name);
    return at == last_headers.end() ? "" : at->second;
  }
  int requests() const {
    std::lock_guard lock(mutex_);
    return requests_;
  }

  mutable std::mutex mutex_;
  std::map<std::string, std::string> last_headers;  // lower case
  std::string last_target;
  std::vector<model::HistogramSample> histograms;
  std::vector<model::Exemplar> exemplars;
  std::map<std::string, model::MetricMetadata> metadata;
  int most_at_once = 0;
  size_t largest = 0;  // samples of a request

 private:
  Task<void> serve(net::Exchange& exchange) {
    const Result<std::string_view> body = co_await exchange.read_body(16 << 20);
    int number = 0;
    {
      std::lock_guard lock(mutex_);
      number = requests_++;
      most_at_once = std::max(most_at_once, ++at_once_);
      last_target = exchange.request().target;
      last_headers.clear();
      for (const net::Header& header : exchange.request().headers) {
        last_headers[to_lower(header.name)] = header.value;
      }
    }
    const Scripted reply = script_(number);
    if (reply.wait_ms > 0) co_await exchange.loop().sleep_for(reply.wait_ms, &exchange.cancel());
    uint64_t taken = 0;
    if (body.ok() && reply.status / 100 == 2) taken = keep(*body);
    const std::string count = std::to_string(
        reply.samples_written == -2 ? static_cast<int64_t>(taken) : reply.samples_written);
    std::vector<net::Header> headers;
    if (!reply.retry_after.empty()) headers.push_back({"Retry-After", reply.retry_after});
    if (reply.samples_written != -1) {
      headers.push_back({"X-Prometheus-Remote-Write-Samples-Written", count});
    }
    net::Reply out;
    out.status = reply.status;
    out.headers = headers;
    (void)co_await exchange.reply(out);
    std::lock_guard lock(mutex_);
    --at_once_;
  }

  uint64_t keep(std::string_view body) {
    std::lock_guard lock(mutex_);
    std::string raw;
    const Status whole = wire::snappy_decompress(body, 64 << 20, raw);
    EXPECT_TRUE(whole.ok()) << whole.to_string();
    const auto version = wire::remote_write_version(last_headers["content-type"]);
    EXPECT_TRUE(version.has_value());
    const auto decoded = decoder_.decode(*version, raw);
    EXPECT_TRUE(decoded.ok()) << decoded.status().to_string();
    if (!decoded.ok()) return 0;
    EXPECT_EQ(decoded->invalid, 0u) << decoded->first_invalid;
    largest = std::max(largest, static_cast<size_t>(decoded->samples));
    for (const model::SeriesAppend& series : decoded->series) {
      EXPECT_TRUE(series.samples.empty() || series.histograms.empty());
      std::vector<model::Labels::Pair> pairs;
      for (const auto& label : series.labels) pairs.emplace_back(label.name, label.value);
      auto& kept = samples_[model::Labels(pairs).to_string()];
      kept.insert(kept.end(), series.samples.begin(), series.samples.end());
      histograms.insert(histograms.end(), series.histograms.begin(), series.histograms.end());
      exemplars.insert(exemplars.end(), series.exemplars.begin(), series.exemplars.end());
      if (series.metadata != nullptr) {
        metadata[std::string(model::find_label(series.labels, model::kMetricName))] =
            *series.metadata;
      }
    }
    for (const auto& family : decoded->metadata) {
      metadata[std::string(family.family)] = family.metadata;
    }
    return decoded->samples;
  }

  std::function<Scripted(int)> script_;
  wire::RemoteWriteDecoder decoder_;
  std::map<std::string, std::vector<model::Sample>> samples_;
  int requests_ = 0;
  int at_once_ = 0;
  net::test::TestServer server_;
};

class RemoteWriterTest : public testing::Test {
 protected:
  RemoteWriterTest() {
    std::string pattern = testing::TempDir() + "export-XXXXXX";
    directory = ::mkdtemp(pattern.data());
    open();
  }
  ~RemoteWriterTest() override {
    writer.reset();
    store.reset();
    std::filesystem::remove_all(directory);
  }
  void open() {
    store::MetricStoreOptions options;
    options.directory = directory + "/metrics";
    options.background = false;
    options.head.future_ms = 0;
    options.sync_interval_ms = 1000;
    options.consumers_bytes_max = consumers_bytes_max;
    options.on_log = [this](store::Wal& wal) {
      const Status held =
          RemoteWriter::hold_log(store::real_disk(), directory + "/export", "far", wal);
      EXPECT_TRUE(held.ok()) << held.to_string();
    };
    auto opened = store::MetricStore::open(budget, options);
    ASSERT_TRUE(opened.ok()) << opened.status().to_string();
    store = std::move(*opened);
  }
  // One sample for each of `series` series.
  void append(int series, int64_t time_ms, double value, const std::string& name = "m") {
    std::vector<std::string> numbers;
    for (int i = 0; i < series; ++i) numbers.push_back(std::to_string(i));
    std::vector<std::array<model::LabelView, 2>> labels(numbers.size());
    const model::Sample sample{time_ms, value, 0};
    std::vector<model::SeriesAppend> batch(numbers.size());
    for (size_t i = 0; i < numbers.size(); ++i) {
      labels[i] = {model::LabelView{"__name__", name}, {"number", numbers[i]}};
      batch[i].labels = labels[i];
      batch[i].samples = {&sample, 1};
    }
    const auto outcome = store->append(batch, {});
    ASSERT_TRUE(outcome.ok()) << outcome.status().to_string();
    ASSERT_EQ(outcome->refused(), 0u) << outcome->first_refusal;
  }
  void append_one(model::SeriesAppend series) {
    const auto outcome = store->append({&series, 1}, {});
    ASSERT_TRUE(outcome.ok()) << outcome.status().to_string();
    ASSERT_EQ(outcome->refused(), 0u) << outcome->first_refusal;
  }
  RemoteWriteConfig config_for(const TestReceiver& receiver) {
    RemoteWriteConfig config;
    config.name = "far";
    config.url = receiver.url();
    config.queue.batch_deadline_ms = 100;
    config.queue.backoff_min_ms = 5;
    config.queue.backoff_max_ms = 50;
    config.metadata_interval_ms = 0;
    return config;
  }
  void start(const RemoteWriteConfig& config, Relabel relabel = nullptr) {
    RemoteWriterParts parts;
    parts.head = &store->head();
    parts.wal = store->wal();
    parts.disk = &store::real_disk();
    parts.clock = &model::system_clock();
    parts.pool = &pool;
    parts.budget = &budget;
    parts.registry = &registry;
    parts.directory = directory + "/export";
    parts.relabel = std::move(relabel);
    auto started = RemoteWriter::start(config, parts);
    ASSERT_TRUE(started.ok()) << started.status().to_string();
    writer = std::move(*started);
  }
  double metric(std::string_view name) {
    double sum = 0;
    registry.visit([&](const model::Registry::Family& family) {
      if (family.name != name) return;
      for (const auto& child : family.children) sum += child.counter.value() + child.gauge.value();
    });
    return sum;
  }
  static std::string series(int number, const std::string& more = "") {
    return "{__name__=\"m\", " + more + "number=\"" + std::to_string(number) + "\"}";
  }

  std::string directory;
  uint64_t consumers_bytes_max = uint64_t{2} << 30;
  MemoryBudget budget{256 << 20};
  Pool pool{1};
  model::Registry registry;
  std::unique_ptr<store::MetricStore> store;
  std::unique_ptr<RemoteWriter> writer;
};

TEST_F(RemoteWriterTest, SendsWhatComesInEachSeriesInItsOrder) {
  TestReceiver receiver([](int n) { return Scripted{204, "", -1, n % 3 * 20}; });
  append(10, kStartMs - 1000, -1);  // before the writer: not its business
  RemoteWriteConfig config = config_for(receiver);
  config.queue.shards_min = config.queue.shards_max = 4;
  config.queue.batch_samples_max = 100;
  config.queue.capacity = 500;
  config.headers = {{"X-Scope-OrgID", "tenant"}};
  config.username = "me";
  config.password_file = directory + "/password";
  std::ofstream(config.password_file) << "secret\n";
  start(config);
  for (int t = 0; t < 30; ++t) append(100, kStartMs + t * 1000, t);
  ASSERT_TRUE(receiver.wait_for(3000));
  writer->finish(1000);
  const auto samples = receiver.samples();
  ASSERT_EQ(samples.size(), 100u);
  for (const auto& [labels, of_series] : samples) {
    ASSERT_EQ(of_series.size(), 30u) << labels;
    for (size_t t = 0; t < 30; ++t) {
      EXPECT_EQ(of_series[t].time_ms, kStartMs + static_cast<int64_t>(t) * 1000);
      EXPECT_EQ(of_series[t].value, static_cast<double>(t));
    }
  }
  EXPECT_TRUE(samples.contains(series(7)));
  EXPECT_GT(receiver.most_at_once, 1);
  EXPECT_LE(receiver.most_at_once, 4);
  EXPECT_LE(receiver.largest, 100u);
  EXPECT_EQ(receiver.last_target, "/api/v1/write?tenant=a");
  EXPECT_EQ(receiver.header("content-encoding"), "snappy");
  EXPECT_EQ(receiver.header("content-type"), "application/x-protobuf");
  EXPECT_EQ(receiver.header("x-prometheus-remote-write-version"), "0.1.0");
  EXPECT_EQ(receiver.header("x-scope-orgid"), "tenant");
  EXPECT_EQ(receiver.header("authorization"), "Basic " + base64_encode("me:secret"));
  EXPECT_EQ(metric("prometheus_remote_storage_samples"), 3000);
  EXPECT_EQ(metric("prometheus_remote_storage_samples_failed"), 0);
  EXPECT_EQ(metric("prometheus_remote_storage_samples_pending"), 0);
  EXPECT_EQ(metric("prometheus_remote_storage_queue_highest_sent_timestamp_seconds"),
            kStartMs / 1000 + 29);
  EXPECT_EQ(metric("prometheus_remote_storage_highest_timestamp_in_seconds"), kStartMs / 1000 + 29);
}

TEST_F(RemoteWriterTest, ALateRestartLosesNothing) {
  TestReceiver down([](int) { return Scripted{503}; });
  start(config_for(down));
  for (int t = 0; t < 5; ++t) append(50, kStartMs + t * 1000, t);
  while (down.requests() < 3) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_TRUE(down.samples().empty());
  writer->finish(50);  // it cannot flush: the place stays before the first sample
  writer.reset();
  EXPECT_GT(metric("prometheus_remote_storage_samples_retried"), 0);
  // What comes while no writer is there is sent as well. The head is written out, and
  // the log cut behind it, but for what is held.
  for (int t = 5; t < 10; ++t) append(50, kStartMs + t * 1000, t);
  ASSERT_TRUE(store->snapshot_head().ok());
  store->finish();
  store.reset();
  open();
  ASSERT_TRUE(store->snapshot_head().ok());

  TestReceiver up;
  start(config_for(up));
  for (int t = 10; t < 12; ++t) append(50, kStartMs + t * 1000, t);
  ASSERT_TRUE(up.wait_for(50 * 12));
  writer->finish(1000);
  for (const auto& [labels, of_series] : up.samples()) {
    ASSERT_EQ(of_series.size(), 12u) << labels;
    for (size_t t = 0; t < 12; ++t) EXPECT_EQ(of_series[t].value, static_cast<double>(t));
  }
  // Nothing is sent twice after a clean end.
  writer.reset();
  start(config_for(up));
  append(50, kStartMs + 12'000, 12);
  ASSERT_TRUE(up.wait_for(50 * 13));
  writer->finish(1000);
  EXPECT_EQ(up.count(), 50u * 13);
}

TEST_F(RemoteWriterTest, RetriesWhatMayPassAndDropsWhatMayNot) {
  // The first: Retry-After; the second: refused; the rest: taken.
  TestReceiver receiver([](int n) {
    if (n == 0) return Scripted{429, "1"};
    return Scripted{n == 1 ? 400 : 200};
  });
  RemoteWriteConfig config = config_for(receiver);
  config.queue.shards_max = 1;
  config.bearer_token = "token";
  start(config);
  const int64_t begin_ms = steady_ms();
  append(20, kStartMs, 1);
  while (metric("prometheus_remote_storage_samples_failed") < 20) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    ASSERT_LT(steady_ms() - begin_ms, 15'000);
  }
  EXPECT_GE(steady_ms() - begin_ms, 1000);
  EXPECT_EQ(receiver.header("authorization"), "Bearer token");
  EXPECT_EQ(receiver.header("retry-attempt"), "1");
  append(20, kStartMs + 1000, 2);
  ASSERT_TRUE(receiver.wait_for(20));
  writer->finish(1000);
  EXPECT_EQ(metric("prometheus_remote_storage_samples_retried"), 20);
  EXPECT_EQ(metric("prometheus_remote_storage_samples"), 40);
  EXPECT_EQ(metric("prometheus_remote_storage_samples_failed"), 20);
  EXPECT_EQ(receiver.count(), 20u);
  EXPECT_EQ(receiver.samples()[series(0)].front().value, 2);
}

TEST_F(RemoteWriterTest, RelabelsAndAddsExternalLabels) {
  TestReceiver receiver;
  RemoteWriteConfig config = config_for(receiver);
  config.external_labels = {{"cluster", "c1"}, {"number", "not this"}, {"zone", "z"}};
  start(config, [](model::Labels& labels) {
    if (labels.get("number") == "1") return false;
    if (labels.get("number") == "2") labels = labels.with("number", "two").with("zone", "");
    return true;
  });
  for (int t = 0; t < 3; ++t) append(4, kStartMs + t * 1000, t);
  ASSERT_TRUE(receiver.wait_for(9));
  writer->finish(1000);
  const auto samples = receiver.samples();
  ASSERT_EQ(samples.size(), 3u);
  for (const std::string labels : {R"({__name__="m", cluster="c1", number="0", zone="z"})",
                                   R"({__name__="m", cluster="c1", number="two"})",
                                   R"({__name__="m", cluster="c1", number="3", zone="z"})"}) {
    ASSERT_TRUE(samples.contains(labels)) << labels << " not " << samples.begin()->first;
    EXPECT_EQ(samples.at(labels).size(), 3u);
  }
  EXPECT_EQ(metric("prometheus_remote_storage_samples_dropped"), 3);
}

TEST_F(RemoteWriterTest, Version2HasHistogramsExemplarsMetadataAndStartTimes) {
  TestReceiver receiver([](int) { return Scripted{204, "", -2}; });
  RemoteWriteConfig config = config_for(receiver);
  config.version = 2;
  start(config);
  const model::LabelView labels[] = {{"__name__", "requests_total"}, {"job", "j"}};
  const model::Sample samples[] = {{kStartMs, 3, kStartMs - 5000},
                                   {kStartMs + 1, model::kStaleValue, kStartMs - 5000}};
  const model::Exemplar exemplar{{{"trace_id", "abc"}}, kStartMs, 2.5};
  const model::MetricMetadata metadata{model::SampleType::kCounter, "how many", "requests"};
  model::SeriesAppend counter;
  counter.labels = labels;
  counter.samples = samples;
  counter.exemplars = {&exemplar, 1};
  counter.metadata = &metadata;
  append_one(counter);
  const model::LabelView histogram_labels[] = {{"__name__", "latency"}, {"job", "j"}};
  model::HistogramSample histogram;
  histogram.time_ms = kStartMs;
  histogram.histogram.whole = true;
  histogram.histogram.schema = 2;
  histogram.histogram.count = 6;
  histogram.histogram.zero_count = 1;
  histogram.histogram.zero_threshold = 0.001;
  histogram.histogram.sum = 12.5;
  histogram.histogram.positive_spans = {{-2, 2}, {3, 1}};
  histogram.histogram.positive_buckets = {2, 1, 2};
  model::SeriesAppend latency;
  latency.labels = histogram_labels;
  latency.histograms = {&histogram, 1};
  append_one(latency);
  ASSERT_TRUE(receiver.wait_for(2));
  writer->finish(1000);
  EXPECT_EQ(receiver.header("x-prometheus-remote-write-version"), "2.0.0");
  const auto got = receiver.samples()[R"({__name__="requests_total", job="j"})"];
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got[0].start_ms, kStartMs - 5000);
  EXPECT_TRUE(model::is_stale(got[1].value));
  ASSERT_EQ(receiver.exemplars.size(), 1u);
  EXPECT_EQ(receiver.exemplars[0].labels, exemplar.labels);
  EXPECT_EQ(receiver.metadata["requests_total"], metadata);
  ASSERT_EQ(receiver.histograms.size(), 1u);
  EXPECT_EQ(receiver.histograms[0].histogram.positive_spans, histogram.histogram.positive_spans);
  EXPECT_EQ(receiver.histograms[0].histogram.positive_buckets,
            histogram.histogram.positive_buckets);
  EXPECT_EQ(receiver.histograms[0].histogram.sum, 12.5);
  EXPECT_EQ(metric("prometheus_remote_storage_samples_failed"), 0);
  // The receiver's headers spoke of samples alone.
  EXPECT_EQ(metric("prometheus_remote_storage_histograms_failed"), 1);
}

TEST_F(RemoteWriterTest, AReceiverThatDoesNotKnowVersion2IsFoundOut) {
  TestReceiver receiver;
  RemoteWriteConfig config = config_for(receiver);
  config.version = 2;
  start(config);
  append(5, kStartMs, 1);
  ASSERT_TRUE(receiver.wait_for(5));
  writer->finish(1000);
  EXPECT_EQ(metric("prometheus_remote_storage_samples_failed"), 5);
  EXPECT_EQ(metric("prometheus_remote_storage_queue_highest_sent_timestamp_seconds"), 0);
}

TEST_F(RemoteWriterTest, Version1SendsMetadataByItself) {
  TestReceiver receiver;
  RemoteWriteConfig config = config_for(receiver);
  config.metadata_interval_ms = 50;
  const model::LabelView labels[] = {{"__name__", "up"}};
  const model::Sample sample{kStartMs, 1, 0};
  const model::MetricMetadata metadata{model::SampleType::kGauge, "is it", ""};
  model::SeriesAppend series;
  series.labels = labels;
  series.samples = {&sample, 1};
  series.metadata = &metadata;
  append_one(series);
  start(config);
  for (int i = 0; i < 500 && receiver.requests() == 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  writer->finish(1000);
  EXPECT_EQ(receiver.metadata["up"], metadata);
}

TEST_F(RemoteWriterTest, APlaceOfAnotherLogIsNotBelieved) {
  ASSERT_TRUE(store::real_disk().make_directory(directory + "/export").ok());
  ASSERT_TRUE(PositionFile(store::real_disk(), directory + "/export", "far").save({99, 48}).ok());
  append(5, kStartMs, 1);
  TestReceiver receiver;
  start(config_for(receiver));
  EXPECT_TRUE(receiver.wait_for(5));
}

// The store bounds what a consumer may hold back: what went is counted, and nothing
// leaves under the labels of another series.
TEST_F(RemoteWriterTest, ALogThatWasCutIsCounted) {
  store->finish();
  store.reset();
  consumers_bytes_max = 1;
  open();
  std::atomic<bool> up = false;
  TestReceiver receiver([&](int) { return Scripted{up ? 200 : 503}; });
  RemoteWriteConfig config = config_for(receiver);
  config.queue.shards_max = 1;
  config.queue.batch_samples_max = 10;
  start(config);
  append(50, kStartMs, 1);
  while (writer->state().pending < 50) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  ASSERT_TRUE(store->snapshot_head().ok());
  append(50, kStartMs + 1000, 2);
  up = true;
  const auto gone = [&] { return metric("prometheus_remote_storage_samples_dropped"); };
  for (int i = 0; i < 1000 && static_cast<double>(receiver.count()) + gone() < 100; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  // All of a request that was under way, and all that came later.
  EXPECT_EQ(receiver.count(), 60u);
  EXPECT_EQ(gone(), 40);
}

TEST_F(RemoteWriterTest, ADeadReceiverHoldsNeitherIntakeNorMemory) {
  RemoteWriteConfig config;
  config.name = "far";
  config.url = "http://127.0.0.1:9/";  // nobody listens there
  config.queue.capacity = 2000;
  config.queue.backoff_min_ms = 5;
  config.queue.shards_max = 1;
  start(config);
  const int64_t before_bytes = budget.used_bytes();
  for (int t = 0; t < 30; ++t) append(1000, kStartMs + t * 1000, t);
  const int64_t until_ms = steady_ms() + 10'000;
  while (!writer->state().failing && steady_ms() < until_ms) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(800));
  const RemoteWriterState state = writer->state();
  EXPECT_TRUE(state.failing);
  EXPECT_FALSE(state.last_error.empty());
  // One read of the log beyond the limit, at most.
  EXPECT_LE(state.pending, 2000u + 11'000u);
  EXPECT_GT(state.behind_bytes, 0u);
  EXPECT_LT(budget.used_bytes() - before_bytes, 16 << 20);
  const int64_t begin_ms = steady_ms();
  writer->finish(100);
  EXPECT_LT(steady_ms() - begin_ms, 3000);
  ASSERT_TRUE(writer->forget().ok());
  EXPECT_EQ(store->wal()->held_from(), UINT32_MAX);
}

}  // namespace
}  // namespace gatehouse::exporting

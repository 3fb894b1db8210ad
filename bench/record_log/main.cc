// record-log [directory]: what an append costs, for records of 25 attributes and
// about 400 bytes, in batches of 1, 8 and 100, as CPU and wall time a record; and
// what a start and an id cost afterwards.
#include <time.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/random.h"
#include "store/record_log.h"

using namespace gatehouse;

namespace {

double seconds(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// As a model call is recorded.
std::vector<model::Attribute> call_attributes(std::string_view request_id) {
  return {
      {"request_id", request_id},
      {"trace_id", std::string_view("4bf92f3577b34da6a3ce929d0e0e4736")},
      {"key_id", std::string_view("k_7f3a91c2")},
      {"model", std::string_view("gpt-4o-mini")},
      {"model_version", std::string_view("gpt-4o-mini-2024-07-18")},
      {"upstream", std::string_view("openai-eu")},
      {"operation", std::string_view("chat")},
      {"route", std::string_view("/v1/chat/completions")},
      {"status", int64_t{200}},
      {"outcome", std::string_view("ok")},
      {"stream", true},
      {"attempts", int64_t{1}},
      {"attempt_log", std::string_view("[{\"upstream\":\"openai-eu\",\"status\":200,\"ms\":412}]")},
      {"input_tokens", int64_t{812}},
      {"output_tokens", int64_t{164}},
      {"cached_tokens", int64_t{0}},
      {"usage_estimated", false},
      {"cost_nanousd", int64_t{220'200}},
      {"duration_ms", 1412.5},
      {"first_token_ms", 310.25},
      {"token_ms", 6.72},
      {"added_ms", 0.142},
      {"request_bytes", int64_t{3300}},
      {"reply_bytes", int64_t{18'220}},
      {"finish_reason", std::string_view("stop")}};
}

void measure(const std::string& directory, size_t batch_size, size_t records) {
  store::RecordLogOptions options;
  options.directory = directory;
  auto log = *store::RecordLog::open(options);
  const model::StreamId stream = *log->stream({{"kind", "call"}});
  const std::string id = time_ordered_id(1'700'000'000'000);
  const auto attributes = call_attributes(id);
  std::vector<model::StreamRecord> batch(
      batch_size, {stream, {1'700'000'000'000'000'000, Severity::kInfo, "", attributes}});
  const double cpu = seconds(CLOCK_THREAD_CPUTIME_ID);
  const double wall = seconds(CLOCK_MONOTONIC);
  for (size_t done = 0; done < records; done += batch_size) {
    for (auto& item : batch) item.record.time_ns += 1000;
    if (!log->append(batch).ok()) std::exit(1);
  }
  const auto each = static_cast<double>(records) / 1e6;
  std::printf("append in batches of %-4zu %6.2f us CPU  %6.2f us wall a record, %.0f bytes\n",
              batch_size, (seconds(CLOCK_THREAD_CPUTIME_ID) - cpu) / each,
              (seconds(CLOCK_MONOTONIC) - wall) / each,
              static_cast<double>(log->stats().bytes) / static_cast<double>(records));
}

}  // namespace

int main(int argc, char** argv) {
  set_log_severity(Severity::kError);
  const std::string root = (argc > 1 ? argv[1] : "/tmp") + std::string("/gatehouse_bench_log");
  for (const size_t batch_size : {size_t{1}, size_t{8}, size_t{100}}) {
    std::filesystem::remove_all(root);
    measure(root, batch_size, 400'000);
  }
  store::RecordLogOptions options;
  options.directory = root;
  double start = seconds(CLOCK_MONOTONIC);
  auto log = *store::RecordLog::open(options);
  std::printf("start with 400,000 records     %.0f ms\n", (seconds(CLOCK_MONOTONIC) - start) * 1e3);
  start = seconds(CLOCK_MONOTONIC);
  (void)log->find_one("request_id", "an id that no record has", {});
  std::printf("an id that is not there        %.0f ms\n", (seconds(CLOCK_MONOTONIC) - start) * 1e3);
  log.reset();
  std::filesystem::remove_all(root);
}

// loadgen: asks a server on loopback as fast or as steadily as told, and says how it did.
#include <sys/resource.h>

#include <csignal>
#include <cstdio>
#include <memory>
#include <thread>

#include "loadgen/client.h"

namespace {

using loadgen::Client;
using loadgen::Histogram;
using loadgen::Options;
using loadgen::Results;

void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

unsigned long long whole(uint64_t value) { return value; }

void print_json_histogram(const char* name, const Histogram& histogram) {
  std::printf(",\"%s_us\":{\"count\":%llu,\"mean\":%.1f", name, whole(histogram.count()),
              histogram.mean() / 1e3);
  for (const auto& [label, share] : {std::pair{"p50", 0.5}, std::pair{"p90", 0.9},
                                     std::pair{"p99", 0.99}, std::pair{"p999", 0.999}}) {
    std::printf(",\"%s\":%.1f", label, static_cast<double>(histogram.percentile(share)) / 1e3);
  }
  std::printf(",\"max\":%.1f}", static_cast<double>(histogram.max()) / 1e3);
}

void print_json(const Results& results, double seconds) {
  std::printf("{\"requests\":%llu,\"seconds\":%.3f,\"requests_per_s\":%.1f",
              whole(results.completed), seconds, static_cast<double>(results.completed) / seconds);
  print_json_histogram("latency", results.latency);
  if (results.first_byte.count() > 0) print_json_histogram("first_byte", results.first_byte);
  std::printf(",\"statuses\":{");
  const char* comma = "";
  for (const auto& [status, count] : results.statuses) {
    std::printf("%s\"%d\":%llu", comma, status, whole(count));
    comma = ",";
  }
  std::printf(
      "},\"events\":%llu,\"body_bytes\":%llu,\"connection_errors\":%llu,\"cut_replies\":%llu,"
      "\"unfinished\":%llu,"
      "\"held\":%llu,\"left\":%llu,\"done_before_leaving\":%llu}\n",
      whole(results.events), whole(results.body_bytes), whole(results.connection_errors),
      whole(results.cut_replies), whole(results.unfinished), whole(results.held),
      whole(results.left), whole(results.done_before_leaving));
}

void print_line(const char* name, const Histogram& histogram) {
  const auto us = [&](double share) {
    return static_cast<double>(histogram.percentile(share)) / 1e3;
  };
  std::printf("%-12s p50 %.0f us, p90 %.0f us, p99 %.0f us, p99.9 %.0f us, max %.0f us\n", name,
              us(0.5), us(0.9), us(0.99), us(0.999), static_cast<double>(histogram.max()) / 1e3);
}

void print_lines(const Results& results, double seconds) {
  std::printf("requests     %llu in %.1f s, %.0f/s\n", whole(results.completed), seconds,
              static_cast<double>(results.completed) / seconds);
  if (results.latency.count() > 0) print_line("latency", results.latency);
  if (results.first_byte.count() > 0) print_line("first byte", results.first_byte);
  if (results.events > 0) std::printf("events       %llu\n", whole(results.events));
  for (const auto& [status, count] : results.statuses)
    std::printf("status %d   %llu\n", status, whole(count));
  if (results.left > 0) {
    std::printf("left         %llu, done before leaving %llu\n", whole(results.left),
                whole(results.done_before_leaving));
  }
  if (results.connection_errors + results.cut_replies + results.unfinished > 0) {
    std::printf("failed       %llu connections, %llu replies cut, %llu unfinished\n",
                whole(results.connection_errors), whole(results.cut_replies),
                whole(results.unfinished));
  }
}

bool write_departures(const std::string& path, const Results& results) {
  if (path.empty()) return true;
  std::FILE* file = std::fopen(path.c_str(), "w");
  if (file == nullptr) return false;
  for (const auto& departure : results.departures) {
    std::fprintf(file, "%s %lld\n", departure.id.c_str(),
                 static_cast<long long>(departure.left_ns));
  }
  return std::fclose(file) == 0;
}

template <typename Work>
void on_all(std::vector<std::unique_ptr<Client>>& clients, Work work) {
  std::vector<std::thread> threads;
  for (size_t i = 1; i < clients.size(); ++i)
    threads.emplace_back([&work, &client = *clients[i]] { work(client); });
  work(*clients[0]);
  for (std::thread& thread : threads) thread.join();
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = loadgen::read_options(argc, argv);
  raise_descriptor_limit();
  std::signal(SIGPIPE, SIG_IGN);
  std::vector<std::unique_ptr<Client>> clients;
  clients.reserve(static_cast<size_t>(options.threads));
  for (int i = 0; i < options.threads; ++i) clients.push_back(std::make_unique<Client>(options, i));

  const int64_t start = loadgen::monotonic_ns();
  if (options.hold > 0) {
    on_all(clients, [](Client& client) { client.open_streams(); });
    uint64_t held = 0;
    for (const auto& client : clients) held += client->results().held;
    std::printf("holding %llu\n", whole(held));
    std::fflush(stdout);
    const int64_t until = loadgen::monotonic_ns() + static_cast<int64_t>(options.duration_s * 1e9);
    on_all(clients, [until](Client& client) { client.hold(until); });
  } else {
    on_all(clients, [start](Client& client) { client.run(start); });
  }

  auto all =
      std::make_unique<Results>();  // two histograms: too large for the stack of a small thread
  for (const auto& client : clients) all->merge(client->results());
  const double elapsed = static_cast<double>(loadgen::monotonic_ns() - start) / 1e9;
  const double seconds = options.requests > 0 || options.hold > 0 ? elapsed : options.duration_s;
  options.json ? print_json(*all, seconds) : print_lines(*all, seconds);
  if (!write_departures(options.departures_file, *all)) {
    std::fprintf(stderr, "loadgen: cannot write %s\n", options.departures_file.c_str());
    return 1;
  }
  return 0;
}

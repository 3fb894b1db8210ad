// mock-upstream: a stand-in for model providers, on loopback, for tests and benchmarks.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "mock-upstream/worker.h"

namespace {

std::atomic<bool> stopping{false};

struct Options {
  std::string host = "127.0.0.1";
  int port = 0;
  int threads = 1;
  uint64_t seed = 1;
  std::string tls_cert;
  std::string tls_key;
  mock::Behavior behavior;
};

[[noreturn]] void fail(const std::string& message) {
  std::fprintf(stderr, "mock-upstream: %s\n", message.c_str());
  std::exit(2);
}

void print_help() {
  std::printf(
      "usage: mock-upstream [--listen 127.0.0.1:0] [--threads 1] [--seed 1]\n"
      "                     [--tls-cert FILE --tls-key FILE] [--BEHAVIOR VALUE]...\n\n"
      "Answers as OpenAI, Azure OpenAI, Anthropic, Open Inference, MLflow, Azure ML and\n"
      "Microsoft Entra do. Prints 'listening on HOST:PORT' and serves until SIGTERM.\n"
      "A path may start with /@NAME: behaviour and counts are then NAME's own.\n\n"
      "Behaviours, also as request headers (x-mock-latency-ms: 20), as members of the\n"
      "body's \"mock\" object or of POST /mock/behavior (\"latency_ms\": 20):\n%s\n"
      "Also: GET /mock/stats, /mock/calls, /mock/calls/ID (x-mock-id), /mock/behavior;\n"
      "POST /mock/behavior, /mock/reset.\n",
      mock::describe_behavior().c_str());
}

void read_listen(Options& options, const std::string& value) {
  const size_t colon = value.rfind(':');
  if (colon == std::string::npos) fail("--listen takes HOST:PORT, not '" + value + "'");
  options.host = value.substr(0, colon);
  options.port = std::atoi(value.c_str() + colon + 1);
}

Options read_options(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    std::string name = argv[i];
    if (name == "--help" || name == "-h") {
      print_help();
      std::exit(0);
    }
    if (!name.starts_with("--")) fail("what is '" + name + "'? (--help tells)");
    name.erase(0, 2);
    std::string value;
    if (const size_t equals = name.find('='); equals != std::string::npos) {
      value = name.substr(equals + 1);
      name.resize(equals);
    } else if (i + 1 < argc && std::strncmp(argv[i + 1], "--", 2) != 0) {
      value = argv[++i];
    }
    if (name == "listen") {
      read_listen(options, value);
    } else if (name == "threads") {
      options.threads = std::max(1, std::atoi(value.c_str()));
    } else if (name == "seed") {
      options.seed = std::strtoull(value.c_str(), nullptr, 10);
    } else if (name == "tls-cert") {
      options.tls_cert = value;
    } else if (name == "tls-key") {
      options.tls_key = value;
    } else if (const std::string wrong = mock::set_behavior(options.behavior, name, value);
               !wrong.empty()) {
      fail(wrong + " (--help tells)");
    }
  }
  return options;
}

int listen_on(const std::string& host, int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  if (inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1)
    fail("'" + host + "' is no IPv4 address");
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      listen(fd, 4096) != 0) {
    fail("cannot listen on " + host + ":" + std::to_string(port) + ": " + std::strerror(errno));
  }
  return fd;
}

int port_of(int fd) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

SSL_CTX* make_tls(const Options& options) {
  if (options.tls_cert.empty() != options.tls_key.empty())
    fail("--tls-cert and --tls-key go together");
  if (options.tls_cert.empty()) return nullptr;
  SSL_CTX* tls = SSL_CTX_new(TLS_server_method());
  SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                            SSL_MODE_RELEASE_BUFFERS);
  if (SSL_CTX_use_certificate_chain_file(tls, options.tls_cert.c_str()) != 1)
    fail("cannot read " + options.tls_cert);
  if (SSL_CTX_use_PrivateKey_file(tls, options.tls_key.c_str(), SSL_FILETYPE_PEM) != 1)
    fail("cannot read " + options.tls_key);
  return tls;
}

// Thousands of idle streams need as many descriptors.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = read_options(argc, argv);
  raise_descriptor_limit();
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGTERM, [](int) { stopping = true; });
  std::signal(SIGINT, [](int) { stopping = true; });

  SSL_CTX* tls = make_tls(options);
  mock::State state(options.behavior, options.threads);
  std::vector<std::unique_ptr<mock::Worker>> workers;
  int port = options.port;
  for (int i = 0; i < options.threads; ++i) {
    const int listener = listen_on(options.host, port);
    port = port_of(listener);
    workers.push_back(std::make_unique<mock::Worker>(state, i, listener, tls, options.seed));
  }
  std::printf("listening on %s:%d\n", options.host.c_str(), port);
  std::fflush(stdout);

  std::vector<std::thread> threads;
  for (size_t i = 1; i < workers.size(); ++i) {
    threads.emplace_back([&worker = *workers[i]] { worker.run(stopping); });
  }
  workers[0]->run(stopping);
  for (std::thread& thread : threads) thread.join();
  workers.clear();
  SSL_CTX_free(tls);
  return 0;
}

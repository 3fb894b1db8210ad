#include "loadgen/options.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>

namespace loadgen {
namespace {

constexpr std::string_view kPlace = "{{id}}";
// As long as the ids that replace the place, so that Content-Length is the same for all.
constexpr size_t kIdDigits = 9;

constexpr char kHelp[] =
    "usage: loadgen [options] http://HOST:PORT/PATH\n\n"
    "  --connections N          closed loop: N calls at a time (16); open loop: at most N\n"
    "  --rate R                 open loop: R calls a second on a fixed schedule; latency counts\n"
    "                           from the time a call was due, so a slow server hides nothing\n"
    "  --duration S             measured seconds (10)\n"
    "  --warmup S               seconds before that, not counted (1)\n"
    "  --requests N             end after N calls\n"
    "  --threads N              (1)\n"
    "  --method M               (POST)\n"
    "  --body FILE              the body\n"
    "  --body-text TEXT         the body\n"
    "  --body-bytes N           a chat request of N bytes\n"
    "  --model NAME             the model it names (gpt-4o-mini)\n"
    "  --header 'NAME: VALUE'   any number of times; {{id}} in a header or body becomes an id\n"
    "                           of its own for each call\n"
    "  --id-prefix TEXT         what ids begin with (load)\n"
    "  --sse                    ask for streams; measures the first byte and counts events\n"
    "  --hold N                 open N streams, wait for their first event, print 'holding N',\n"
    "                           keep them for --duration\n"
    "  --leave-after-ms-max X   each call on its own connection, closed at a random moment\n"
    "                           within X ms of being sent\n"
    "  --departures FILE        with it: a line 'ID LEFT_NS' (CLOCK_MONOTONIC) for each\n"
    "  --seed N                 (1)\n"
    "  --json                   print one JSON object instead of lines\n";

[[noreturn]] void fail(const std::string& message) {
  std::fprintf(stderr, "loadgen: %s (--help tells)\n", message.c_str());
  std::exit(2);
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::string chat_body(const std::string& model, bool stream, size_t bytes) {
  const std::string start = "{\"model\":\"" + model + "\"," + (stream ? "\"stream\":true," : "") +
                            "\"messages\":[{\"role\":\"user\",\"content\":\"";
  const std::string end = "\"}]}";
  std::string body = start;
  static constexpr std::string_view kFiller =
      "Tell me of the gate and of those who hold its keys. ";
  while (body.size() + end.size() < bytes) {
    body += kFiller.substr(0, bytes - body.size() - end.size());
  }
  return body + end;
}

void read_url(Options& options, std::string url) {
  if (!url.starts_with("http://")) fail("the URL must begin with http://");
  url.erase(0, 7);
  const size_t slash = url.find('/');
  std::string authority = url.substr(0, slash);
  if (slash != std::string::npos) options.target = url.substr(slash);
  if (const size_t colon = authority.rfind(':'); colon != std::string::npos) {
    options.port = std::atoi(authority.c_str() + colon + 1);
    authority.resize(colon);
  }
  options.host = authority == "localhost" ? "127.0.0.1" : authority;
}

}  // namespace

Options read_options(int argc, char** argv) {
  Options options;
  std::string model = "gpt-4o-mini";
  std::string url;
  size_t body_bytes = 0;
  const auto whole = [](int& into) {
    return [&into](const char* text) { into = std::atoi(text); };
  };
  const auto real = [](double& into) {
    return [&into](const char* text) { into = std::atof(text); };
  };
  const auto text = [](std::string& into) { return [&into](const char* value) { into = value; }; };
  const std::map<std::string, std::function<void(const char*)>> valued = {
      {"--connections", whole(options.connections)},
      {"--rate", real(options.rate)},
      {"--duration", real(options.duration_s)},
      {"--warmup", real(options.warmup_s)},
      {"--requests", [&](const char* value) { options.requests = std::atoll(value); }},
      {"--threads", whole(options.threads)},
      {"--method", text(options.method)},
      {"--body", [&](const char* value) { options.body = read_file(value); }},
      {"--body-text", text(options.body)},
      {"--body-bytes", [&](const char* value) { body_bytes = std::strtoul(value, nullptr, 10); }},
      {"--model", text(model)},
      {"--header", [&](const char* value) { options.headers.emplace_back(value); }},
      {"--id-prefix", text(options.id_prefix)},
      {"--hold", whole(options.hold)},
      {"--leave-after-ms-max", real(options.leave_after_ms_max)},
      {"--departures", text(options.departures_file)},
      {"--seed", [&](const char* value) { options.seed = std::strtoull(value, nullptr, 10); }},
  };
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--help" || name == "-h") {
      std::fputs(kHelp, stdout);
      std::exit(0);
    }
    if (name == "--sse") {
      options.sse = true;
    } else if (name == "--json") {
      options.json = true;
    } else if (const auto found = valued.find(name); found != valued.end()) {
      if (i + 1 >= argc) fail(name + " needs a value");
      found->second(argv[++i]);
    } else if (name.starts_with("--")) {
      fail("what is '" + name + "'?");
    } else {
      url = name;
    }
  }
  if (url.empty()) fail("a URL is missing");
  read_url(options, url);
  if (options.hold > 0) options.sse = true;
  if (options.body.empty() && options.method == "POST") {
    options.body = chat_body(model, options.sse, body_bytes == 0 ? 250 : body_bytes);
  }
  if (options.connections < options.threads) options.connections = options.threads;
  options.has_ids = options.body.find(kPlace) != std::string::npos;
  for (const std::string& header : options.headers) {
    if (header.find(kPlace) != std::string::npos) options.has_ids = true;
  }
  return options;
}

RequestText::RequestText(const Options& options, int thread)
    : prefix_(options.id_prefix + "-" + std::to_string(thread) + "-") {
  const std::string id = prefix_ + std::string(kIdDigits, '0');
  const auto place_ids = [&](std::string part) {
    for (size_t at = part.find(kPlace); at != std::string::npos; at = part.find(kPlace, at)) {
      part.replace(at, kPlace.size(), id);
    }
    return part;
  };
  const std::string body = place_ids(options.body);
  text_ = options.method + " " + options.target + " HTTP/1.1\r\nHost: " + options.host + ":" +
          std::to_string(options.port) + "\r\n";
  for (const std::string& header : options.headers) text_ += place_ids(header) + "\r\n";
  if (!body.empty())
    text_ +=
        "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  text_ += "\r\n" + body;
  if (!options.has_ids) return;
  for (size_t at = text_.find(id); at != std::string::npos; at = text_.find(id, at + 1))
    places_.push_back(at + prefix_.size());
}

const std::string& RequestText::next(std::string& id) {
  if (places_.empty()) return text_;
  char digits[24];
  std::snprintf(digits, sizeof digits, "%0*llu", static_cast<int>(kIdDigits),
                static_cast<unsigned long long>(serial_++));
  for (const size_t place : places_) text_.replace(place, kIdDigits, digits, kIdDigits);
  id = prefix_ + digits;
  return text_;
}

}  // namespace loadgen

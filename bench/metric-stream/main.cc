// Makes a stream of remote-write requests once, and sends it to any receiver as often
// as wanted, so that every subject of a benchmark gets the same bytes and the making
// costs none of them anything.
//
//   metric-stream make FILE --series N --samples N --interval SECONDS --end UNIX
//                           [--per-request SERIES] [--together SAMPLES]
//   metric-stream send FILE --port PORT --path PATH [--header "Name: value"] [--connections N]
//
// `make` writes the file: two little-endian u32, lane and length, then so many bytes of a
// snappy-compressed prometheus.WriteRequest (remote write 1.0), again and again, in the
// order of time. A series is always in the same lane. `send` posts them and prints one
// line of JSON; each connection takes lanes of its own, so that no series overtakes itself.
#include <cstdio>
#include <cstring>
#include <string>

#include "metric-stream/send.h"
#include "metric-stream/stream.h"

namespace {

const char* option(int count, char** words, const char* name, const char* fallback) {
  for (int i = 3; i + 1 < count; ++i) {
    if (std::strcmp(words[i], name) == 0) return words[i + 1];
  }
  return fallback;
}

int usage() {
  std::fputs(
      "usage: metric-stream make FILE --series N --samples N --interval SECONDS --end UNIX\n"
      "                          [--per-request SERIES] [--together SAMPLES]\n"
      "       metric-stream send FILE --port PORT --path PATH [--header \"Name: value\"]\n"
      "                          [--connections N]\n",
      stderr);
  return 2;
}

}  // namespace

int main(int count, char** words) {
  if (count < 3) return usage();
  const std::string verb = words[1];
  const auto number = [&](const char* name, const char* fallback) {
    return std::stoll(option(count, words, name, fallback));
  };
  if (verb == "make") {
    gatehouse::bench::StreamShape shape;
    shape.series = static_cast<int>(number("--series", "0"));
    shape.samples = static_cast<int>(number("--samples", "0"));
    shape.interval_ms = number("--interval", "15") * 1000;
    shape.end_ms = number("--end", "0") * 1000;
    shape.series_per_request = static_cast<int>(number("--per-request", "2000"));
    shape.samples_together = static_cast<int>(number("--together", "1"));
    if (shape.series <= 0 || shape.samples <= 0 || shape.end_ms <= 0) return usage();
    return gatehouse::bench::make_stream(words[2], shape) ? 0 : 1;
  }
  if (verb == "send") {
    gatehouse::bench::Destination to;
    to.port = static_cast<int>(number("--port", "0"));
    to.path = option(count, words, "--path", "/api/v1/write");
    to.header = option(count, words, "--header", "");
    to.connections = static_cast<int>(number("--connections", "2"));
    if (to.port <= 0) return usage();
    return gatehouse::bench::send_stream(words[2], to) ? 0 : 1;
  }
  return usage();
}

// Posts a stream's requests to a receiver of remote write on this machine.
#pragma once

#include <string>

namespace gatehouse::bench {

struct Destination {
  int port = 0;  // on loopback
  std::string path;
  std::string header;  // one more, "Name: value"
  int connections = 2;
};

// Keeps the order of time within a series, as a real sender does. Prints
// {"requests":…,"bytes":…,"seconds":…,"retried":…}. False: one was refused; its status and answer
// are on stderr.
bool send_stream(const std::string& path, const Destination& to);

}  // namespace gatehouse::bench

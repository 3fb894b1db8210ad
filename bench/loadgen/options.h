// What the load generator is asked to do.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace loadgen {

struct Options {
  std::string host;  // of the URL
  int port = 80;
  std::string target = "/";

  int connections = 16;
  int threads = 1;
  double rate = 0;  // requests a second on a fixed schedule; 0: closed loop
  double duration_s = 10;
  double warmup_s = 1;
  int64_t requests = 0;  // stop after so many; 0: by duration
  std::string method = "POST";
  std::string body;
  std::vector<std::string> headers;
  bool has_ids = false;  // {{id}} stands somewhere in the headers or the body
  std::string id_prefix = "load";
  bool sse = false;
  int hold = 0;  // open so many streams and keep them
  double leave_after_ms_max = 0;
  std::string departures_file;
  uint64_t seed = 1;
  bool json = false;
};

// Reads the command line; ends the program with a message when it is wrong.
Options read_options(int argc, char** argv);

// The bytes of the request numbered `serial` of thread `thread`, into `out`; returns
// its id ("" without {{id}}).
class RequestText {
 public:
  RequestText(const Options& options, int thread);
  const std::string& next(std::string& id);

 private:
  std::string text_;
  std::vector<size_t> places_;  // where the id stands
  std::string prefix_;
  uint64_t serial_ = 0;
};

}  // namespace loadgen

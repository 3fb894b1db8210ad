// Reads HTTP/1.1 replies as they come: how they end, their status, and the events in
// them. It keeps no body.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace loadgen {

class ReplyReader {
 public:
  enum class Step { kNeedMore, kDone, kBad };
  // Takes all of `data`; bytes after the reply's end (there should be none) make it bad.
  Step read(std::string_view data);
  // The connection ended: was that the reply's end?
  bool ends_with_connection() const { return phase_ == Phase::kUntilClose; }
  void restart();

  int status() const { return status_; }
  bool has_body_bytes() const { return body_bytes_ > 0; }
  uint64_t body_bytes() const { return body_bytes_; }
  uint64_t events() const { return events_; }
  bool keeps_alive() const { return keeps_alive_; }

 private:
  enum class Phase { kHead, kLength, kUntilClose, kChunkSize, kChunk, kChunkEnd, kTrailer, kDone };
  bool parse_head(std::string_view head);
  bool read_line(std::string_view& data, std::string_view& line);
  void take_body(std::string_view bytes);

  Phase phase_ = Phase::kHead;
  std::string partial_;
  std::string line_;
  uint64_t left_ = 0;
  int status_ = 0;
  bool keeps_alive_ = true;
  uint64_t body_bytes_ = 0;
  uint64_t events_ = 0;
  size_t matched_ = 0;  // of "data:" at the start of a line
};

}  // namespace loadgen

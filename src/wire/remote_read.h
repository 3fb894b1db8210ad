// Prometheus remote read, the server's side: prometheus.ReadRequest in, and out
// either a ReadResponse (samples; one message, to be wrapped in a snappy block) or
// a stream of ChunkedReadResponse messages (XOR chunks; each in a frame of its
// own). After prompb/remote.proto and storage/remote/chunked.go.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/matcher.h"
#include "model/sample.h"

namespace gatehouse::wire {

// A caller may use hints or not; they never change what an answer must hold.
struct ReadHints {
  int64_t step_ms = 0;
  std::string function;
  int64_t begin_ms = 0;
  int64_t end_ms = 0;
  std::vector<std::string> grouping;
  bool by = false;
  int64_t range_ms = 0;
};

struct ReadQuery {
  int64_t begin_ms = 0;  // both ends included
  int64_t end_ms = 0;
  std::vector<model::Matcher> matchers;
  ReadHints hints;
};

enum class ReadResponseType { kSamples, kStreamedXorChunks };

struct ReadRequest {
  std::vector<ReadQuery> queries;
  // In the client's order; samples where it names none. Never empty.
  std::vector<ReadResponseType> accepted;
};

// kInvalidArgument: not the message, a pattern that cannot be compiled, more
// queries or matchers than a request may have, or no response type known here.
Result<ReadRequest> decode_read_request(std::string_view message);

// Appends a series to a query's result, and a result to the response. Empty series
// are left out. Histograms stand beside floats, as the type allows.
void append_read_series(model::LabelsView labels, const model::SampleColumns& samples,
                        std::string& result);
void append_read_result(std::string_view result, std::string& response);

inline constexpr std::string_view kReadSamplesContentType = "application/x-protobuf";
inline constexpr std::string_view kReadChunksContentType =
    "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse";

// Appends the frames of one series: each the message's length as a varint, its
// CRC-32C, big end first, and the message, of about `frame_bytes` at most (clients
// refuse 50 MiB). kUnimplemented, and nothing written: the series has histograms,
// which take the other type of response.
Status append_read_frames(model::LabelsView labels, const model::SampleColumns& samples,
                          size_t query_index, std::string& out, size_t frame_bytes = 1 << 20);

}  // namespace gatehouse::wire

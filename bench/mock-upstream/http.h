// The mock's own HTTP/1.1: reads requests from a growing buffer, writes reply heads.
// It trusts its peers (tests and benchmarks on loopback) and is lenient on purpose;
// what a gateway must refuse is the gateway's to refuse.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mock {

bool same_text(std::string_view a, std::string_view b);  // ASCII case-insensitive

struct Header {
  std::string_view name;
  std::string_view value;
};

// One request. The views point into `head`; both strings are reused by the next one.
struct Request {
  std::string head;
  std::string_view method;
  std::string_view target;
  std::vector<Header> headers;
  std::string body;         // its first kBodyKept bytes
  uint64_t body_bytes = 0;  // its real size
  bool close = false;       // the client asked for it, or speaks HTTP/1.0
  bool expects_continue = false;
  bool has_mock_headers = false;  // some x-mock-* header is there

  std::string_view header(std::string_view name) const;
};

// Uploads of any size are read; more than this is counted and thrown away, as no
// reply needs it. The largest JSON body that a test sends is below it.
inline constexpr size_t kBodyKept = 16u << 20;

class RequestReader {
 public:
  enum class Step { kNeedMore, kHeadDone, kDone, kBad };
  // Takes what it can from `data` and advances it. kHeadDone is reported once a
  // request, before its body; call again to go on.
  Step read(std::string_view& data, Request& request);
  bool idle() const { return phase_ == Phase::kHead && partial_.empty(); }

 private:
  enum class Phase { kHead, kLength, kChunkSize, kChunk, kChunkEnd, kTrailer };
  Step read_head(std::string_view& data, Request& request);
  Step read_chunked(std::string_view& data, Request& request);
  bool read_line(std::string_view& data, std::string& line);
  bool parse_head(Request& request);
  static void keep(Request& request, std::string_view bytes);

  Phase phase_ = Phase::kHead;
  uint64_t left_ = 0;    // bytes of the body or chunk still to come
  std::string partial_;  // a head or line that came in pieces
};

std::string_view status_text(int status);

}  // namespace mock

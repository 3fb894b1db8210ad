// The chunked transfer coding, both ways: RFC 9112 §7.1.
//
// Decoding copies no payload: each step hands out a view into the bytes it was
// given. Framing is as strict as the head's: CR LF only, 1 to 16 hexadecimal
// digits, no white space after them. Extensions are passed over but bounded, by
// line and by message, so that a peer cannot make one byte of payload cost
// hundreds on the wire without end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "net/http.h"
#include "net/http_parser.h"

namespace gatehouse::net {

class ChunkedDecoder {
 public:
  enum class State {
    kMore,     // all input is used up; call again with what comes next
    kPayload,  // `payload` holds body bytes; call again with the rest
    kDone,     // the last chunk and the trailers have ended; later bytes belong to the next message
    kRefused,  // error() says why; nothing after this point can be trusted
  };
  struct Step {
    State state = State::kMore;
    std::size_t consumed = 0;  // bytes of the input that this step used up
    std::string_view payload;  // a view into the input, only for kPayload and then not empty
  };

  ChunkedDecoder() = default;
  // The trailers are views into it: it stays where it is.
  ChunkedDecoder(const ChunkedDecoder&) = delete;
  ChunkedDecoder& operator=(const ChunkedDecoder&) = delete;

  // One step on from `input`, which starts where the last step left off. After
  // kDone and kRefused the state stays and consumes nothing.
  Step next(std::span<const char> input);

  // REQUIRES: kDone. Views into this decoder; forbidden fields are left out.
  const HeaderList& trailers() const { return trailers_; }
  const ParseError& error() const { return error_; }
  std::uint64_t payload_bytes() const { return payload_bytes_; }
  // Ready for another message on the same connection.
  void reset();

 private:
  enum class At : std::uint8_t {
    kSizeStart,
    kSize,
    kExtension,
    kSizeLf,
    kPayload,
    kPayloadCr,
    kPayloadLf,
    kTrailer,
    kTrailerLf,
    kDone,
    kRefused,
  };

  bool take_frame_byte(char c);
  bool take_trailer_byte(char c);
  bool end_trailers();
  bool refuse(std::string_view reason);

  At at_ = At::kSizeStart;
  std::uint8_t size_digits_ = 0;
  std::uint16_t line_bytes_ = 0;
  std::uint32_t extension_bytes_ = 0;
  std::uint64_t chunk_left_ = 0;
  std::uint64_t payload_bytes_ = 0;
  std::size_t trailer_line_start_ = 0;
  std::string trailer_text_;
  HeaderList trailers_;
  ParseError error_;
};

// The line before a chunk's payload: hexadecimal size, CR LF. Payload and
// kChunkEnd follow. REQUIRES: size > 0, as a chunk of none ends the body.
class ChunkHead {
 public:
  explicit ChunkHead(std::uint64_t size);
  std::string_view view() const { return {text_ + start_, sizeof text_ - start_}; }

 private:
  char text_[18];  // 16 digits, CR LF
  std::size_t start_;
};

inline constexpr std::string_view kChunkEnd = "\r\n";
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

// A whole chunk. An empty payload appends nothing.
void append_chunk(std::string& out, std::string_view payload);
// The last chunk with trailers. False, and `out` as it was, where one could not
// be read back (see append_header).
bool append_last_chunk(std::string& out, const HeaderList& trailers);

}  // namespace gatehouse::net

#include "net/websocket.h"

#include <string>
#include <vector>

#include "fuzz.h"

namespace {

using namespace gatehouse;

// Small, so that the fuzzer reaches it.
constexpr std::uint64_t kMessageBytes = 300;

struct Frame {
  net::Opcode opcode;
  std::string payload;  // of a whole message, or of a control frame
  bool operator==(const Frame&) const = default;
};

struct Read {
  std::vector<Frame> frames;
  std::uint16_t refused = 0;
};

Read read(std::string bytes, std::size_t piece, net::WebSocketSide side) {
  net::WebSocketDecoder decoder(side, kMessageBytes);
  Read result;
  std::string message;
  std::span<char> rest(bytes);
  while (!rest.empty()) {
    const auto step = decoder.next(rest.first(std::min(piece, rest.size())));
    rest = rest.subspan(step.consumed);
    switch (step.state) {
      case net::WebSocketDecoder::State::kMore: break;
      case net::WebSocketDecoder::State::kData:
        message += step.payload;
        fuzz::require(message.size() <= kMessageBytes, "size of a message");
        if (!step.message_end) break;
        result.frames.push_back({step.opcode, message});
        message.clear();
        break;
      case net::WebSocketDecoder::State::kControl:
        fuzz::require(step.payload.size() <= 125, "size of a control frame");
        result.frames.push_back({step.opcode, std::string(step.payload)});
        break;
      case net::WebSocketDecoder::State::kRefused:
        result.refused = decoder.close_code();
        return result;
    }
  }
  return result;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string text(fuzz::text_of(bytes, size));
  for (const auto side : {net::WebSocketSide::kServer, net::WebSocketSide::kClient}) {
    const Read whole = read(text, text.size() + 1, side);
    const Read pieces = read(text, fuzz::piece_of(text), side);
    fuzz::require(whole.refused == pieces.refused, "a refusal depends on the pieces");
    fuzz::require(whole.frames == pieces.frames, "messages depend on the pieces");

    std::string written;
    for (const Frame& frame : whole.frames) {
      net::append_websocket_frame(written, frame.opcode, frame.payload);
    }
    fuzz::require(read(written, 5, net::WebSocketSide::kClient).frames == whole.frames,
                  "messages are not read back");
  }
  return 0;
}

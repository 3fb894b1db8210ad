// WebSocket: the opening handshake's key and the framing of RFC 6455. No
// extensions are negotiated, so every reserved bit is a protocol error.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "net/http.h"
#include "net/http_parser.h"
#include "net/utf8.h"

namespace gatehouse::net {

// Whether a request with upgrade_websocket set carries one valid key and version
// 13. On 426 the answer must name "Sec-WebSocket-Version: 13".
ParseError check_websocket_request(const RequestHead& request);
// The Sec-WebSocket-Accept for a Sec-WebSocket-Key (RFC 6455 §4.2.2).
std::string websocket_accept(std::string_view key);

enum class Opcode : std::uint8_t {
  kContinuation = 0,
  kText = 1,
  kBinary = 2,
  kClose = 8,
  kPing = 9,
  kPong = 10,
};

// RFC 6455 §7.4.1.
enum CloseCode : std::uint16_t {
  kCloseNormal = 1000,
  kCloseGoingAway = 1001,
  kCloseProtocolError = 1002,
  kCloseUnsupported = 1003,
  kCloseNone = 1005,  // a close frame without a code; never on the wire
  kCloseInvalidText = 1007,
  kClosePolicy = 1008,
  kCloseTooBig = 1009,
  kCloseInternal = 1011,
};

// Whether a code may stand in a close frame.
bool is_sendable_close_code(unsigned code);

enum class WebSocketSide : std::uint8_t { kServer, kClient };

class WebSocketDecoder {
 public:
  enum class State {
    kMore,     // all input is used up
    kData,     // a piece of a message: `payload`, `opcode` kText or kBinary, `message_end`
    kControl,  // a whole ping, pong or close frame; see close_code() and close_reason()
    kRefused,  // fail the connection with close_code(); the decoder stays so
  };
  struct Step {
    State state = State::kMore;
    std::size_t consumed = 0;
    std::string_view payload;  // unmasked in place in the input; control: in the decoder
    Opcode opcode = Opcode::kContinuation;
    bool message_end = false;
  };

  // Live tails receive filters, not content.
  static constexpr std::uint64_t kMessageBytes = 1024 * 1024;

  // `side` is the one that decodes: a server takes masked frames only, a client
  // unmasked ones only.
  explicit WebSocketDecoder(WebSocketSide side, std::uint64_t message_bytes_max = kMessageBytes)
      : message_bytes_max_(message_bytes_max), side_(side) {}

  // One step on from `input`, which starts where the last step left off and
  // whose consumed payload is overwritten with its unmasked form.
  Step next(std::span<char> input);

  std::uint16_t close_code() const { return close_code_; }
  std::string_view close_reason() const { return close_reason_; }
  std::string_view refusal() const { return refusal_; }

 private:
  static constexpr std::size_t kControlBytes = 125;  // RFC 6455 §5.5

  bool in_message() const { return message_opcode_ != Opcode::kContinuation; }
  // The bytes of the frame head that starts with what head_ holds.
  std::size_t head_size() const;
  bool read_head();
  bool check_opcode();
  Step take_data(std::span<char> input, std::size_t used);
  Step take_control(std::span<char> input, std::size_t used);
  bool read_close(std::string_view payload);
  void unmask(char* bytes, std::size_t count);
  bool refuse(std::uint16_t code, std::string_view reason);

  std::uint64_t message_bytes_max_;
  std::uint64_t message_bytes_ = 0;
  std::uint64_t frame_left_ = 0;
  std::string_view refusal_;
  std::string_view close_reason_;
  std::array<char, 14> head_{};
  std::array<char, kControlBytes> control_{};
  std::array<char, 4> mask_{};
  Utf8Check utf8_;
  std::uint16_t close_code_ = 0;
  std::uint8_t head_bytes_ = 0;
  std::uint8_t control_bytes_ = 0;
  std::uint8_t mask_at_ = 0;
  WebSocketSide side_;
  Opcode opcode_ = Opcode::kContinuation;          // of the frame being read
  Opcode message_opcode_ = Opcode::kContinuation;  // of the message being read, if any
  bool fin_ = false;
  bool in_frame_ = false;
  bool refused_ = false;
  bool closed_ = false;
};

// A whole frame. A client passes the mask it drew; a server none.
// REQUIRES: a control frame is final and its payload at most 125 bytes.
void append_websocket_frame(std::string& out, Opcode opcode, std::string_view payload,
                            bool fin = true,
                            std::optional<std::array<char, 4>> mask = std::nullopt);
// A close frame; `reason` is cut to what fits, between two characters.
void append_websocket_close(std::string& out, std::uint16_t code, std::string_view reason,
                            std::optional<std::array<char, 4>> mask = std::nullopt);

}  // namespace gatehouse::net

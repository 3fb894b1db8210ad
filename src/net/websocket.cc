#include "net/websocket.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <algorithm>
#include <cassert>

#include "net/char_class.h"

namespace gatehouse::net {

namespace {

constexpr std::string_view kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

bool is_control(Opcode opcode) { return (static_cast<unsigned>(opcode) & 8) != 0; }

// 16 bytes in base64: 22 digits, of which the last holds 2 bits, and "==".
bool valid_key(std::string_view key) {
  constexpr std::string_view kLastDigits = "AQgw";
  if (key.size() != 24 || !key.ends_with("==")) return false;
  const std::string_view digits = key.substr(0, 22);
  return std::all_of(digits.begin(), digits.end(),
                     [](char c) {
                       return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                              is_class(c, kDigit) || c == '+' || c == '/';
                     }) &&
         kLastDigits.find(digits.back()) != std::string_view::npos;
}

std::uint64_t big_endian(const char* bytes, std::size_t count) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < count; ++i) value = value << 8 | static_cast<std::uint8_t>(bytes[i]);
  return value;
}

}  // namespace

ParseError check_websocket_request(const RequestHead& request) {
  if (!request.upgrade_websocket) return {426, "a WebSocket upgrade is wanted here"};
  if (request.headers.count("sec-websocket-version") != 1 ||
      request.headers.get("sec-websocket-version") != "13") {
    return {426, "only WebSocket version 13 is spoken here"};
  }
  if (request.headers.count("sec-websocket-key") != 1 ||
      !valid_key(request.headers.get("sec-websocket-key"))) {
    return {400, "invalid Sec-WebSocket-Key"};
  }
  return {};
}

std::string websocket_accept(std::string_view key) {
  std::string text(key);
  text += kGuid;
  std::array<unsigned char, SHA_DIGEST_LENGTH> digest{};
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  std::array<unsigned char, 29> encoded{};  // 28 digits and the NUL that OpenSSL adds
  EVP_EncodeBlock(encoded.data(), digest.data(), static_cast<int>(digest.size()));
  return {reinterpret_cast<const char*>(encoded.data()), 28};
}

bool is_sendable_close_code(unsigned code) {
  if (code >= 3000 && code <= 4999) return true;
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014);
}

bool WebSocketDecoder::refuse(std::uint16_t code, std::string_view reason) {
  close_code_ = code;
  close_reason_ = {};
  refusal_ = reason;
  refused_ = true;
  return false;
}

std::size_t WebSocketDecoder::head_size() const {
  if (head_bytes_ < 2) return 2;
  const unsigned second = static_cast<std::uint8_t>(head_[1]);
  const unsigned length = second & 0x7f;
  return 2u + (length == 126 ? 2u : length == 127 ? 8u : 0u) + ((second & 0x80) != 0 ? 4u : 0u);
}

bool WebSocketDecoder::check_opcode() {
  if (is_control(opcode_)) {
    if (opcode_ > Opcode::kPong) return refuse(kCloseProtocolError, "unknown opcode");
    if (!fin_) return refuse(kCloseProtocolError, "fragmented control frame");
    return true;
  }
  if (opcode_ > Opcode::kBinary) return refuse(kCloseProtocolError, "unknown opcode");
  if (opcode_ == Opcode::kContinuation) {
    return in_message() ? true : refuse(kCloseProtocolError, "continuation without a message");
  }
  if (in_message()) return refuse(kCloseProtocolError, "a message within a message");
  message_opcode_ = opcode_;
  message_bytes_ = 0;
  utf8_.reset();
  return true;
}

bool WebSocketDecoder::read_head() {
  const unsigned first = static_cast<std::uint8_t>(head_[0]);
  const unsigned second = static_cast<std::uint8_t>(head_[1]);
  const unsigned short_length = second & 0x7f;
  const bool masked = (second & 0x80) != 0;
  if ((first & 0x70) != 0) return refuse(kCloseProtocolError, "reserved bit set");
  if (masked != (side_ == WebSocketSide::kServer)) {
    return refuse(kCloseProtocolError,
                  masked ? "masked frame from a server" : "unmasked frame from a client");
  }
  fin_ = (first & 0x80) != 0;
  opcode_ = static_cast<Opcode>(first & 0x0f);
  if (!check_opcode()) return false;
  frame_left_ = short_length;
  if (short_length >= 126) {
    if (is_control(opcode_)) return refuse(kCloseProtocolError, "control frame too long");
    frame_left_ = big_endian(&head_[2], short_length == 126 ? 2 : 8);
    if (frame_left_ < (short_length == 126 ? 126u : 65536u)) {
      return refuse(kCloseProtocolError, "length not in its shortest form");
    }
  }
  if (!is_control(opcode_)) {
    if (frame_left_ > message_bytes_max_ - message_bytes_) {
      return refuse(kCloseTooBig, "message too long");
    }
    message_bytes_ += frame_left_;
  }
  mask_ = {};
  if (masked) std::copy_n(&head_[head_bytes_ - 4u], 4, mask_.begin());
  mask_at_ = 0;
  control_bytes_ = 0;
  head_bytes_ = 0;
  in_frame_ = true;
  return true;
}

void WebSocketDecoder::unmask(char* bytes, std::size_t count) {
  if (side_ == WebSocketSide::kClient) return;
  for (std::size_t i = 0; i < count; ++i) {
    bytes[i] = static_cast<char>(bytes[i] ^ mask_[(mask_at_ + i) & 3]);
  }
  mask_at_ = static_cast<std::uint8_t>((mask_at_ + count) & 3);
}

WebSocketDecoder::Step WebSocketDecoder::next(std::span<char> input) {
  std::size_t used = 0;
  while (!refused_) {
    if (in_frame_ && is_control(opcode_)) return take_control(input, used);
    if (in_frame_ && (frame_left_ != 0 || fin_)) return take_data(input, used);
    in_frame_ = false;  // an empty fragment that ends nothing is not worth a step
    // Bytes after a close frame mean nothing (RFC 6455 §1.4).
    if (closed_) return {State::kMore, input.size(), {}, Opcode::kClose, false};
    if (used == input.size()) return {State::kMore, used, {}, opcode_, false};
    head_[head_bytes_++] = input[used++];
    if (head_bytes_ == head_size()) read_head();
  }
  return {State::kRefused, used, {}, opcode_, false};
}

WebSocketDecoder::Step WebSocketDecoder::take_data(std::span<char> input, std::size_t used) {
  const std::size_t length =
      static_cast<std::size_t>(std::min<std::uint64_t>(frame_left_, input.size() - used));
  if (length == 0 && frame_left_ != 0) return {State::kMore, used, {}, opcode_, false};
  char* const bytes = input.data() + used;
  unmask(bytes, length);
  frame_left_ -= length;
  used += length;
  in_frame_ = frame_left_ != 0;
  const std::string_view payload(bytes, length);
  const Opcode opcode = message_opcode_;
  const bool message_end = fin_ && !in_frame_;
  if (opcode == Opcode::kText && (!utf8_.feed(payload) || (message_end && !utf8_.whole()))) {
    refuse(kCloseInvalidText, "text is not UTF-8");
    return {State::kRefused, used, {}, opcode, false};
  }
  if (message_end) message_opcode_ = Opcode::kContinuation;
  return {State::kData, used, payload, opcode, message_end};
}

WebSocketDecoder::Step WebSocketDecoder::take_control(std::span<char> input, std::size_t used) {
  const std::size_t length =
      static_cast<std::size_t>(std::min<std::uint64_t>(frame_left_, input.size() - used));
  if (length != 0) {
    unmask(input.data() + used, length);
    std::copy_n(input.data() + used, length, control_.begin() + control_bytes_);
  }
  control_bytes_ = static_cast<std::uint8_t>(control_bytes_ + length);
  frame_left_ -= length;
  used += length;
  if (frame_left_ != 0) return {State::kMore, used, {}, opcode_, false};
  in_frame_ = false;
  const std::string_view payload(control_.data(), control_bytes_);
  if (opcode_ == Opcode::kClose && !read_close(payload)) {
    return {State::kRefused, used, {}, opcode_, false};
  }
  return {State::kControl, used, payload, opcode_, false};
}

bool WebSocketDecoder::read_close(std::string_view payload) {
  closed_ = true;
  close_code_ = kCloseNone;
  if (payload.empty()) return true;
  if (payload.size() == 1) return refuse(kCloseProtocolError, "close frame of one byte");
  const auto code = static_cast<std::uint16_t>(big_endian(payload.data(), 2));
  if (!is_sendable_close_code(code)) return refuse(kCloseProtocolError, "invalid close code");
  Utf8Check reason_check;
  if (!reason_check.feed(payload.substr(2)) || !reason_check.whole()) {
    return refuse(kCloseInvalidText, "close reason is not UTF-8");
  }
  close_code_ = code;
  close_reason_ = payload.substr(2);
  return true;
}

void append_websocket_frame(std::string& out, Opcode opcode, std::string_view payload, bool fin,
                            std::optional<std::array<char, 4>> mask) {
  assert(!is_control(opcode) || (fin && payload.size() <= 125));
  const auto append_length = [&out, &payload](unsigned bytes) {
    for (unsigned i = bytes; i-- > 0;) {
      out += static_cast<char>((static_cast<std::uint64_t>(payload.size()) >> (8 * i)) & 0xff);
    }
  };
  const unsigned mask_bit = mask ? 0x80u : 0u;
  out += static_cast<char>((fin ? 0x80u : 0u) | static_cast<unsigned>(opcode));
  if (payload.size() < 126) {
    out += static_cast<char>(mask_bit | static_cast<unsigned>(payload.size()));
  } else if (payload.size() < 65536) {
    out += static_cast<char>(mask_bit | 126u);
    append_length(2);
  } else {
    out += static_cast<char>(mask_bit | 127u);
    append_length(8);
  }
  if (!mask) {
    out += payload;
    return;
  }
  out.append(mask->data(), mask->size());
  for (std::size_t i = 0; i < payload.size(); ++i) {
    out += static_cast<char>(payload[i] ^ (*mask)[i & 3]);
  }
}

void append_websocket_close(std::string& out, std::uint16_t code, std::string_view reason,
                            std::optional<std::array<char, 4>> mask) {
  assert(is_sendable_close_code(code));
  std::size_t length = std::min<std::size_t>(reason.size(), 123);  // 125 less the code
  // Not within a character: its continuation bytes are 10xxxxxx.
  while (length != 0 && length < reason.size() &&
         (static_cast<std::uint8_t>(reason[length]) & 0xc0) == 0x80) {
    --length;
  }
  std::string payload;
  payload += static_cast<char>(code >> 8);
  payload += static_cast<char>(code & 0xff);
  payload += reason.substr(0, length);
  append_websocket_frame(out, Opcode::kClose, payload, true, mask);
}

}  // namespace gatehouse::net

#include "net/chunked.h"

#include <algorithm>
#include <cassert>
#include <limits>

#include "net/char_class.h"

namespace gatehouse::net {

namespace {

// No sender in use writes extensions; signatures in them (AWS) take 85 bytes.
constexpr std::size_t kSizeLineBytes = 256;
// For the message as a whole: what a client may waste on them.
constexpr std::size_t kExtensionBytes = 16 * 1024;
// Trailers carry a checksum or a status, not content.
constexpr HeadLimits kTrailerLimits{.head_bytes = 8 * 1024, .headers = 32, .target_bytes = 0};

}  // namespace

bool ChunkedDecoder::refuse(std::string_view reason) {
  error_ = {400, reason};
  at_ = At::kRefused;
  return false;
}

// Everything but payload and trailers, a byte at a time: these lines are short.
bool ChunkedDecoder::take_frame_byte(char c) {
  switch (at_) {
    case At::kSizeStart:
    case At::kSize: {
      if (const int digit = hex_value(c); digit >= 0) {
        if (++size_digits_ > 16) return refuse("chunk size too long");
        // The product must stay an int64, as for Content-Length.
        if (chunk_left_ > (std::uint64_t{std::numeric_limits<std::int64_t>::max()} >> 4)) {
          return refuse("chunk size too large");
        }
        chunk_left_ = (chunk_left_ << 4) | static_cast<unsigned>(digit);
        at_ = At::kSize;
        return true;
      }
      if (at_ == At::kSizeStart) return refuse("chunk size missing");
      if (c == ';') {
        at_ = At::kExtension;
        line_bytes_ = 1;
        ++extension_bytes_;
        return true;
      }
      if (c != '\r') return refuse("invalid chunk size");
      at_ = At::kSizeLf;
      return true;
    }
    case At::kExtension:
      if (c == '\r') {
        at_ = At::kSizeLf;
        return true;
      }
      if (!is_class(c, kFieldChar)) return refuse("control character in a chunk extension");
      if (++line_bytes_ > kSizeLineBytes || ++extension_bytes_ > kExtensionBytes) {
        return refuse("chunk extensions too long");
      }
      return true;
    case At::kSizeLf:
      if (c != '\n') return refuse("bare CR after a chunk size");
      if (chunk_left_ > std::numeric_limits<std::int64_t>::max() - payload_bytes_) {
        return refuse("body too large");
      }
      at_ = chunk_left_ == 0 ? At::kTrailer : At::kPayload;
      size_digits_ = 0;
      return true;
    case At::kPayloadCr:
      if (c != '\r') return refuse("chunk longer than its size");
      at_ = At::kPayloadLf;
      return true;
    case At::kPayloadLf:
      if (c != '\n') return refuse("chunk longer than its size");
      at_ = At::kSizeStart;
      return true;
    default: return refuse("chunk framing");  // the other states are not read here
  }
}

bool ChunkedDecoder::take_trailer_byte(char c) {
  if (trailer_text_.size() == kTrailerLimits.head_bytes) return refuse("trailers too long");
  trailer_text_ += c;
  if (at_ == At::kTrailerLf) {
    if (c != '\n') return refuse("bare CR in a trailer");
    const bool empty_line = trailer_text_.size() - trailer_line_start_ == 2;
    trailer_line_start_ = trailer_text_.size();
    at_ = At::kTrailer;
    return empty_line ? end_trailers() : true;
  }
  if (c == '\r') {
    at_ = At::kTrailerLf;
    return true;
  }
  return is_class(c, kFieldChar) ? true : refuse("control character in a trailer");
}

bool ChunkedDecoder::end_trailers() {
  at_ = At::kDone;
  if (trailer_text_.size() == 2) return true;
  if (const ParseError error = parse_trailers(trailer_text_, kTrailerLimits, trailers_);
      !error.ok()) {
    return refuse(error.reason);
  }
  return true;
}

ChunkedDecoder::Step ChunkedDecoder::next(std::span<const char> input) {
  std::size_t used = 0;
  while (true) {
    if (at_ == At::kDone) return {State::kDone, used, {}};
    if (at_ == At::kRefused) return {State::kRefused, used, {}};
    if (used == input.size()) return {State::kMore, used, {}};
    if (at_ == At::kPayload) {
      const std::size_t length =
          static_cast<std::size_t>(std::min<std::uint64_t>(chunk_left_, input.size() - used));
      const std::string_view payload(input.data() + used, length);
      chunk_left_ -= length;
      payload_bytes_ += length;
      if (chunk_left_ == 0) at_ = At::kPayloadCr;
      return {State::kPayload, used + length, payload};
    }
    const char c = input[used++];
    if (at_ == At::kTrailer || at_ == At::kTrailerLf) {
      take_trailer_byte(c);
    } else {
      take_frame_byte(c);
    }
  }
}

void ChunkedDecoder::reset() {
  at_ = At::kSizeStart;
  size_digits_ = 0;
  line_bytes_ = 0;
  extension_bytes_ = 0;
  chunk_left_ = 0;
  payload_bytes_ = 0;
  trailer_line_start_ = 0;
  trailer_text_.clear();
  trailers_.clear();
  error_ = {};
}

ChunkHead::ChunkHead(std::uint64_t size) : start_(sizeof text_) {
  assert(size > 0);
  text_[--start_] = '\n';
  text_[--start_] = '\r';
  do {
    text_[--start_] = "0123456789abcdef"[size & 15];
    size >>= 4;
  } while (size != 0);
}

void append_chunk(std::string& out, std::string_view payload) {
  if (payload.empty()) return;
  out += ChunkHead(payload.size()).view();
  out += payload;
  out += kChunkEnd;
}

bool append_last_chunk(std::string& out, const HeaderList& trailers) {
  const std::size_t before = out.size();
  out += "0\r\n";
  for (const Header& trailer : trailers) {
    if (append_header(out, trailer.name, trailer.value)) continue;
    out.resize(before);
    return false;
  }
  out += "\r\n";
  return true;
}

}  // namespace gatehouse::net

// What must hold of any bytes whatever, checked by the corpus test and by the
// fuzz targets: feeding in pieces agrees with feeding at once, and whatever is
// accepted can be written out and read back as the same message. Each function
// gives what was violated, or an empty string.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

#include "net/chunked.h"
#include "net/http.h"
#include "net/http_parser.h"

namespace gatehouse::net::invariants {

inline bool same_headers(const HeaderList& a, const HeaderList& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Header& x, const Header& y) {
    return x.name == y.name && x.value == y.value;
  });
}

inline bool same_request(const RequestHead& a, const RequestHead& b) {
  return a.method == b.method && a.framing == b.framing && a.minor_version == b.minor_version &&
         a.keep_alive == b.keep_alive && a.expect_continue == b.expect_continue &&
         a.upgrade_websocket == b.upgrade_websocket && a.content_length == b.content_length &&
         a.method_text == b.method_text && a.target == b.target && a.path == b.path &&
         a.query == b.query && a.host == b.host && same_headers(a.headers, b.headers);
}

inline bool same_response(const ResponseHead& a, const ResponseHead& b) {
  return a.status == b.status && a.minor_version == b.minor_version && a.framing == b.framing &&
         a.keep_alive == b.keep_alive && a.content_length == b.content_length &&
         same_headers(a.headers, b.headers);
}

// Feeds `bytes` to `end` as a connection would: each time all that has come,
// `piece` bytes more than before.
inline HeadEnd::State feed_head(HeadEnd& end, std::string_view bytes, std::size_t piece) {
  for (std::size_t have = piece; have < bytes.size(); have += piece) {
    if (const auto state = end.advance(bytes.substr(0, have)); state != HeadEnd::State::kMore) {
      return state;
    }
  }
  return end.advance(bytes);
}

inline std::string check_head_end(std::string_view bytes, std::size_t piece, HeadEnd& at_once) {
  HeadEnd in_pieces;
  const auto state = at_once.advance(bytes);
  if (feed_head(in_pieces, bytes, piece) != state) return "HeadEnd depends on the pieces";
  if (state == HeadEnd::State::kFound && in_pieces.size() != at_once.size()) {
    return "the head's size depends on the pieces";
  }
  // A limit may be met before the control character behind it, never a different refusal.
  if (state == HeadEnd::State::kRefused && in_pieces.error().status != at_once.error().status) {
    return "the refusal depends on the pieces";
  }
  return {};
}

struct Body {
  ChunkedDecoder::State state = ChunkedDecoder::State::kMore;
  std::size_t consumed = 0;
  std::string payload;
};

inline Body feed_chunked(ChunkedDecoder& decoder, std::string_view bytes, std::size_t piece) {
  Body body;
  while (body.consumed < bytes.size()) {
    const auto step = decoder.next(bytes.substr(body.consumed, piece));
    body.state = step.state;
    body.consumed += step.consumed;
    body.payload += step.payload;
    if (step.state == ChunkedDecoder::State::kDone) break;
    if (step.state == ChunkedDecoder::State::kRefused) break;
  }
  if (body.state == ChunkedDecoder::State::kPayload) body.state = ChunkedDecoder::State::kMore;
  return body;
}

// `consumed` becomes the bytes of the body, where it is whole.
inline std::string check_chunked(std::string_view bytes, std::size_t piece,
                                 std::size_t* consumed = nullptr) {
  ChunkedDecoder at_once;
  ChunkedDecoder in_pieces;
  const Body whole = feed_chunked(at_once, bytes, std::max<std::size_t>(bytes.size(), 1));
  const Body pieces = feed_chunked(in_pieces, bytes, piece);
  if (whole.state != pieces.state || whole.consumed != pieces.consumed ||
      whole.payload != pieces.payload || at_once.error().reason != in_pieces.error().reason) {
    return "chunked decoding depends on the pieces";
  }
  if (consumed != nullptr) *consumed = whole.consumed;
  if (whole.state != ChunkedDecoder::State::kDone) return {};
  if (!same_headers(at_once.trailers(), in_pieces.trailers())) {
    return "trailers depend on the pieces";
  }
  std::string written;
  append_chunk(written, whole.payload);
  if (!append_last_chunk(written, at_once.trailers())) return "a trailer cannot be written";
  ChunkedDecoder again;
  const Body second = feed_chunked(again, written, written.size());
  if (second.state != ChunkedDecoder::State::kDone || second.consumed != written.size() ||
      second.payload != whole.payload || !same_headers(again.trailers(), at_once.trailers())) {
    return "a chunked body is not read back";
  }
  return {};
}

// Checks the message that `bytes` start with. Where it is accepted and whole
// (or has no body), `size` becomes its bytes, and 0 otherwise.
inline std::string check_request(std::string_view bytes, std::size_t piece, std::size_t& size) {
  size = 0;
  HeadEnd end;
  if (const std::string wrong = check_head_end(bytes, piece, end); !wrong.empty()) return wrong;
  const bool found = end.advance(bytes) == HeadEnd::State::kFound;
  RequestHead request;
  if (parse_request(bytes, HeadLimits{}, request).ok() && !(found && end.size() == bytes.size())) {
    return "the parser accepts a head that HeadEnd does not find";
  }
  if (!found) return {};
  const std::string_view head = bytes.substr(0, end.size());
  if (parse_request(head.substr(0, head.size() - 1), HeadLimits{}, request).ok()) {
    return "a cut head is accepted";
  }
  if (!parse_request(head, HeadLimits{}, request).ok()) return {};
  std::string written;
  if (!append_request_head(written, request.method_text, request.target, request.headers)) {
    return "an accepted request cannot be written";
  }
  if (request.minor_version == 0) written[written.find("HTTP/1.1\r\n") + 7] = '0';
  RequestHead again;
  // What was written may be longer by the space after each colon.
  const HeadLimits roomy{.head_bytes = 2 * HeadLimits{}.head_bytes};
  if (!parse_request(written, roomy, again).ok() || !same_request(request, again)) {
    return "a request is not read back: " + written;
  }
  size = head.size();
  if (request.framing != BodyFraming::kChunked) return {};
  std::size_t body = 0;
  const std::string wrong = check_chunked(bytes.substr(head.size()), piece, &body);
  size += body;
  return wrong;
}

inline std::string check_response(std::string_view bytes, std::size_t piece, Method method) {
  HeadEnd end;
  if (const std::string wrong = check_head_end(bytes, piece, end); !wrong.empty()) return wrong;
  if (end.advance(bytes) != HeadEnd::State::kFound) return {};
  const std::string_view head = bytes.substr(0, end.size());
  ResponseHead response;
  if (!parse_response(head, method, HeadLimits{}, response).ok()) return {};
  std::string written;
  if (!append_response_head(written, response.status, response.reason, response.headers)) {
    return "an accepted response cannot be written";
  }
  if (response.minor_version == 0) written[7] = '0';
  ResponseHead again;
  const HeadLimits roomy{.head_bytes = 2 * HeadLimits{}.head_bytes};
  if (!parse_response(written, method, roomy, again).ok() || !same_response(response, again)) {
    return "a response is not read back: " + written;
  }
  if (response.framing != BodyFraming::kChunked) return {};
  return check_chunked(bytes.substr(head.size()), piece);
}

}  // namespace gatehouse::net::invariants

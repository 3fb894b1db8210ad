// Replies: a head rendered into the Server's text buffer and sent with the body
// by one system call. What the kernel does not take at once is waited for; the
// handler's views stay good meanwhile, so that nothing but the head is copied.
#include <algorithm>
#include <array>
#include <charconv>

#include "base/log.h"
#include "base/text.h"
#include "net/connection.h"

namespace gatehouse::net {

namespace {

bool without_body(int status) { return status < 200 || status == 204 || status == 304; }

// Fields that this layer writes itself, or that would break what it writes.
bool written_here(std::string_view name) {
  switch (name.size()) {
    case 4: return equal_ignoring_case(name, "date");
    case 7: return equal_ignoring_case(name, "upgrade") || equal_ignoring_case(name, "trailer");
    case 10:
      return equal_ignoring_case(name, "connection") || equal_ignoring_case(name, "keep-alive");
    case 14: return equal_ignoring_case(name, "content-length");
    case 17: return equal_ignoring_case(name, "transfer-encoding");
    default: return false;
  }
}

void append_number(std::string& out, uint64_t number) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  out.append(digits, end);
}

iovec part_of(std::string_view bytes) { return {const_cast<char*>(bytes.data()), bytes.size()}; }

std::string_view code_of(int status) {
  switch (status) {
    case 400: return "bad_request";
    case 408: return "request_timeout";
    case 413: return "body_too_long";
    case 414: return "target_too_long";
    case 417: return "expectation_failed";
    case 431: return "headers_too_large";
    case 501: return "not_implemented";
    case 503: return "overloaded";
    case 505: return "http_version_not_supported";
    default: return "internal_error";
  }
}

Status replied_already() { return internal_error("this request was replied to already"); }

}  // namespace

std::string error_body(int status, std::string_view message) {
  std::string body = R"({"error":{"message":)";
  append_json_string(body, message);
  body += status == 500 || status == 503 ? R"(,"type":"server_error","code":")"
                                         : R"(,"type":"invalid_request_error","code":")";
  body += code_of(status);
  body += "\"}}";
  return body;
}

bool Http1Exchange::will_close() const {
  if (!request_.keep_alive || context_.draining || body_broken_ || continue_due_) return true;
  // More than is worth reading past is left of the body (see drain_body).
  return !body_done_ && request_.framing == BodyFraming::kLength && body_left_ > 256 * 1024;
}

IoWait Http1Exchange::write_wait() {
  return {kNever, config_->options.write_stall_timeout_ms, cancel_ ? &*cancel_ : nullptr};
}

Status Http1Exchange::append_reply_head(int status, std::span<const Header> headers,
                                        std::string_view content_type, int64_t content_length,
                                        bool chunked) {
  std::string& out = context_.head_text;
  out.clear();
  if (status < 200 || status > 599) {
    return invalid_argument("a reply's status must be 200 to 599, not " + std::to_string(status));
  }
  out += "HTTP/1.1 ";
  append_number(out, static_cast<uint64_t>(status));
  out += ' ';
  out += reason_phrase(status);
  out += "\r\n";
  out += "Date: ";
  out += context_.date();
  out += "\r\n";
  if (!content_type.empty() && !append_header(out, "Content-Type", content_type)) {
    return invalid_argument("the reply's content type is not a header value");
  }
  for (const Header& header : headers) {
    if (written_here(header.name)) continue;
    if (!append_header(out, header.name, header.value)) {
      return invalid_argument("the reply's header \"" + std::string(header.name) +
                              "\" cannot be written: its name or value is malformed");
    }
  }
  if (content_length >= 0 && status != 204) {
    out += "Content-Length: ";
    append_number(out, static_cast<uint64_t>(content_length));
    out += "\r\n";
  } else if (chunked) {
    out += "Transfer-Encoding: chunked\r\n";
  }
  if (close_) {
    out += "Connection: close\r\n";
  } else if (request_.minor_version == 0) {
    out += "Connection: keep-alive\r\n";
  }
  out += "\r\n";
  return {};
}

// Writes what the kernel takes at once; `parts` becomes the rest.
Status Http1Exchange::sent_whole(std::span<iovec>& parts) {
  parts = advance_parts(parts, 0);
  while (!parts.empty()) {
    const ssize_t sent = socket_->try_write(parts);
    if (sent == Socket::kFailed) return socket_->last_error();
    if (sent == Socket::kWait) break;
    context_.counters.bytes_out.fetch_add(sent, std::memory_order_relaxed);
    parts = advance_parts(parts, static_cast<size_t>(sent));
  }
  return {};
}

// Sends `parts`, the first of which lies in the shared head text.
Task<Status> Http1Exchange::send(std::span<iovec> parts) {
  iovec* const head = parts.data();
  Status status = sent_whole(parts);
  if (status.ok() && !parts.empty()) {
    std::string kept;
    if (parts.data() == head) {
      kept.assign(static_cast<const char*>(head->iov_base), head->iov_len);
      head->iov_base = kept.data();
    }
    int64_t left = 0;
    for (const iovec& part : parts) left += static_cast<int64_t>(part.iov_len);
    status = co_await socket_->write(parts, write_wait());
    context_.counters.bytes_out.fetch_add(left, std::memory_order_relaxed);
  }
  if (!status.ok()) {
    phase_ = Phase::kAborted;
    co_return Status(Code::kCancelled, "the client is gone: " + status.message());
  }
  co_return status;
}

Task<Status> Http1Exchange::reply(const Reply& reply) {
  if (phase_ != Phase::kNone) co_return replied_already();
  close_ = will_close();
  const auto length = static_cast<int64_t>(reply.body.size());
  CO_RETURN_IF_ERROR(
      append_reply_head(reply.status, reply.headers, reply.content_type, length, false));
  phase_ = Phase::kDone;
  iovec parts[2] = {part_of(context_.head_text), part_of(reply.body)};
  if (request_.method == Method::kHead || without_body(reply.status)) parts[1].iov_len = 0;
  co_return co_await send(parts);
}

Task<void> Http1Exchange::refuse(int status, std::string_view message) {
  if (phase_ != Phase::kNone) co_return;
  close_ = true;
  const std::string body = error_body(status, message);
  const auto length = static_cast<int64_t>(body.size());
  if (!append_reply_head(status, {}, "application/json", length, false).ok()) co_return;
  phase_ = Phase::kDone;
  iovec parts[2] = {part_of(context_.head_text), part_of(body)};
  if (request_.method == Method::kHead) parts[1].iov_len = 0;
  (void)co_await send(parts);
}

Task<Status> Http1Exchange::start(int status, std::span<const Header> headers,
                                  std::string_view first) {
  if (phase_ != Phase::kNone) co_return replied_already();
  head_only_ = request_.method == Method::kHead || without_body(status);
  reply_left_ = -1;
  for (const Header& header : headers) {
    if (!equal_ignoring_case(header.name, "content-length")) continue;
    const auto length = parse_uint(header.value);
    if (!length || *length > INT64_MAX) {
      co_return invalid_argument("the reply's Content-Length is not a number");
    }
    reply_left_ = static_cast<int64_t>(*length);
  }
  chunked_ = reply_left_ < 0 && !without_body(status) && request_.minor_version == 1;
  // To HTTP/1.0 the end of the connection is the end of the body.
  const bool until_close = reply_left_ < 0 && !without_body(status) && !chunked_;
  close_ = will_close() || until_close;
  CO_RETURN_IF_ERROR(append_reply_head(status, headers, {}, reply_left_, chunked_));
  phase_ = Phase::kStreaming;
  co_return co_await send_piece(context_.head_text, first, {});
}

Task<Status> Http1Exchange::write(std::string_view piece) {
  if (phase_ == Phase::kAborted) co_return Status(Code::kCancelled, "the client is gone");
  if (phase_ != Phase::kStreaming) co_return internal_error("no reply was started");
  if (head_only_ || piece.empty()) co_return Status();
  co_return co_await send_piece({}, piece, {});
}

// A piece of the body between what may stand before and behind it, by one system call.
Task<Status> Http1Exchange::send_piece(std::string_view before, std::string_view piece,
                                       std::string_view behind) {
  if (head_only_) piece = {};
  if (!chunked_ && reply_left_ >= 0) {
    if (static_cast<int64_t>(piece.size()) > reply_left_) {
      abort();
      co_return internal_error("the reply is longer than its Content-Length");
    }
    reply_left_ -= static_cast<int64_t>(piece.size());
  }
  std::optional<ChunkHead> head;
  if (chunked_ && !piece.empty()) head.emplace(piece.size());
  iovec parts[5] = {part_of(before), part_of(head ? head->view() : std::string_view()),
                    part_of(piece), part_of(head ? kChunkEnd : std::string_view()),
                    part_of(behind)};
  co_return co_await send(parts);
}

Task<Status> Http1Exchange::finish(std::string_view last, std::span<const Header> trailers) {
  if (phase_ == Phase::kAborted) co_return Status(Code::kCancelled, "the client is gone");
  if (phase_ != Phase::kStreaming) co_return internal_error("no reply was started");
  if (reply_left_ > static_cast<int64_t>(last.size()) && !head_only_) {
    abort();
    co_return internal_error("the reply is shorter than its Content-Length");
  }
  std::string end;
  if (chunked_ && !head_only_) {
    HeaderList list;
    for (const Header& trailer : trailers) list.add(trailer.name, trailer.value);
    if (!append_last_chunk(end, list)) {
      abort();
      co_return invalid_argument("a trailer's name or value is malformed");
    }
  }
  Status sent = co_await send_piece({}, last, end);
  if (sent.ok()) phase_ = Phase::kDone;
  co_return sent;
}

void Http1Exchange::abort() { phase_ = Phase::kAborted; }

Task<Result<Upgraded>> Http1Exchange::upgrade(std::span<const Header> headers) {
  if (phase_ != Phase::kNone) co_return replied_already();
  if (!body_done_) co_return invalid_argument("a request with a body cannot be upgraded");
  std::string& out = context_.head_text;
  out = "HTTP/1.1 101 Switching Protocols\r\n";
  for (const Header& header : headers) {
    if (!append_header(out, header.name, header.value)) {
      co_return invalid_argument("a header of the upgrade is malformed");
    }
  }
  out += "\r\n";
  phase_ = Phase::kUpgraded;
  iovec part = part_of(out);
  CO_RETURN_IF_ERROR(co_await send(std::span(&part, 1)));
  Upgraded upgraded;
  upgraded.socket = socket_;
  upgraded.early = std::exchange(raw_, {});
  co_return upgraded;
}

}  // namespace gatehouse::net

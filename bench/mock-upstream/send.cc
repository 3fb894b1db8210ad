// How the mock sends a reply: head, body or events at their pace, as chunks or not, and
// where it breaks off. A reply is whole when its last byte has been written.
#include <algorithm>

#include "mock-upstream/json.h"
#include "mock-upstream/worker.h"

namespace mock {
namespace {

using Phase = Connection::Phase;

// A filled-up body is written in parts of this size while the client keeps up.
constexpr size_t kPartBytes = 256u << 10;

void append_hex(std::string& out, size_t value) {
  static constexpr char kHex[] = "0123456789abcdef";
  char digits[16];
  size_t count = 0;
  do {
    digits[count++] = kHex[value & 15];
    value >>= 4;
  } while (value > 0);
  while (count > 0) out += digits[--count];
}

}  // namespace

// Writes the head, then the body or the first events.
void Worker::send_reply(Connection& conn) {
  const Reply& reply = conn.reply;
  std::string& out = conn.out;
  const bool plain = conn.plain;
  std::string_view framing = plain ? std::string_view() : std::string_view(conn.behavior.framing);
  if (framing.empty())
    framing = reply.stream || (!plain && conn.behavior.split_bytes > 0) ? "chunked" : "length";
  if (conn.request.close && framing == "chunked" &&
      conn.request.head.find(" HTTP/1.0\r\n") != std::string::npos)
    framing = "close";
  conn.chunked = framing == "chunked";
  if (framing == "close" || (!plain && conn.behavior.close)) conn.close_after = true;

  out += "HTTP/1.1 ";
  append_number(out, reply.status);
  out += ' ';
  out += status_text(reply.status);
  out += "\r\ncontent-type: ";
  out += reply.stream ? std::string_view("text/event-stream; charset=utf-8") : reply.content_type;
  if (reply.stream) out += "\r\ncache-control: no-cache";
  out += "\r\nx-request-id: req_mock";
  append_number(out, static_cast<int64_t>(conn.ask.serial));
  if (conn.chunked) {
    out += "\r\ntransfer-encoding: chunked\r\n";
  } else if (framing == "length") {
    int64_t length = static_cast<int64_t>(reply.body.size());
    for (const Event& event : reply.events) length += static_cast<int64_t>(event.text.size());
    if (!plain && !reply.stream) length += conn.behavior.body_bytes;
    if (!plain) length = std::max<int64_t>(0, length + conn.behavior.content_length_delta);
    out += "\r\ncontent-length: ";
    append_number(out, length);
    out += "\r\n";
    if (!plain && conn.behavior.content_length_delta != 0) conn.close_after = true;
  } else {
    out += "\r\n";
  }
  if (conn.close_after) out += "connection: close\r\n";
  out += reply.headers;
  if (!plain && conn.behavior.cut == "mid-headers") {
    if (conn.behavior.cut_reset) conn.transport.reset_on_close();
    conn.close_after = true;
    conn.phase = Phase::kSending;
    settle(conn);
    return;
  }
  out += "\r\n";
  if (conn.in_call) stats_.count_status(reply.status);
  state_.update(conn.call, [&](CallRecord& call) { call.status = reply.status; });
  if (conn.request.method == "HEAD") {
    conn.phase = Phase::kSending;
    settle(conn);
  } else if (reply.stream) {
    pump_events(conn);
  } else {
    send_body(conn);
  }
}

void Worker::send_body(Connection& conn) {
  conn.phase = Phase::kSending;
  const Reply& reply = conn.reply;
  uint64_t fill =
      conn.plain ? 0 : static_cast<uint64_t>(std::max<int64_t>(0, conn.behavior.body_bytes));
  const bool cut = !conn.plain && conn.behavior.cut == "mid-body";
  if (fill == 0) {
    append_part(
        conn,
        std::string_view(reply.body).substr(0, cut ? reply.body.size() / 2 : std::string::npos));
    if (conn.chunked && !cut) conn.out += "0\r\n\r\n";
  } else {
    // Spaces after a JSON object are still JSON.
    const size_t at = std::min(reply.fill_at, reply.body.size());
    append_part(conn, std::string_view(reply.body).substr(0, at));
    conn.after_fill = cut ? std::string() : reply.body.substr(at);
    conn.fill_left = cut ? fill / 2 : fill;
  }
  if (cut) {
    conn.close_after = true;
    if (conn.behavior.cut_reset) conn.transport.reset_on_close();
  }
  settle(conn);
}

// Queues part of a body, as chunks when the reply is chunked.
void Worker::append_part(Connection& conn, std::string_view part) {
  if (!conn.chunked) {
    conn.out += part;
    return;
  }
  const size_t limit = conn.plain || conn.behavior.split_bytes <= 0
                           ? part.size()
                           : static_cast<size_t>(conn.behavior.split_bytes);
  while (!part.empty()) {
    const std::string_view chunk = part.substr(0, limit);
    append_hex(conn.out, chunk.size());
    conn.out += "\r\n";
    conn.out += chunk;
    conn.out += "\r\n";
    part.remove_prefix(chunk.size());
  }
}

// Queues the events that are due; returns having set a timer, or at the end.
void Worker::pump_events(Connection& conn) {
  const Behavior& behavior = conn.plain ? behaviors_->otherwise : conn.behavior;
  std::vector<Event>& events = conn.reply.events;
  while (conn.next_event < events.size()) {
    if (!conn.plain && interrupt_stream(conn, conn.next_event)) return;
    if (!conn.plain && (behavior.ttft_ms > 0 || behavior.token_ms > 0)) {
      if (conn.due_ns == 0) conn.due_ns = after_ms(behavior.ttft_ms);
      // All before the first token waits with it; what follows the last goes at once.
      const bool before_first = conn.next_event == 0;
      if ((before_first || events[conn.next_event].token) && monotonic_ns() < conn.due_ns) {
        conn.phase = Phase::kWaiting;
        if (!flush(conn)) {
          drop(conn, true);
          return;
        }
        set_timer(conn, conn.due_ns);
        return;
      }
      if (events[conn.next_event].token)
        conn.due_ns += static_cast<int64_t>(behavior.token_ms * 1e6);
    }
    append_part(conn, events[conn.next_event++].text);
  }
  if (!conn.plain && interrupt_stream(conn, conn.next_event)) return;
  if (conn.chunked) conn.out += "0\r\n\r\n";
  conn.phase = Phase::kSending;
  settle(conn);
}

// Cuts, stalls or breaks off a stream of which `sent` events are queued. True when
// the stream goes no further now.
bool Worker::interrupt_stream(Connection& conn, size_t sent) {
  const Behavior& behavior = conn.behavior;
  const auto reached = [&](int64_t at) { return at >= 0 && sent == static_cast<size_t>(at); };
  if (behavior.cut == "mid-stream" && reached(behavior.cut_after_events)) {
    conn.close_after = true;
    conn.phase = Phase::kSending;
    if (behavior.cut_reset) conn.transport.reset_on_close();
    settle(conn);
    return true;
  }
  if (reached(behavior.error_after_events)) {
    append_part(conn, error_event(conn.ask, behavior.fail_status == 0
                                                ? 500
                                                : static_cast<int>(behavior.fail_status)));
    if (conn.chunked) conn.out += "0\r\n\r\n";
    conn.phase = Phase::kSending;
    settle(conn);
    return true;
  }
  if (reached(behavior.stall_after_events) && !conn.stall_over) {
    conn.stall_over = true;
    conn.phase = behavior.stall_ms > 0 ? Phase::kWaiting : Phase::kHeld;
    if (!flush(conn)) {
      drop(conn, true);
    } else if (behavior.stall_ms > 0) {
      set_timer(conn, after_ms(behavior.stall_ms));
    }
    return true;
  }
  return false;
}

// Writes what is queued as far as the client takes it. False when it is gone.
bool Worker::flush(Connection& conn) {
  while (conn.out_pos < conn.out.size()) {
    const ssize_t n =
        conn.transport.write(conn.out.data() + conn.out_pos, conn.out.size() - conn.out_pos);
    if (n < 0) return false;
    if (n == 0) return true;
    conn.out_pos += static_cast<size_t>(n);
    if (conn.call && !conn.head_sent) {
      conn.head_sent = true;
      state_.update(conn.call, [](CallRecord& call) { call.first_byte_ns = monotonic_ns(); });
    }
  }
  conn.out.clear();
  conn.out_pos = 0;
  return true;
}

void Worker::refill(Connection& conn) {
  const size_t part = std::min<uint64_t>(conn.fill_left, kPartBytes);
  append_part(conn, std::string(part, conn.reply.fill_at == SIZE_MAX ? ' ' : 'x'));
  conn.fill_left -= part;
  if (conn.fill_left > 0) return;
  append_part(conn, conn.after_fill);
  if (conn.chunked && conn.behavior.cut != "mid-body") conn.out += "0\r\n\r\n";
}

// kSending: goes on until all is written, then ends the call.
void Worker::settle(Connection& conn) {
  while (true) {
    if (!flush(conn)) {
      drop(conn, true);
      return;
    }
    if (!conn.out.empty()) return;  // the next EPOLLOUT comes here again
    if (conn.fill_left == 0) break;
    refill(conn);
  }
  finish(conn);
}

}  // namespace mock

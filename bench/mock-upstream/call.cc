// The life of a call in the mock: request read, behaviour chosen, reply sent well or
// badly, counted. The plain path (no behaviour set) runs from begin() straight to
// send_reply() in send.cc; all else goes step by step through go_on().
#include <algorithm>

#include "mock-upstream/json.h"
#include "mock-upstream/worker.h"

namespace mock {
namespace {

using Phase = Connection::Phase;
using Step = Connection::Step;

bool credential_is(const Request& request, std::string_view expected) {
  std::string_view bearer = request.header("authorization");
  if (bearer.size() > 7 && same_text(bearer.substr(0, 7), "bearer ")) bearer.remove_prefix(7);
  return bearer == expected || request.header("api-key") == expected ||
         request.header("x-api-key") == expected;
}

}  // namespace

void Worker::read_requests(Connection& conn) {
  conn.reading = true;
  while (conn.phase == Phase::kReading) {
    if (!conn.unread.empty()) {
      std::string data;
      data.swap(conn.unread);
      if (!feed(conn, data)) return;
      continue;
    }
    if (!conn.readable) break;
    const ssize_t n = conn.transport.read(scratch_.data(), scratch_.size());
    if (n < 0) {
      drop(conn, conn.in_call);
      return;
    }
    // TLS hands out a record at a time; a socket that gave less than asked is empty.
    if (n == 0 || (!conn.transport.is_tls() && static_cast<size_t>(n) < scratch_.size()))
      conn.readable = false;
    if (n > 0 && !feed(conn, {scratch_.data(), static_cast<size_t>(n)})) return;
  }
  conn.reading = false;
  if (conn.peer_closed) drop(conn, conn.in_call);
}

// Returns false when the connection is gone.
bool Worker::feed(Connection& conn, std::string_view data) {
  const size_t fd = static_cast<size_t>(conn.transport.fd());
  while (true) {
    switch (conn.reader.read(data, conn.request)) {
      case RequestReader::Step::kNeedMore: return true;
      case RequestReader::Step::kBad:
        stats_.bad_requests.fetch_add(1, std::memory_order_relaxed);
        conn.out += "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        flush(conn);
        drop(conn, false);
        return false;
      case RequestReader::Step::kHeadDone:
        read_target(conn.ask = Ask(), conn.request.target);
        conn.in_call = true;
        if (conn.request.has_mock_headers) {
          conn.id = conn.request.header("x-mock-id");
          if (!conn.id.empty()) conn.call = state_.start_call(conn.id, conn.request, conn.ask);
        }
        if (conn.request.expects_continue) {
          conn.out += "HTTP/1.1 100 Continue\r\n\r\n";
          if (!flush(conn)) {
            drop(conn, true);
            return false;
          }
        }
        break;
      case RequestReader::Step::kDone: {
        conn.unread.assign(data);
        Connection* const before = &conn;
        begin(conn);
        return connections_[fd].get() == before;
      }
    }
  }
}

void Worker::begin(Connection& conn) {
  conn.reply.clear();
  conn.ask.tls = tls_ != nullptr;
  conn.chunked = conn.stall_over = conn.head_sent = false;
  conn.close_after = conn.request.close;
  conn.fill_left = 0;
  conn.next_event = 0;
  if (conn.ask.path.starts_with("/mock/")) {
    conn.plain = true;
    admin_reply(conn.reply, conn.request, conn.ask, state_);
    conn.in_call = false;  // the mock's own routes are no calls
    send_reply(conn);
    return;
  }
  conn.ask.serial = ++serial_;
  if (!conn.request.body.empty()) read_body(conn.ask, conn.request);
  stats_.requests.fetch_add(1, std::memory_order_relaxed);
  const int64_t in_flight = stats_.in_flight.fetch_add(1, std::memory_order_relaxed) + 1;
  if (in_flight > stats_.in_flight_max.load(std::memory_order_relaxed))
    stats_.in_flight_max = in_flight;
  stats_.count(conn.request, conn.ask);
  if (behaviors_version_ != state_.version()) {
    behaviors_version_ = state_.version();
    behaviors_ = state_.behaviors();
  }
  const Behavior& base = behaviors_->of(conn.ask.upstream);
  conn.plain = base.plain && !conn.request.has_mock_headers && conn.ask.mock.empty();
  if (conn.plain) {
    make_reply(conn.reply, conn.request, conn.ask, base);
    send_reply(conn);
    return;
  }
  choose_behavior(conn, base);
  conn.step = Step::kStallFirst;
  go_on(conn);
}

// A request's own wishes come over what is in force for its upstream.
void Worker::choose_behavior(Connection& conn, const Behavior& base) {
  conn.behavior = base;
  for (const Header& header : conn.request.headers) {
    if (header.name.size() > 7 && same_text(header.name.substr(0, 7), "x-mock-") &&
        !same_text(header.name, "x-mock-id")) {
      const std::string wrong = set_behavior(conn.behavior, header.name.substr(7), header.value);
      if (!wrong.empty()) conn.reply.headers += "x-mock-error: " + wrong + "\r\n";
    }
  }
  if (!conn.ask.mock.empty()) {
    const std::string wrong = set_behavior_json(conn.behavior, conn.ask.mock, ",id,");
    if (!wrong.empty()) conn.reply.headers += "x-mock-error: " + wrong + "\r\n";
    if (const std::string_view id = json_member(conn.ask.mock, "id");
        !id.empty() && conn.id.empty()) {
      conn.id = json_text(id);
      conn.call = state_.start_call(conn.id, conn.request, conn.ask);
    }
  }
  state_.update(conn.call, [&](CallRecord& call) { call.body = conn.request.body; });
}

// Takes the next step of a careful call, at once or when its timer fires.
void Worker::go_on(Connection& conn) {
  const Behavior& behavior = conn.behavior;
  conn.phase = Phase::kWaiting;
  if (conn.step == Step::kStallFirst) {
    conn.step = Step::kLatency;
    if (behavior.stall_before_headers) {
      if (behavior.stall_ms <= 0) {
        conn.phase = Phase::kHeld;
      } else {
        set_timer(conn, after_ms(behavior.stall_ms));
      }
      return;
    }
  }
  if (conn.step == Step::kLatency) {
    conn.step = Step::kRespond;
    if (const double wait = latency_ms(behavior); wait > 0) {
      set_timer(conn, after_ms(wait));
      return;
    }
  }
  if (conn.step == Step::kRespond) {
    conn.step = Step::kStream;
    respond(conn);
  } else {
    pump_events(conn);
  }
}

// 0 when the call succeeds.
int Worker::failure_status(Connection& conn) {
  const Behavior& behavior = conn.behavior;
  const int status = behavior.fail_status == 0 ? 500 : static_cast<int>(behavior.fail_status);
  if (behavior.fail_first > 0) {
    const std::string name = std::string(conn.ask.upstream) + '\n' + conn.id;
    if (state_.among_first(name, behavior.fail_first)) return status;
    if (behavior.fail_ratio < 0) return 0;
  }
  const double ratio = behavior.fail_ratio >= 0    ? behavior.fail_ratio
                       : behavior.fail_status != 0 ? 1
                                                   : 0;
  return ratio > 0 && std::uniform_real_distribution<double>()(random_) < ratio ? status : 0;
}

void Worker::respond(Connection& conn) {
  const Behavior& behavior = conn.behavior;
  Reply& reply = conn.reply;
  if (behavior.cut == "before-headers") {
    if (behavior.cut_reset) conn.transport.reset_on_close();
    drop(conn, false);
    return;
  }
  if (behavior.garbage_bytes > 0 && behavior.garbage_in != "body") {
    send_garbage(conn);
    return;
  }
  if (!behavior.expect_auth.empty() && !credential_is(conn.request, behavior.expect_auth)) {
    make_failure(reply, conn.ask, 401, "Incorrect API key provided.");
  } else if (const int status = failure_status(conn); status != 0) {
    make_failure(reply, conn.ask, status,
                 status == 429 ? "Rate limit reached." : "The mock was told to fail.");
    if (!behavior.retry_after.empty())
      reply.headers += "retry-after: " + behavior.retry_after + "\r\n";
    if (behavior.retry_after_ms >= 0)
      reply.headers += "retry-after-ms: " + std::to_string(behavior.retry_after_ms) + "\r\n";
    if (!behavior.should_retry.empty())
      reply.headers += "x-should-retry: " + behavior.should_retry + "\r\n";
  } else if (behavior.echo) {
    append_request_json(reply.body, conn.request.head, conn.request.body);
  } else {
    make_reply(reply, conn.request, conn.ask, behavior);
    if (behavior.error_in_200 && reply.stream) {
      reply.events.assign(1,
                          {error_event(conn.ask, static_cast<int>(behavior.error_class)), false});
      reply.terminal_events = 0;
    } else if (behavior.error_in_200) {
      reply.body.clear();
      make_failure(reply, conn.ask, static_cast<int>(behavior.error_class),
                   "The server had an error while processing your request");
      reply.status = 200;
      reply.fill_at = SIZE_MAX;
    }
    if (behavior.omit_done)
      reply.events.resize(reply.events.size() -
                          std::min(reply.events.size(), reply.terminal_events));
  }
  if (behavior.malformed_json && !reply.events.empty()) {
    std::string& text = reply.events[reply.events.size() / 2].text;
    text.replace(text.size() / 2, std::string::npos, "\n\n");
  } else if (behavior.malformed_json) {
    reply.body.resize(reply.body.size() / 2);
    reply.fill_at = SIZE_MAX;
  }
  if (behavior.garbage_bytes > 0) {
    reply.body.resize(static_cast<size_t>(behavior.garbage_bytes));
    for (char& c : reply.body) c = static_cast<char>(random_());
    reply.stream = false;
  }
  send_reply(conn);
}

void Worker::send_garbage(Connection& conn) {
  for (int64_t i = 0; i < conn.behavior.garbage_bytes; ++i)
    conn.out += static_cast<char>(random_());
  conn.close_after = true;
  conn.phase = Phase::kSending;
  settle(conn);
}

void Worker::finish(Connection& conn) {
  state_.update(conn.call, [](CallRecord& call) { call.finished_ns = monotonic_ns(); });
  conn.call.reset();
  conn.id.clear();
  if (conn.in_call) stats_.in_flight.fetch_sub(1, std::memory_order_relaxed);
  conn.in_call = false;
  conn.due_ns = 0;
  conn.phase = Phase::kReading;
  if (conn.close_after) {
    drop(conn, false);
    return;
  }
  // A timer or a slow client brought us here, not read_requests(): look for more.
  if (!conn.reading) read_requests(conn);
}

// Ends the connection; `departed` when the client closed it before its reply was whole.
void Worker::drop(Connection& conn, bool departed) {
  if (departed && conn.in_call) stats_.closed_early.fetch_add(1, std::memory_order_relaxed);
  state_.update(conn.call, [&](CallRecord& call) {
    (departed ? call.closed_early_ns : call.finished_ns) = monotonic_ns();
  });
  // in_call is set once the head is read, in_flight counts from the whole request.
  if (conn.in_call && conn.phase != Phase::kReading)
    stats_.in_flight.fetch_sub(1, std::memory_order_relaxed);
  stats_.connections_open.fetch_sub(1, std::memory_order_relaxed);
  connections_[static_cast<size_t>(conn.transport.fd())].reset();
}

}  // namespace mock

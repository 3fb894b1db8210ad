// What one ClientCall holds. Recycled, so that a call allocates next to nothing.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "net/buffer.h"
#include "net/chunked.h"
#include "net/client.h"
#include "net/client_pool.h"
#include "net/http_parser.h"

namespace gatehouse::net {

struct ClientCall::State {
  explicit State(Client::State& c) : client(c) {}

  Client::State& client;
  OriginPool* pool = nullptr;  // where a place is held
  std::unique_ptr<ClientConnection> connection;
  ClientRequest request;
  std::string head_text;
  ClientTimes times;

  bool sent_whole = false;
  bool write_failed = false;
  bool reply_begun = false;
  int64_t body_left_to_send = -1;

  Buffer in;  // the reply's head and what came with it
  HeadEnd head_end;
  ResponseHead head;
  bool head_read = false;

  std::string_view raw;  // bytes read and not yet decoded: in `in` or `piece`
  Buffer piece;
  Buffer body;
  ChunkedDecoder decoder;
  uint64_t body_left = 0;
  bool body_done = false;
  Status body_failure;

  Status append_head();
  Task<Status> acquire(bool fresh);
  Task<Status> send_request();
  Task<Status> resend();
  Task<Result<size_t>> receive(char* to, size_t bytes, int64_t deadline_ms);
  Task<Result<bool>> receive_head_bytes(int64_t deadline_ms);
  Result<bool> look_for_head();
  void begin_body();
  Task<Status> fill(int64_t deadline_ms);
  Result<std::string_view> next_piece(bool& more);
  Status fail_body(Status status);
  void end_body();
  // Gives the connection back to the pool, or closes it.
  void release(bool reusable);
  void recycle();
};

}  // namespace gatehouse::net

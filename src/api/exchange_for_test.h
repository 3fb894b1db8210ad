// An Exchange in memory: a request as a test writes it, and what the handler
// answered.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/loop.h"
#include "base/text.h"
#include "net/exchange.h"
#include "wire/json.h"

namespace gatehouse::api::test {

// What was answered.
struct Replied {
  int status = 0;                              // 0: no reply yet
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
  bool finished = false;
  bool aborted = false;

  // The body as JSON; absent where it is none.
  wire::JsonView json() {
    auto read = wire::JsonDocument::parse(body);
    if (!read.ok()) return {};
    document = std::move(*read);
    return document.root();
  }
  // The code of the contract's error object, or "".
  std::string code() { return std::string(json().get("error").get("code").string().value_or("")); }

  wire::JsonDocument document;
};

class FakeExchange : public net::Exchange, public Replied {
 public:
  using Headers = std::vector<std::pair<std::string, std::string>>;

  FakeExchange(Loop& loop, std::string method, std::string target, Headers sent = {},
               std::string sent_body = {})
      : loop_(loop),
        method_(std::move(method)),
        target_(std::move(target)),
        header_text_(std::move(sent)),
        body_(std::move(sent_body)),
        received_ns_(steady_ns()) {
    head_.method_text = method_;
    head_.method = net::method_of(method_);
    head_.target = target_;
    const size_t query = target_.find('?');
    head_.path = std::string_view(target_).substr(0, query);
    if (query != std::string::npos) head_.query = std::string_view(target_).substr(query + 1);
    head_.host = "gate.test:8080";
    head_.headers.add("host", head_.host);
    for (const auto& [name, value] : header_text_) head_.headers.add(name, value);
    head_.framing = body_.empty() ? net::BodyFraming::kNone : net::BodyFraming::kLength;
    head_.content_length = body_.size();
    peer_.address = "192.0.2.7";
  }

  const net::RequestHead& request() const override { return head_; }
  const net::Peer& peer() const override { return peer_; }
  Loop& loop() override { return loop_; }
  int64_t received_ns() const override { return received_ns_; }
  Cancel& cancel() override { return cancel_; }

  Task<Result<std::string_view>> read_body(size_t limit_bytes) override {
    if (body_.size() > limit_bytes) {
      co_return resource_exhausted("the body is longer than " + std::to_string(limit_bytes));
    }
    co_return std::string_view(body_);
  }
  Task<Result<std::string_view>> read_some() override {
    co_return std::exchange(unread_, false) ? std::string_view(body_) : std::string_view{};
  }

  Task<Status> reply(const net::Reply& given) override {
    keep_head(given.status, given.headers);
    if (!given.content_type.empty()) headers["content-type"] = given.content_type;
    if (head_.method != net::Method::kHead) body = given.body;
    finished = true;
    co_return Status();
  }
  Task<Status> start(int given, std::span<const net::Header> list,
                     std::string_view first) override {
    keep_head(given, list);
    co_return co_await write(first);
  }
  Task<Status> write(std::string_view piece) override {
    if (gone) co_return Status(Code::kCancelled, "the client has left");
    body += piece;
    co_return Status();
  }
  Task<Status> finish(std::string_view last, std::span<const net::Header>) override {
    Status sent = co_await write(last);
    finished = sent.ok();
    co_return sent;
  }
  void abort() override { aborted = true; }
  bool replied() const override { return status != 0; }

  void set_peer(net::Peer peer) { peer_ = std::move(peer); }
  void leave() {
    gone = true;
    cancel_.fire();
  }
  bool gone = false;

 private:
  void keep_head(int given, std::span<const net::Header> list) {
    status = given;
    for (const net::Header& header : list) {
      headers[to_lower(header.name)] = header.value;
    }
  }

  Loop& loop_;
  const std::string method_, target_;
  const Headers header_text_;
  const std::string body_;
  const int64_t received_ns_;
  bool unread_ = true;
  net::RequestHead head_;
  net::Peer peer_;
  Cancel cancel_;
};

// Runs the loop until the task has ended.
inline void run(Loop& loop, Task<void> task) {
  bool done = false;
  const auto await = [](Task<void> inner, bool& end) -> Task<void> {
    co_await std::move(inner);
    end = true;
  };
  detach(await(std::move(task), done));
  while (!done) loop.run_for(20);
}

}  // namespace gatehouse::api::test

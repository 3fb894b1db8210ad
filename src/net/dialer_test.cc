#include "net/dialer.h"

#include "net/ip_address.h"
#include "net/net_test_peers.h"

namespace gatehouse::net {
namespace {

using test::ScriptedPeer;

class DialerTest : public testing::Test {
 protected:
  Result<int> dial(Dialer& dialer, const std::string& host, uint16_t port,
                   Reach reach = Reach::kUsual, int64_t timeout_ms = 3000,
                   Cancel* cancel = nullptr) {
    std::optional<Result<int>> got;
    const auto main = [&]() -> Task<void> {
      got = co_await dialer.dial(loop, host, port, reach, steady_ms() + timeout_ms, cancel);
    };
    detach(main());
    const int64_t limit_ms = steady_ms() + 10'000;
    while (!got && steady_ms() < limit_ms) loop.run_for(20);
    loop.run_for(5);
    return *got;
  }

  Loop loop;
  Pool pool{1};
};

TEST_F(DialerTest, ConnectsByNameAndAddress) {
  ScriptedPeer peer([](int, int) {});
  Dialer dialer(pool, {}, nullptr);
  for (const char* host : {"127.0.0.1", "localhost"}) {
    const Result<int> fd = dial(dialer, host, peer.port());
    ASSERT_TRUE(fd.ok()) << fd.status().to_string();
    ::close(*fd);
  }
}

TEST_F(DialerTest, SaysWhyItCannot) {
  Dialer dialer(pool, {}, nullptr);
  const Result<int> refused = dial(dialer, "127.0.0.1", 1);
  EXPECT_EQ(refused.status().code(), Code::kUnavailable);
  EXPECT_NE(refused.status().message().find("127.0.0.1"), std::string::npos);
  const Result<int> unknown = dial(dialer, "no-such-host.invalid", 80);
  EXPECT_FALSE(unknown.ok());
  EXPECT_NE(unknown.status().message().find("no-such-host.invalid"), std::string::npos);
}

TEST_F(DialerTest, MetadataAddressesAreClosed) {
  Dialer dialer(pool, {}, nullptr);
  for (const char* host : {"169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254",
                           "168.63.129.16", "100.100.100.200", "fe80::1", "64:ff9b::a9fe:a9fe"}) {
    const Result<int> refused = dial(dialer, host, 80);
    EXPECT_EQ(refused.status().code(), Code::kPermissionDenied) << host;
    EXPECT_NE(refused.status().message().find("not allowed"), std::string::npos);
  }
  // The allow-list does not open them; only the reach of the identity client does.
  DialOptions options;
  options.allow = {"0.0.0.0/0"};
  dialer.update(options, nullptr);
  EXPECT_EQ(dial(dialer, "169.254.169.254", 80).status().code(), Code::kPermissionDenied);
  options.deny = {"169.254.0.0/16"};
  dialer.update(options, nullptr);
  EXPECT_EQ(dial(dialer, "169.254.169.254", 80, Reach::kLinkLocal).status().code(),
            Code::kPermissionDenied);
}

TEST_F(DialerTest, ListsHoldAfterResolution) {
  ScriptedPeer peer([](int, int) {});
  DialOptions options;
  options.allow = {"10.0.0.0/8"};
  Dialer dialer(pool, options, nullptr);
  const Result<int> refused = dial(dialer, "localhost", peer.port());
  EXPECT_EQ(refused.status().code(), Code::kPermissionDenied);
  options.allow = {"127.0.0.0/8", "::1"};
  dialer.update(options, nullptr);
  const Result<int> open = dial(dialer, "localhost", peer.port());
  ASSERT_TRUE(open.ok()) << open.status().to_string();
  ::close(*open);
  options.deny = {"127.0.0.1", "::1/128"};
  dialer.update(options, nullptr);
  EXPECT_EQ(dial(dialer, "localhost", peer.port()).status().code(), Code::kPermissionDenied);
}

// A socket that takes no connection any more: its queue is full.
class DeafPeer {
 public:
  DeafPeer() {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::bind(fd_, reinterpret_cast<sockaddr*>(&at), sizeof at);
    ::listen(fd_, 0);
    socklen_t bytes = sizeof at;
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&at), &bytes);
    port = ntohs(at.sin_port);
    for (int& each : fillers_) {
      each = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
      (void)::connect(each, reinterpret_cast<sockaddr*>(&at), sizeof at);
    }
  }
  ~DeafPeer() {
    for (const int each : fillers_) ::close(each);
    ::close(fd_);
  }
  uint16_t port;

 private:
  int fd_;
  int fillers_[4];
};

TEST_F(DialerTest, EndsAtTheDeadlineAndOnCancel) {
  const DeafPeer deaf;
  Dialer dialer(pool, {}, nullptr);
  const int64_t begin_ms = steady_ms();
  const Result<int> late = dial(dialer, "127.0.0.1", deaf.port, Reach::kUsual, 80);
  EXPECT_EQ(late.status().code(), Code::kDeadlineExceeded) << late.status().to_string();
  EXPECT_TRUE(late.status().message().starts_with("connect"));
  Cancel cancel;
  Repeat later(loop, 40, [&] { cancel.fire(); });
  const Result<int> cancelled = dial(dialer, "127.0.0.1", deaf.port, Reach::kUsual, 5000, &cancel);
  EXPECT_EQ(cancelled.status().code(), Code::kCancelled);
  EXPECT_LT(steady_ms() - begin_ms, 1000);
}

TEST_F(DialerTest, GoesOnWhileTheFirstAddressIsSilent) {
  // Both addresses have one port; the first is deaf, the second answers.
  const DeafPeer deaf;
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(deaf.port);
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
  ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
  ASSERT_EQ(::listen(fd, 4), 0);
  std::vector<IpAddress> addresses = {*IpAddress::parse("127.0.0.1"),
                                      *IpAddress::parse("127.0.0.2")};
  std::optional<Result<int>> got;
  const int64_t begin_ms = steady_ms();
  const auto main = [&]() -> Task<void> {
    got = co_await dial_any(loop, addresses, deaf.port, "both", steady_ms() + 3000, nullptr);
  };
  detach(main());
  while (!got && steady_ms() - begin_ms < 5000) loop.run_for(20);
  loop.run_for(5);
  ASSERT_TRUE(got->ok()) << got->status().to_string();
  const int64_t took_ms = steady_ms() - begin_ms;
  EXPECT_GE(took_ms, 240);
  EXPECT_LT(took_ms, 600);
  sockaddr_storage to{};
  socklen_t bytes = sizeof to;
  ::getpeername(**got, reinterpret_cast<sockaddr*>(&to), &bytes);
  EXPECT_EQ(IpAddress::from(reinterpret_cast<sockaddr*>(&to))->to_string(), "127.0.0.2");
  ::close(**got);
  ::close(fd);
}

TEST(Cidr, ReadsAndMatches) {
  const auto contains = [](std::string_view range, std::string_view address) {
    return Cidr::parse(range)->contains(*IpAddress::parse(address));
  };
  EXPECT_TRUE(contains("10.0.0.0/8", "10.255.0.1"));
  EXPECT_FALSE(contains("10.0.0.0/8", "11.0.0.1"));
  EXPECT_TRUE(contains("10.0.0.0/8", "::ffff:10.1.2.3"));
  EXPECT_TRUE(contains("192.168.1.128/25", "192.168.1.200"));
  EXPECT_FALSE(contains("192.168.1.128/25", "192.168.1.127"));
  EXPECT_TRUE(contains("fe80::/10", "febf::1"));
  EXPECT_FALSE(contains("fe80::/10", "fec0::1"));
  EXPECT_FALSE(contains("0.0.0.0/0", "2001:db8::1"));
  EXPECT_TRUE(contains("::1", "::1"));
  for (const char* bad :
       {"", "10.0.0.0/33", "10.0.0/8", "::/129", "x", "10.0.0.0/", "1.2.3.4/-1"}) {
    EXPECT_FALSE(Cidr::parse(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace gatehouse::net

#include "export/receiver.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/text.h"
#include "net/date.h"
#include "net/tls.h"
#include "net/url.h"

namespace gatehouse::exporting {
namespace {

// Long enough to spare the disk, short enough for tokens that are replaced before
// they end.
constexpr int64_t kSecretFileMs = 60'000;
// A token of an identity provider has some KiB.
constexpr size_t kSecretBytesMax = 64 << 10;
// What a receiver says of its refusal; more than that is not for people.
constexpr size_t kReplyBytesMax = 64 << 10;
constexpr size_t kReasonBytesMax = 256;

Result<std::string> read_secret(model::Disk& disk, const std::string& path) {
  ASSIGN_OR_RETURN(const std::unique_ptr<model::File> file,
                   disk.open(path, model::Disk::Open::kRead));
  std::string secret(kSecretBytesMax, '\0');
  ASSIGN_OR_RETURN(const size_t size, file->read_at(0, secret.data(), secret.size()));
  secret.resize(size);
  secret.resize(secret.find_last_not_of(" \t\r\n") + 1);
  return secret;
}

int64_t retry_after_ms(std::string_view text, int64_t now_seconds) {
  if (const auto seconds = parse_uint(text)) {
    return static_cast<int64_t>(std::min<uint64_t>(*seconds, kRetryAfterMaxMs / 1000)) * 1000;
  }
  const auto date = net::parse_http_date(text, now_seconds);
  if (!date || *date <= now_seconds) return 0;
  return std::min<int64_t>(*date - now_seconds, kRetryAfterMaxMs / 1000) * 1000;
}

int64_t written(const net::HeaderList& headers, std::string_view what) {
  const auto text = headers.find("X-Prometheus-Remote-Write-" + std::string(what) + "-Written");
  const auto count = text ? parse_uint(*text) : std::nullopt;
  return count ? static_cast<int64_t>(std::min<uint64_t>(*count, INT64_MAX)) : -1;
}

Answer failed(const Status& status, Cancel* cancel) {
  Answer answer;
  answer.kind = cancel->fired() ? Answer::Kind::kCancelled : Answer::Kind::kTryAgain;
  answer.reason = status.message();
  return answer;
}

// One line, for the log.
std::string first_line(std::string_view text) {
  text = trim(text.substr(0, text.find_first_of("\r\n")));
  std::string line(text.substr(0, kReasonBytesMax));
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return line;
}

}  // namespace

Answer judge(int status, const net::HeaderList& headers, int64_t now_seconds) {
  Answer answer;
  answer.samples_written = written(headers, "Samples");
  answer.histograms_written = written(headers, "Histograms");
  answer.exemplars_written = written(headers, "Exemplars");
  if (status / 100 == 2) {
    answer.kind = Answer::Kind::kTaken;
    return answer;
  }
  answer.reason = "HTTP " + std::to_string(status) + " " + std::string(net::reason_phrase(status));
  if (status / 100 == 5 || status == 429) {
    answer.kind = Answer::Kind::kTryAgain;
    if (const auto text = headers.find("Retry-After")) {
      answer.retry_after_ms = retry_after_ms(*text, now_seconds);
    }
    return answer;
  }
  answer.kind = Answer::Kind::kRefused;
  return answer;
}

Receiver::Receiver(Loop& loop, Pool& pool, model::Disk& disk, const model::Clock& clock,
                   const RemoteWriteConfig& config, const net::DialOptions& dial,
                   std::shared_ptr<net::TlsClientContext> tls)
    : loop_(loop),
      disk_(disk),
      clock_(clock),
      config_(config),
      dialer_(pool, dial, std::move(tls)),
      client_(loop, dialer_) {
  const auto url = net::parse_url(config.url);
  assert(url.ok());
  origin_.tls = url->https;
  origin_.host = url->host;
  origin_.port = url->port;
  origin_.host_header = url->authority();
  // Beside the requests of all shards, one of metadata.
  origin_.connections_max = config.queue.shards_max + 1;
  target_ = url->query.empty() ? url->path : url->path + "?" + url->query;
}

Receiver::~Receiver() {
  wipe(authorization_);
  client_.close_idle();
}

Status Receiver::renew_authorization() {
  if (steady_ms() < authorization_until_ms_) return {};
  std::string secret = config_.username.empty() ? config_.bearer_token : config_.password;
  const std::string& path =
      config_.username.empty() ? config_.bearer_token_file : config_.password_file;
  if (!path.empty()) {
    ASSIGN_OR_RETURN(secret, read_secret(disk_, path));
  }
  wipe(authorization_);
  if (!config_.username.empty()) {
    authorization_ = "Basic " + base64_encode(config_.username + ":" + secret);
  } else if (!secret.empty()) {
    authorization_ = "Bearer " + secret;
  }
  wipe(secret);
  authorization_until_ms_ = path.empty() ? INT64_MAX : steady_ms() + kSecretFileMs;
  return {};
}

Task<Answer> Receiver::post(std::string_view body, int attempt, Cancel* cancel) {
  if (const Status secret = renew_authorization(); !secret.ok()) {
    co_return failed(secret.with_context("the credential cannot be read"), cancel);
  }
  co_return co_await exchange(body, attempt, cancel);
}

Task<Answer> Receiver::exchange(std::string_view body, int attempt, Cancel* cancel) {
  const bool v2 = config_.version == 2;
  const std::string attempt_text = std::to_string(attempt);
  std::vector<net::Header> headers;
  headers.push_back(
      {"Content-Type", v2 ? "application/x-protobuf;proto=io.prometheus.write.v2.Request"
                          : "application/x-protobuf"});
  headers.push_back({"Content-Encoding", "snappy"});
  headers.push_back({"X-Prometheus-Remote-Write-Version", v2 ? "2.0.0" : "0.1.0"});
  headers.push_back({"User-Agent", "Gatehouse/" GATEHOUSE_VERSION});
  if (attempt > 0) headers.push_back({"Retry-Attempt", attempt_text});
  if (!authorization_.empty()) headers.push_back({"Authorization", authorization_});
  for (const auto& [name, value] : config_.headers) headers.push_back({name, value});

  const int64_t deadline_ms = steady_ms() + config_.timeout_ms;
  net::ClientCall call(client_);
  net::ClientRequest request;
  request.origin = &origin_;
  request.target = target_;
  request.headers = headers;
  request.body = body;
  request.connect_deadline_ms = deadline_ms;
  request.write_deadline_ms = deadline_ms;
  request.cancel = cancel;
  if (const Status sent = co_await call.send(request); !sent.ok()) co_return failed(sent, cancel);
  const auto head = co_await call.read_head(deadline_ms);
  if (!head.ok()) co_return failed(head.status(), cancel);
  Answer answer = judge((*head)->status, (*head)->headers, clock_.wall_ns() / 1'000'000'000);
  // To its end, so that the connection can be used again; the answer stands without it.
  const auto text = co_await call.read_all(kReplyBytesMax, deadline_ms);
  if (text.ok() && answer.kind != Answer::Kind::kTaken) {
    if (const std::string line = first_line(*text); !line.empty()) answer.reason += ": " + line;
  }
  co_return answer;
}

}  // namespace gatehouse::exporting

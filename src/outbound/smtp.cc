#include "outbound/smtp.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <string_view>

#include "base/bytes.h"
#include "base/text.h"
#include "net/socket.h"
#include "net/tls.h"

namespace gatehouse::outbound {

namespace {

// RFC 5321 §4.5.3.1.5 says 512 bytes a line of a reply; servers with long lists go a bit over.
constexpr size_t kLineBytesMax = 2'048;
// Lines of one reply: EHLO's has some twenty.
constexpr int kLinesMax = 100;
// What a server says, in an error.
constexpr size_t kQuotedBytesMax = 200;
// One write while a slow server reads: the deadline bounds the whole.
constexpr size_t kWriteBytes = 64 << 10;

struct Reply {
  int code = 0;
  std::vector<std::string> lines;  // without their codes

  std::string quoted() const {
    std::string out = std::to_string(code);
    for (const std::string& line : lines) out += " " + line;
    if (out.size() > kQuotedBytesMax) out.resize(kQuotedBytesMax);
    for (char& c : out) {
      if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) > 0x7e) c = '?';
    }
    return out;
  }
};

std::string hmac_md5_hex(std::string_view key, std::string_view text) {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  ::HMAC(EVP_md5(), key.data(), static_cast<int>(key.size()),
         reinterpret_cast<const unsigned char*>(text.data()), text.size(), out, &size);
  return hex_encode(std::string_view(reinterpret_cast<const char*>(out), size));
}

bool one_line(std::string_view text) { return text.find_first_of("\r\n") == text.npos; }

class Session {
 public:
  Session(Loop& loop, net::Dialer& dialer, const SmtpAsk& ask)
      : loop_(loop), dialer_(dialer), ask_(ask) {}

  Task<SmtpOutcome> run();

 private:
  Task<Status> connect();
  Task<Status> begin_tls();
  Task<Status> hello();
  Task<Status> secure();
  Task<Status> authenticate();
  Task<Status> log_in(std::string mechanism);
  Task<Status> transfer();
  // Sends a line, and reads the reply, which must begin with `expected` (2, 3). `shown` stands
  // for the line in errors.
  Task<Status> command(std::string line, int expected, std::string shown);
  Task<Status> read_reply();
  Task<Result<std::string>> read_line();
  bool offers(std::string_view extension) const;
  std::vector<std::string> mechanisms() const;
  net::IoWait wait() const {
    net::IoWait wait;
    wait.deadline_ms = ask_.deadline_ms;
    wait.cancel = ask_.cancel;
    return wait;
  }

  Loop& loop_;
  net::Dialer& dialer_;
  const SmtpAsk& ask_;
  net::Socket socket_;
  std::string buffer_;
  Reply reply_;
  std::vector<std::string> extensions_;  // as EHLO lists them
  bool retry_ = true;
};

Task<Result<std::string>> Session::read_line() {
  while (true) {
    const size_t end = buffer_.find('\n');
    if (end != std::string::npos) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      if (!line.empty() && line.back() == '\r') line.pop_back();
      co_return line;
    }
    if (buffer_.size() > kLineBytesMax) {
      co_return Status(Code::kDataLoss, "the mail server sends a line without an end");
    }
    char piece[1024];
    Result<size_t> got = co_await socket_.read(piece, sizeof piece, wait());
    if (!got.ok()) co_return got.status().with_context("reading from the mail server");
    if (*got == 0) co_return unavailable("the mail server closed the connection");
    buffer_.append(piece, *got);
  }
}

Task<Status> Session::read_reply() {
  reply_ = {};
  for (int i = 0; i < kLinesMax; ++i) {
    Result<std::string> line = co_await read_line();
    if (!line.ok()) co_return line.status();
    const auto code = parse_uint(std::string_view(*line).substr(0, 3));
    if (line->size() < 3 || !code || *code < 200 || *code > 599) {
      co_return Status(Code::kDataLoss, "the mail server does not speak SMTP");
    }
    reply_.code = static_cast<int>(*code);
    reply_.lines.push_back(line->size() > 4 ? line->substr(4) : std::string());
    if (line->size() < 4 || (*line)[3] != '-') co_return Status();
  }
  co_return Status(Code::kDataLoss, "the mail server's reply has too many lines");
}

Task<Status> Session::command(std::string line, int expected, std::string shown) {
  if (!one_line(line)) co_return invalid_argument(shown + ": a line break where none may be");
  line += "\r\n";
  const Status written = co_await socket_.write(std::string_view(line), wait());
  wipe(line);
  if (!written.ok()) co_return written.with_context("writing to the mail server");
  CO_RETURN_IF_ERROR(co_await read_reply());
  if (reply_.code / 100 == expected) co_return Status();
  // 5xx stays so; a login may be refused for a moment.
  retry_ = reply_.code < 500 || shown == "AUTH";
  co_return unavailable(shown + ": the mail server answered " + reply_.quoted());
}

Task<Status> Session::begin_tls() {
  const auto context = dialer_.tls();
  if (context == nullptr) co_return internal_error("no TLS context");
  Result<SSL*> ssl = context->connect_on(socket_.fd(), ask_.host, ask_.port);
  if (!ssl.ok()) co_return ssl.status();
  socket_.set_ssl(*ssl);
  const Status done = co_await socket_.handshake(ask_.deadline_ms, ask_.cancel);
  if (!done.ok()) co_return done.with_context("TLS with the mail server");
  co_return Status();
}

Task<Status> Session::connect() {
  Result<int> fd = co_await dialer_.dial(loop_, ask_.host, ask_.port, net::Reach::kUsual,
                                         ask_.deadline_ms, ask_.cancel);
  if (!fd.ok()) co_return fd.status();
  socket_ = net::Socket(loop_, *fd);
  if (ask_.implicit_tls) CO_RETURN_IF_ERROR(co_await begin_tls());
  CO_RETURN_IF_ERROR(co_await read_reply());
  if (reply_.code / 100 == 2) co_return Status();
  co_return unavailable("the mail server answered " + reply_.quoted());
}

Task<Status> Session::hello() {
  const std::string name = ask_.hello.empty() ? "localhost" : ask_.hello;
  const Status extended = co_await command("EHLO " + name, 2, "EHLO");
  if (extended.ok()) {
    extensions_ = reply_.lines;
    co_return Status();
  }
  if (reply_.code / 100 != 5) co_return extended;
  extensions_.clear();
  co_return co_await command("HELO " + name, 2, "HELO");
}

bool Session::offers(std::string_view extension) const {
  for (const std::string& line : extensions_) {
    if (equal_ignoring_case(std::string_view(line).substr(0, line.find(' ')), extension)) {
      return true;
    }
  }
  return false;
}

Task<Status> Session::secure() {
  if (socket_.tls()) co_return Status();
  if (!offers("STARTTLS")) {
    if (!ask_.require_tls) co_return Status();
    co_return unavailable("'require_tls' is true (default) but \"" + ask_.host +
                          "\" does not advertise the STARTTLS extension");
  }
  CO_RETURN_IF_ERROR(co_await command("STARTTLS", 2, "STARTTLS"));
  if (!buffer_.empty()) {
    co_return Status(Code::kDataLoss, "the mail server sent more than its answer to STARTTLS");
  }
  CO_RETURN_IF_ERROR(co_await begin_tls());
  co_return co_await hello();
}

std::vector<std::string> Session::mechanisms() const {
  std::vector<std::string> out;
  for (const std::string& line : extensions_) {
    // "AUTH=LOGIN" was an early spelling.
    if (line.size() < 5 || !equal_ignoring_case(std::string_view(line).substr(0, 4), "AUTH")) {
      continue;
    }
    for (const std::string_view each : split(std::string_view(line).substr(5), ' ')) {
      std::string name(each);
      for (char& c : name) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
      out.push_back(std::move(name));
    }
  }
  return out;
}

Task<Status> Session::log_in(std::string mechanism) {
  if (mechanism == "PLAIN") {
    std::string text = ask_.identity;
    text += '\0';
    text += ask_.username;
    text += '\0';
    text += ask_.password;
    co_return co_await command("AUTH PLAIN " + base64_encode(text), 2, "AUTH");
  }
  if (mechanism == "LOGIN") {
    CO_RETURN_IF_ERROR(co_await command("AUTH LOGIN", 3, "AUTH"));
    CO_RETURN_IF_ERROR(co_await command(base64_encode(ask_.username), 3, "AUTH"));
    co_return co_await command(base64_encode(ask_.password), 2, "AUTH");
  }
  CO_RETURN_IF_ERROR(co_await command("AUTH CRAM-MD5", 3, "AUTH"));
  const std::string line = reply_.lines.empty() ? std::string() : reply_.lines.front();
  const Result<std::string> challenge = base64_decode(line);
  if (!challenge.ok()) co_return unavailable("AUTH: the mail server's challenge is not base64");
  const std::string answer = ask_.username + " " + hmac_md5_hex(ask_.secret, *challenge);
  co_return co_await command(base64_encode(answer), 2, "AUTH");
}

Task<Status> Session::authenticate() {
  if (ask_.username.empty() || !offers("AUTH")) co_return Status();
  const bool near = ask_.host == "localhost" || ask_.host == "127.0.0.1" || ask_.host == "::1";
  const bool open_line = !socket_.tls() && !near;
  std::string why = "unknown auth mechanism";
  for (const std::string& mechanism : mechanisms()) {
    if (mechanism == "CRAM-MD5") {
      if (!ask_.secret.empty()) co_return co_await log_in(mechanism);
      why = "missing secret for CRAM-MD5 auth mechanism";
    } else if (mechanism == "PLAIN") {
      // As Go's net/smtp: whoever is in between would read the password.
      if (open_line) {
        why = "PLAIN would send the password over an unencrypted connection";
      } else if (!ask_.password.empty()) {
        co_return co_await log_in(mechanism);
      } else {
        why = "missing password for PLAIN auth mechanism";
      }
    } else if (mechanism == "LOGIN") {
      if (!ask_.password.empty()) co_return co_await log_in(mechanism);
      why = "missing password for LOGIN auth mechanism";
    }
  }
  retry_ = false;
  co_return unavailable("AUTH: " + why);
}

// The message with a dot before each that begins a line, and the end.
std::string stuffed(std::string_view message) {
  std::string out;
  out.reserve(message.size() + 64);
  bool line_begins = true;
  for (const char c : message) {
    if (line_begins && c == '.') out += '.';
    out += c;
    line_begins = c == '\n';
  }
  if (!out.ends_with("\r\n")) out += "\r\n";
  return out + ".\r\n";
}

Task<Status> Session::transfer() {
  const bool eight_bit = offers("8BITMIME");
  const std::string from = "MAIL FROM:<" + ask_.from + ">" + (eight_bit ? " BODY=8BITMIME" : "");
  CO_RETURN_IF_ERROR(co_await command(from, 2, "MAIL FROM"));
  for (const std::string& to : ask_.to) {
    CO_RETURN_IF_ERROR(co_await command("RCPT TO:<" + to + ">", 2, "RCPT TO"));
  }
  CO_RETURN_IF_ERROR(co_await command("DATA", 3, "DATA"));
  const std::string text = stuffed(ask_.message);
  for (size_t at = 0; at < text.size(); at += kWriteBytes) {
    const std::string_view piece = std::string_view(text).substr(at, kWriteBytes);
    const Status written = co_await socket_.write(piece, wait());
    if (!written.ok()) co_return written.with_context("writing to the mail server");
  }
  CO_RETURN_IF_ERROR(co_await read_reply());
  if (reply_.code / 100 == 2) co_return Status();
  retry_ = reply_.code < 500;
  co_return unavailable("DATA: the mail server answered " + reply_.quoted());
}

Task<SmtpOutcome> Session::run() {
  SmtpOutcome outcome;
  outcome.status = co_await connect();
  if (outcome.status.ok()) outcome.status = co_await hello();
  if (outcome.status.ok()) outcome.status = co_await secure();
  if (outcome.status.ok()) outcome.status = co_await authenticate();
  if (outcome.status.ok()) outcome.status = co_await transfer();
  outcome.code = reply_.code;
  outcome.retry = !outcome.status.ok() && retry_;
  if (outcome.status.ok()) {
    // It is taken; whether the server says goodbye does not matter.
    std::string line = "QUIT\r\n";
    (void)co_await socket_.write(std::string_view(line), wait());
  }
  co_return outcome;
}

}  // namespace

Task<SmtpOutcome> send_mail(Loop& loop, net::Dialer& dialer, const SmtpAsk& ask) {
  Session session(loop, dialer, ask);
  co_return co_await session.run();
}

}  // namespace gatehouse::outbound

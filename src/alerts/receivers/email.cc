// A mail by the smarthost. Port 465 means TLS from the first byte.
#include "alerts/email.h"

#include <algorithm>

#include "alerts/mail_message.h"
#include "alerts/receivers/kinds.h"
#include "base/bytes.h"
#include "base/random.h"
#include "base/text.h"

namespace gatehouse::alerts {

namespace {

constexpr uint16_t kImplicitTlsPort = 465;
constexpr std::string_view kSubject = R"({{ template "email.default.subject" . }})";

// "x-priority" as "X-Priority", so that one header is not given in two spellings.
std::string canonical_name(std::string_view name) {
  std::string out = to_lower(name);
  bool begins = true;
  for (char& c : out) {
    if (begins && c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
    begins = c == '-';
  }
  return out;
}

std::string domain_of(std::string_view address) {
  return std::string(address.substr(address.rfind('@') + 1));
}

}  // namespace

void EmailIntegration::read_headers(wire::ConfigFields& fields) {
  std::vector<std::pair<std::string, std::string>> given;
  fields.pairs("headers", given);
  for (auto& [name, value] : given) {
    const std::string canonical = canonical_name(name);
    const bool twice = std::any_of(headers_.begin(), headers_.end(),
                                   [&](const auto& header) { return header.first == canonical; });
    if (twice) {
      fields.log().problem(fields.mark(), "duplicate header \"" + canonical + "\" in email config");
    }
    headers_.emplace_back(canonical, std::move(value));
  }
  std::sort(headers_.begin(), headers_.end());
}

void EmailIntegration::read_smtp(wire::ConfigFields& fields, const Globals& globals) {
  std::string smarthost = globals.smtp_smarthost;
  read_host_port(fields, "smarthost", smarthost);
  require_text(fields, smarthost, "no global SMTP smarthost set");
  const size_t colon = smarthost.rfind(':');
  if (colon != std::string::npos) {
    host_ = smarthost.substr(0, colon);
    if (host_.starts_with('[') && host_.ends_with(']')) host_ = host_.substr(1, host_.size() - 2);
    const std::string port = smarthost.substr(colon + 1);
    const auto number = port == "smtp"         ? 25
                        : port == "submission" ? 587
                                               : parse_uint(port).value_or(0);
    if (number == 0 || number > 65'535) {
      fields.log().problem(fields.mark(), "smarthost: \"" + port + "\" is not a port");
    }
    port_ = static_cast<uint16_t>(number);
  }
  auth_username_ = globals.smtp_auth_username;
  fields.text("auth_username", auth_username_);
  fields.secret("auth_password", auth_password_);
  if (auth_password_.empty()) auth_password_ = globals.smtp_auth_password;
  fields.secret("auth_secret", auth_secret_);
  if (auth_secret_.empty()) auth_secret_ = globals.smtp_auth_secret;
  auth_identity_ = globals.smtp_auth_identity;
  fields.text("auth_identity", auth_identity_);
  require_tls_ = globals.smtp_require_tls;
  fields.boolean("require_tls", require_tls_);
  implicit_tls_ = globals.smtp_force_implicit_tls;
  bool implicit = false;
  if (fields.boolean("force_implicit_tls", implicit)) implicit_tls_ = implicit;
  if (globals.smtp_tls) tls_ = *globals.smtp_tls;
  if (const wire::YamlNode* node = fields.take("tls_config")) {
    tls_ = {};
    outbound::read_tls(fields.log(), *node, tls_);
  }
}

void EmailIntegration::read_config(wire::ConfigFields& fields, const Globals& globals) {
  fields.boolean("send_resolved", send_resolved_);
  fields.text("to", to_);
  require_text(fields, to_, "missing to address in email config");
  from_ = globals.smtp_from;
  fields.text("from", from_);
  require_text(fields, from_, "no global SMTP from set");
  hello_ = globals.smtp_hello;
  fields.text("hello", hello_);
  read_smtp(fields, globals);
  read_headers(fields);
  fields.text("html", html_);
  fields.text("text", text_);
  if (const wire::YamlNode* node = fields.take("threading")) {
    wire::ConfigFields inner(fields.log(), *node, "threading");
    inner.boolean("enabled", threading_);
    inner.choice("thread_by_date", thread_by_date_, {"daily", "none"});
    inner.done();
  }
}

// The id of a mail that was never sent, under which readers gather a group's mails.
std::string EmailIntegration::thread_of(const Attempt& attempt) const {
  const std::string key = group_key_hash(attempt.notification()).substr(0, 16);
  const std::string day =
      thread_by_date_ == "none" ? std::string() : format_time(attempt.wall_ns()).substr(0, 10);
  return "<alert-" + key + "-" + day + "@alertmanager>";
}

Result<outbound::SmtpAsk> EmailIntegration::mail(Attempt& attempt) const {
  outbound::SmtpAsk ask;
  ask.host = host_;
  ask.port = port_;
  ask.hello = hello_;
  ask.implicit_tls = implicit_tls_.value_or(port_ == kImplicitTlsPort);
  ask.require_tls = require_tls_;
  ask.username = auth_username_;
  ask.identity = auth_identity_;
  ASSIGN_OR_RETURN(ask.password, attempt.secret(auth_password_));
  ASSIGN_OR_RETURN(ask.secret, attempt.secret(auth_secret_));
  const std::string from = attempt.text(from_), to = attempt.text(to_);
  ASSIGN_OR_RETURN(const auto senders, parse_addresses(from));
  if (senders.size() != 1) return invalid_argument("from: one address is expected");
  ask.from = senders.front().address;
  ASSIGN_OR_RETURN(const auto recipients, parse_addresses(to));
  for (const MailAddress& each : recipients) ask.to.push_back(each.address);

  MailMessage message;
  const auto given = [&](std::string_view name) {
    return std::any_of(headers_.begin(), headers_.end(),
                       [&](const auto& header) { return header.first == name; });
  };
  for (const auto& [name, value] : headers_) {
    message.headers.emplace_back(
        name, attempt.text(value, name == "Subject" ? Plain::kSubject : Plain::kNothing));
  }
  if (!given("Subject")) {
    message.headers.emplace_back("Subject", attempt.text(kSubject, Plain::kSubject));
  }
  if (!given("From")) message.headers.emplace_back("From", from);
  if (!given("To")) message.headers.emplace_back("To", to);
  const std::string id = hex_encode(random_bytes(12));
  if (!given("Message-Id")) {
    message.headers.emplace_back("Message-Id", "<" + id + "@" + domain_of(ask.from) + ">");
  }
  if (threading_) {
    message.headers.emplace_back("References", thread_of(attempt));
    message.headers.emplace_back("In-Reply-To", thread_of(attempt));
  }
  if (!given("Date")) {
    message.headers.emplace_back("Date", mail_date(attempt.wall_ns() / 1'000'000'000));
  }
  if (!text_.empty()) message.parts.push_back({"text/plain", attempt.text(text_, Plain::kBody)});
  if (!html_.empty()) {
    const int failures = attempt.failures();
    std::string html = attempt.html(html_, Plain::kBody);
    if (attempt.failures() != failures) html = "<pre>" + html + "</pre>\n";
    message.parts.push_back({"text/html", std::move(html)});
  }
  if (message.parts.empty()) message.parts.push_back({"text/plain", ""});
  ask.message = mail_text(message, hex_encode(random_bytes(30)));
  return ask;
}

std::shared_ptr<Integration> read_email(wire::ConfigFields& fields, const Globals& globals) {
  return read_kind<EmailIntegration>(fields, globals);
}

}  // namespace gatehouse::alerts

// EmailIntegration: a receiver that is told by mail.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "alerts/attempt.h"
#include "alerts/integration.h"
#include "outbound/smtp.h"

namespace gatehouse::alerts {

class EmailIntegration final : public Integration {
 public:
  std::string_view kind() const override { return "email"; }
  bool send_resolved() const override { return send_resolved_; }
  const EmailIntegration* email() const override { return this; }

  void read_config(wire::ConfigFields& fields, const Globals& globals);
  const outbound::TlsConfig& tls_config() const { return tls_; }
  // On the Pool. All but deadline and cancel.
  Result<outbound::SmtpAsk> mail(Attempt& attempt) const;

 private:
  void read_smtp(wire::ConfigFields& fields, const Globals& globals);
  void read_headers(wire::ConfigFields& fields);
  std::string thread_of(const Attempt& attempt) const;

  bool send_resolved_ = false;
  std::string to_, from_, hello_, host_;
  uint16_t port_ = 25;
  std::string auth_username_, auth_identity_;
  model::SecretText auth_password_, auth_secret_;
  std::vector<std::pair<std::string, std::string>> headers_;
  std::string html_ = R"({{ template "email.default.html" . }})";
  std::string text_;
  bool require_tls_ = true;
  std::optional<bool> implicit_tls_;
  bool threading_ = false;
  std::string thread_by_date_ = "daily";
  outbound::TlsConfig tls_;
};

}  // namespace gatehouse::alerts

// Integration: one way to tell people of a group of alerts (webhook, Slack, PagerDuty, ...),
// as a receiver of the configuration has it. A kind says which keys it takes, what request
// a notification becomes, and how a reply reads; the Sender does the rest. Adding a kind is
// adding a file to receivers/ and its line to kinds.cc.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "alerts/notification.h"
#include "base/result.h"
#include "model/secret_text.h"
#include "outbound/http_client_config.h"
#include "wire/yaml_fields.h"

namespace gatehouse::alerts {

class NotificationTemplates;

// `global` of the configuration.
struct Globals {
  outbound::HttpClientConfig http;
  std::string smtp_smarthost, smtp_from, smtp_hello = "localhost";
  std::string smtp_auth_username, smtp_auth_identity;
  model::SecretText smtp_auth_password, smtp_auth_secret;
  bool smtp_require_tls = true;
  std::optional<bool> smtp_force_implicit_tls;
  std::optional<outbound::TlsConfig> smtp_tls;
  model::SecretText slack_api_url, slack_app_token;
  std::string slack_app_url = "https://slack.com/api/chat.postMessage";
  std::string pagerduty_url = "https://events.pagerduty.com/v2/enqueue";
  std::string opsgenie_api_url = "https://api.opsgenie.com/";
  model::SecretText opsgenie_api_key;
  std::string wechat_api_url = "https://qyapi.weixin.qq.com/cgi-bin/", wechat_api_corp_id;
  model::SecretText wechat_api_secret;
  std::string victorops_api_url =
      "https://alert.victorops.com/integrations/generic/20131114/alert/";
  model::SecretText victorops_api_key;
  std::string telegram_api_url = "https://api.telegram.org";
  model::SecretText telegram_bot_token;
  std::string webex_api_url = "https://webexapis.com/v1/messages";
  std::string rocketchat_api_url = "https://open.rocket.chat/";
  model::SecretText rocketchat_token, rocketchat_token_id;
  std::string jira_api_url;
  model::SecretText mattermost_webhook_url;
};

// One HTTP request; its secrets are in the clear, so it is logged by host and status alone.
struct OutgoingRequest {
  std::string method = "POST";
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers;  // Content-Type among them
  std::string body;
};

struct SendOutcome {
  bool delivered = false;
  bool retry = false;          // worth another attempt
  std::string error;           // without secrets; empty where delivered
  int status = 0;              // of the last reply of HTTP or SMTP; 0: none
  int64_t retry_after_ms = 0;  // as the receiver asked for
  int64_t duration_ms = 0;
  bool plain_fallback = false;  // a template failed, and plain text went out instead
  std::string template_error;   // which, and why; set with plain_fallback
};

class HttpIntegration;   // alerts/http_integration.h
class EmailIntegration;  // alerts/email.h

class Integration {
 public:
  virtual ~Integration() = default;
  virtual std::string_view kind() const = 0;  // "webhook", "email", ... as metrics name it
  virtual bool send_resolved() const = 0;
  // Which of the two ways it goes out; the other is null.
  virtual const HttpIntegration* http() const { return nullptr; }
  virtual const EmailIntegration* email() const { return nullptr; }
  int index = 0;             // among its kind in its receiver
  std::string name() const;  // "webhook[0]"
};

// Reads one entry of "<kind>_configs". Problems go to the log; the caller ends with
// fields.done().
struct IntegrationKind {
  std::string_view key;  // "webhook_configs"
  // The owner sets `index` before it shares the integration.
  std::shared_ptr<Integration> (*read)(wire::ConfigFields& fields, const Globals& globals);
};
// In the order of Alertmanager's Receiver.
std::span<const IntegrationKind> integration_kinds();
// `resolve_timeout` is among the keys, and goes where it is asked for.
Globals read_globals(wire::ConfigLog& log, const wire::YamlNode* node,
                     int64_t* resolve_timeout_ms = nullptr);

}  // namespace gatehouse::alerts

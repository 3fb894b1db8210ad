// The `global` section: what receivers have that do not say otherwise.
#include "alerts/integration.h"
#include "alerts/receivers/kinds.h"

namespace gatehouse::alerts {

namespace {

void read_smtp(wire::ConfigFields& fields, Globals& out) {
  fields.text("smtp_from", out.smtp_from);
  fields.text("smtp_hello", out.smtp_hello);
  read_host_port(fields, "smtp_smarthost", out.smtp_smarthost);
  fields.text("smtp_auth_username", out.smtp_auth_username);
  fields.secret("smtp_auth_password", out.smtp_auth_password);
  fields.secret("smtp_auth_secret", out.smtp_auth_secret);
  fields.text("smtp_auth_identity", out.smtp_auth_identity);
  fields.boolean("smtp_require_tls", out.smtp_require_tls);
  bool implicit_tls = false;
  if (fields.boolean("smtp_force_implicit_tls", implicit_tls)) {
    out.smtp_force_implicit_tls = implicit_tls;
  }
  if (const wire::YamlNode* node = fields.take("smtp_tls_config")) {
    outbound::read_tls(fields.log(), *node, out.smtp_tls.emplace());
  }
}

}  // namespace

Globals read_globals(wire::ConfigLog& log, const wire::YamlNode* node,
                     int64_t* resolve_timeout_ms) {
  Globals out;
  if (node == nullptr || node->is_null()) return out;
  wire::ConfigFields fields(log, *node, "global");
  int64_t resolve_timeout = 0;
  fields.duration("resolve_timeout",
                  resolve_timeout_ms == nullptr ? resolve_timeout : *resolve_timeout_ms);
  if (const wire::YamlNode* http = fields.take("http_config")) {
    wire::ConfigFields inner(log, *http, "http_config");
    outbound::read_http_client(inner, out.http);
    inner.done();
  }
  read_smtp(fields, out);
  read_secret_url(fields, "slack_api_url", out.slack_api_url);
  fields.secret("slack_app_token", out.slack_app_token);
  read_url(fields, "slack_app_url", out.slack_app_url);
  read_url(fields, "pagerduty_url", out.pagerduty_url);
  read_url(fields, "opsgenie_api_url", out.opsgenie_api_url);
  fields.secret("opsgenie_api_key", out.opsgenie_api_key);
  read_url(fields, "wechat_api_url", out.wechat_api_url);
  fields.secret("wechat_api_secret", out.wechat_api_secret);
  fields.text("wechat_api_corp_id", out.wechat_api_corp_id);
  read_url(fields, "victorops_api_url", out.victorops_api_url);
  fields.secret("victorops_api_key", out.victorops_api_key);
  read_url(fields, "telegram_api_url", out.telegram_api_url);
  fields.secret("telegram_bot_token", out.telegram_bot_token);
  read_url(fields, "webex_api_url", out.webex_api_url);
  read_url(fields, "rocketchat_api_url", out.rocketchat_api_url);
  fields.secret("rocketchat_token", out.rocketchat_token);
  fields.secret("rocketchat_token_id", out.rocketchat_token_id);
  read_url(fields, "jira_api_url", out.jira_api_url);
  read_secret_url(fields, "mattermost_webhook_url", out.mattermost_webhook_url);
  fields.done();
  return out;
}

}  // namespace gatehouse::alerts

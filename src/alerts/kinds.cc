#include "alerts/receivers/kinds.h"

#include "alerts/integration.h"

namespace gatehouse::alerts {

std::span<const IntegrationKind> integration_kinds() {
  static constexpr IntegrationKind kKinds[] = {
      {"webhook_configs", read_webhook},
      {"email_configs", read_email},
      {"pagerduty_configs", read_pagerduty},
      {"opsgenie_configs", read_opsgenie},
      {"wechat_configs", read_wechat},
      {"slack_configs", read_slack},
      {"victorops_configs", read_victorops},
      {"pushover_configs", read_pushover},
      {"sns_configs", read_sns},
      {"telegram_configs", read_telegram},
      {"discord_configs", read_discord},
      {"webex_configs", read_webex},
      {"msteams_configs", read_msteams},
      {"msteamsv2_configs", read_msteamsv2},
      {"jira_configs", read_jira},
      {"rocketchat_configs", read_rocketchat},
      {"mattermost_configs", read_mattermost},
      {"incidentio_configs", read_incidentio},
  };
  return kKinds;
}

std::string Integration::name() const {
  return std::string(kind()) + "[" + std::to_string(index) + "]";
}

}  // namespace gatehouse::alerts

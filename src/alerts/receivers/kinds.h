// The readers of all kinds, one a file of this folder, and what they share in reading.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "alerts/http_integration.h"
#include "alerts/integration.h"
#include "wire/json.h"

namespace gatehouse::alerts {

using ReadIntegration = std::shared_ptr<Integration>(wire::ConfigFields& fields,
                                                     const Globals& globals);
ReadIntegration read_webhook, read_email, read_pagerduty, read_opsgenie, read_wechat, read_slack,
    read_victorops, read_pushover, read_sns, read_telegram, read_discord, read_webex, read_msteams,
    read_msteamsv2, read_jira, read_rocketchat, read_mattermost, read_incidentio;

// The body of such a reader.
template <typename Kind>
std::shared_ptr<Integration> read_kind(wire::ConfigFields& fields, const Globals& globals) {
  auto made = std::make_shared<Kind>();
  made->read_config(fields, globals);
  return made;
}

// A URL in the clear: http or https, with a host.
bool read_url(wire::ConfigFields& fields, std::string_view key, std::string& out);
// The same as a secret, in place or in a file, which is looked at when it is used.
void read_secret_url(wire::ConfigFields& fields, std::string_view key, model::SecretText& out);
// "host:port", or nothing.
void read_host_port(wire::ConfigFields& fields, std::string_view key, std::string& out);
// Neither in place nor in a file: a problem, in Alertmanager's words.
void require_secret(wire::ConfigFields& fields, std::string_view key,
                    const model::SecretText& secret);
// A key that must be there.
void require_text(wire::ConfigFields& fields, std::string_view text, std::string_view problem);
// The entry's own secret, or that of `global`; `problem` where there is neither.
void fall_back(wire::ConfigFields& fields, model::SecretText& secret,
               const model::SecretText& global, std::string_view problem);
// A member, where its text is not empty.
void write_some(wire::JsonWriter& json, std::string_view key, const std::string& text);
// Title and value, and whether they stand beside others: a field of Slack's attachments, and
// of those modelled on them.
struct AttachmentField {
  std::string title, value;
  std::optional<bool> short_field;
};
// `program` is for messages: "missing title in Slack field configuration".
std::vector<AttachmentField> read_attachment_fields(wire::ConfigFields& fields,
                                                    std::string_view program);
void write_attachment_fields(wire::JsonWriter& json, const std::vector<AttachmentField>& fields,
                             bool short_fields, Attempt& attempt);
// A URL with one more path segment or several behind its path.
std::string with_path(std::string url, std::string_view path);

}  // namespace gatehouse::alerts

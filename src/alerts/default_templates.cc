// Alertmanager's default templates by their names and with their outputs, on which users'
// own templates and receivers build (prometheus.io/docs/alerting/latest/notifications). Blocks of
// our own, named __gatehouse_*, hold what many have in common; test/alerts compares the outputs
// with those of amtool. The page of e-mail is our own, with the same content.
#include <string>

#include "alerts/templates.h"

namespace gatehouse::alerts {

namespace {

constexpr std::string_view kBlocks = R"tmpl(
{{- define "__alertmanager" }}Alertmanager{{ end -}}
{{- define "__alertmanagerURL" }}{{ .ExternalURL }}/#/alerts?receiver={{ urlquery .Receiver }}
{{- end -}}
{{- define "__subject" -}}
[{{ toUpper .Status }}{{ if eq .Status "firing" }}:{{ len .Alerts.Firing }}{{ end }}]
{{- " " }}{{ join " " .GroupLabels.SortedPairs.Values }}{{ " " -}}
{{- $others := .CommonLabels.Remove .GroupLabels.Names -}}
{{- if gt (len .CommonLabels) (len .GroupLabels) -}}
({{ join " " $others.SortedPairs.Values }}){{ end -}}
{{- end -}}
{{- define "__description" }}{{ end -}}

{{- define "__gatehouse_annotations" -}}
{{ join " " .CommonAnnotations.SortedPairs.Values }}
{{- end -}}
{{- define "__text_alert_list" }}{{ range $alert := . -}}
Labels:
{{ range $alert.Labels.SortedPairs }}{{ printf " - %s = %s\n" .Name .Value }}{{ end -}}
Annotations:
{{ range $alert.Annotations.SortedPairs }}{{ printf " - %s = %s\n" .Name .Value }}{{ end -}}
Source: {{ $alert.GeneratorURL }}
{{ end }}{{ end -}}
{{- define "__text_alert_list_markdown" }}{{ range $alert := . }}
Labels:
{{ range $alert.Labels.SortedPairs }}{{ printf "  - %s = %s\n" .Name .Value }}{{ end }}
Annotations:
{{ range $alert.Annotations.SortedPairs }}{{ printf "  - %s = %s\n" .Name .Value }}{{ end }}
Source: {{ $alert.GeneratorURL }}
{{ end }}{{ end -}}

{{- define "__gatehouse_close" }}{{ template "__gatehouse_annotations" . }}
{{ with .Alerts.Firing }}Alerts Firing:
{{ template "__text_alert_list" . }}{{ end }}
{{ with .Alerts.Resolved }}Alerts Resolved:
{{ template "__text_alert_list" . }}{{ end }}{{ end -}}
{{- define "__gatehouse_wide" }}
{{ with .Alerts.Firing }}
Alerts Firing:
{{ template "__text_alert_list" . }}
{{ end }}
{{ with .Alerts.Resolved }}
Alerts Resolved:
{{ template "__text_alert_list" . }}
{{ end }}
{{ end -}}
{{- define "__gatehouse_wide_annotated" }}{{ template "__gatehouse_annotations" . -}}
{{ template "__gatehouse_wide" . }}{{ end -}}
{{- define "__gatehouse_markdown" }}
{{ with .Alerts.Firing }}
# Alerts Firing:
{{ template "__text_alert_list_markdown" . }}
{{ end }}
{{ with .Alerts.Resolved }}
# Alerts Resolved:
{{ template "__text_alert_list_markdown" . }}
{{ end }}
{{ end -}}

{{- define "slack.default.fallback" -}}
{{ template "slack.default.title" . }} | {{ template "slack.default.titlelink" . }}
{{- end -}}
{{- define "slack.default.color" -}}
{{ if eq .Status "firing" }}danger{{ else }}good{{ end }}
{{- end -}}
{{- define "mattermost.default.fallback" -}}
{{ template "mattermost.default.title" . }} | {{ template "mattermost.default.titlelink" . }}
{{- end -}}
{{- define "mattermost.default.color" }}{{ template "slack.default.color" . }}{{ end -}}
{{- define "wechat.default.message" }}{{ template "__subject" . }}
{{ template "__gatehouse_close" . }}
AlertmanagerUrl:
{{ template "__alertmanagerURL" . }}{{ end -}}

{{- define "jira.default.description" -}}
{{ with .Alerts.Firing }}# Alerts Firing:
{{ template "__text_alert_list_markdown" . }}{{ end -}}
{{ with .Alerts.Resolved }}# Alerts Resolved:{{ template "__text_alert_list_markdown" . }}{{ end -}}
{{- end -}}
{{- define "jira.default.priority" -}}
{{- $rank := 0 -}}
{{- range .Alerts.Firing }}{{ $severity := .Labels.severity -}}
{{- if and (eq $severity "critical") (lt $rank 3) }}{{ $rank = 3 }}{{ end -}}
{{- if and (eq $severity "warning") (lt $rank 2) }}{{ $rank = 2 }}{{ end -}}
{{- if and (eq $severity "info") (lt $rank 1) }}{{ $rank = 1 }}{{ end -}}
{{- end -}}
{{- if eq $rank 0 }}{{ range .Alerts.Resolved }}{{ $severity := .Labels.severity -}}
{{- if and (eq $severity "critical") (lt $rank 3) }}{{ $rank = 3 }}{{ end -}}
{{- if and (eq $severity "warning") (lt $rank 2) }}{{ $rank = 2 }}{{ end -}}
{{- if and (eq $severity "info") (lt $rank 1) }}{{ $rank = 1 }}{{ end -}}
{{- end }}{{ end -}}
{{- if eq $rank 3 }}High{{ else if eq $rank 2 }}Medium{{ else if eq $rank 1 }}Low{{ end -}}
{{- end -}}
)tmpl";

// Names that are another block under the receiver's own name, so that each can be overridden.
struct Alias {
  std::string_view block;  // empty: nothing is printed
  std::string_view names;  // separated by a space
};
constexpr Alias kAliases[] = {
    {"__subject",
     "slack.default.title pagerduty.default.description opsgenie.default.message "
     "victorops.default.entity_display_name pushover.default.title sns.default.subject "
     "discord.default.title msteams.default.summary msteams.default.title msteamsv2.default.title "
     "jira.default.summary rocketchat.default.title mattermost.default.title "
     "email.default.subject"},
    {"__alertmanager",
     "slack.default.username pagerduty.default.client victorops.default.monitoring_tool "
     "rocketchat.default.alias mattermost.default.username"},
    {"__alertmanagerURL",
     "slack.default.titlelink pagerduty.default.clientURL opsgenie.default.source "
     "pushover.default.url rocketchat.default.titlelink mattermost.default.titlelink"},
    {"__text_alert_list", "pagerduty.default.instances"},
    {"__gatehouse_close", "opsgenie.default.description victorops.default.state_message"},
    {"__gatehouse_wide_annotated",
     "pushover.default.message sns.default.message webex.default.message"},
    {"__gatehouse_wide",
     "telegram.default.message discord.default.message rocketchat.default.text"},
    {"__gatehouse_markdown", "msteams.default.text msteamsv2.default.text mattermost.default.text"},
    {"",
     "slack.default.callbackid slack.default.pretext slack.default.iconemoji "
     "slack.default.iconurl slack.default.text slack.default.footer wechat.default.to_user "
     "wechat.default.to_party wechat.default.to_tag wechat.default.agent_id "
     "rocketchat.default.emoji rocketchat.default.iconurl"},
};

constexpr std::string_view kEmail = R"tmpl(
{{- define "__gatehouse_email_alerts" }}{{ range . }}
<tr><td style="padding:0 0 20px">
<strong>Labels</strong><br>
{{ range .Labels.SortedPairs }}{{ .Name }} = {{ .Value }}<br>
{{ end -}}
{{ if .Annotations }}<strong>Annotations</strong><br>
{{ range .Annotations.SortedPairs }}{{ .Name }} = {{ .Value }}<br>
{{ end }}{{ end -}}
<a href="{{ .GeneratorURL }}" style="color:#348eda">Source</a>
</td></tr>
{{- end }}{{ end -}}
{{- define "email.default.html" -}}
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{{ template "__subject" . }}</title>
</head>
<body style="margin:0;padding:20px;background:#f6f6f6;font:14px/1.6 Helvetica,Arial,sans-serif">
<table role="presentation" style="max-width:600px;margin:0 auto;background:#fff;border:1px solid #e9e9e9;border-collapse:collapse">
<tr>
{{- if .Alerts.Firing }}
<td style="padding:20px;background:#e6522c;color:#fff;font-size:16px;text-align:center">
{{- else }}
<td style="padding:20px;background:#68b90f;color:#fff;font-size:16px;text-align:center">
{{- end }}
{{ len .Alerts }} alert{{ if gt (len .Alerts) 1 }}s{{ end }} for
{{ range .GroupLabels.SortedPairs }}{{ .Name }}={{ .Value }}
{{ end -}}
</td>
</tr>
<tr><td style="padding:20px">
<table role="presentation" style="width:100%">
<tr><td style="padding:0 0 20px"><a href="{{ template "__alertmanagerURL" . }}" style="display:inline-block;padding:6px 20px;background:#348eda;color:#fff;text-decoration:none">View in {{ template "__alertmanager" . }}</a></td></tr>
{{- with .Alerts.Firing }}
<tr><td style="padding:0 0 20px"><strong>[{{ len . }}] Firing</strong></td></tr>
{{- template "__gatehouse_email_alerts" . }}
{{- end }}
{{- with .Alerts.Resolved }}
<tr><td style="padding:0 0 20px"><strong>[{{ len . }}] Resolved</strong></td></tr>
{{- template "__gatehouse_email_alerts" . }}
{{- end }}
</table>
</td></tr>
<tr><td style="padding:20px;text-align:center"><a href="{{ .ExternalURL }}" style="color:#999">Sent by {{ template "__alertmanager" . }}</a></td></tr>
</table>
</body>
</html>
{{ end -}}
)tmpl";

std::string with_aliases() {
  std::string out(kBlocks);
  for (const Alias& alias : kAliases) {
    std::string_view names = alias.names;
    while (!names.empty()) {
      const size_t end = std::min(names.find(' '), names.size());
      const std::string body =
          alias.block.empty() ? "" : "{{ template \"" + std::string(alias.block) + "\" . }}";
      out += "{{ define \"" + std::string(names.substr(0, end)) + "\" }}" + body + "{{ end }}";
      names.remove_prefix(std::min(end + 1, names.size()));
    }
  }
  return out;
}

}  // namespace

std::string_view default_templates() {
  static const std::string text = with_aliases();
  return text;
}

std::string_view default_email_templates() { return kEmail; }

}  // namespace gatehouse::alerts

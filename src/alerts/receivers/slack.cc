// One message with one attachment, by an incoming webhook or by chat.postMessage
// (api.slack.com/messaging/webhooks, /methods/chat.postMessage). A webhook answers the text
// "ok"; the web API answers 200 with {"ok":false} where something is wrong.
#include "alerts/receivers/kinds.h"

namespace gatehouse::alerts {

namespace {

// api.slack.com/reference/messaging/attachments: 1024 characters.
constexpr size_t kTitleMax = 1024;
constexpr std::string_view kPostMessage = "https://slack.com/api/chat.postMessage";

struct Confirmation {
  std::string title, text, ok_text, dismiss_text;
};

struct Action {
  std::string type, text, url, style, name, value;
  std::optional<Confirmation> confirm;
};

Confirmation read_confirmation(wire::ConfigLog& log, const wire::YamlNode& node) {
  wire::ConfigFields fields(log, node, "confirm");
  Confirmation out;
  fields.text("title", out.title);
  fields.text("text", out.text);
  fields.text("ok_text", out.ok_text);
  fields.text("dismiss_text", out.dismiss_text);
  fields.done();
  require_text(fields, out.text, "missing text in Slack confirmation configuration");
  return out;
}

Action read_action(wire::ConfigLog& log, const wire::YamlNode& node) {
  wire::ConfigFields fields(log, node, "actions");
  Action out;
  fields.text("type", out.type);
  fields.text("text", out.text);
  fields.text("url", out.url);
  fields.text("style", out.style);
  fields.text("name", out.name);
  fields.text("value", out.value);
  if (const auto* confirm = fields.take("confirm")) {
    out.confirm = read_confirmation(log, *confirm);
  }
  fields.done();
  require_text(fields, out.type, "missing type in Slack action configuration");
  require_text(fields, out.text, "missing text in Slack action configuration");
  if (!out.url.empty()) {  // a link has none of a message action's parts
    out.name.clear();
    out.value.clear();
    out.confirm.reset();
  } else {
    require_text(fields, out.name, "missing name or url in Slack action configuration");
  }
  return out;
}

class Slack final : public HttpIntegration {
 public:
  Slack() : HttpIntegration("slack", false) {}

  void read_config(wire::ConfigFields& fields, const Globals& globals);
  Result<OutgoingRequest> request(Attempt& attempt) const override;
  Reading read(Attempt& attempt, const HttpReply& reply) const override;

 private:
  void read_target(wire::ConfigFields& fields, const Globals& globals);
  void write_attachment(wire::JsonWriter& json, Attempt& attempt) const;
  void write_actions(wire::JsonWriter& json, Attempt& attempt) const;

  model::SecretText api_url_, app_token_;
  std::string app_url_;
  std::string channel_, message_text_, image_url_, thumb_url_;
  std::string username_ = R"({{ template "slack.default.username" . }})";
  std::string color_ = R"({{ template "slack.default.color" . }})";
  std::string title_ = R"({{ template "slack.default.title" . }})";
  std::string title_link_ = R"({{ template "slack.default.titlelink" . }})";
  std::string pretext_ = R"({{ template "slack.default.pretext" . }})";
  std::string text_ = R"({{ template "slack.default.text" . }})";
  std::string footer_ = R"({{ template "slack.default.footer" . }})";
  std::string fallback_ = R"({{ template "slack.default.fallback" . }})";
  std::string callback_id_ = R"({{ template "slack.default.callbackid" . }})";
  std::string icon_emoji_ = R"({{ template "slack.default.iconemoji" . }})";
  std::string icon_url_ = R"({{ template "slack.default.iconurl" . }})";
  bool short_fields_ = false, link_names_ = false;
  std::vector<std::string> mrkdwn_in_ = {"fallback", "pretext", "text"};
  std::vector<AttachmentField> fields_;
  std::vector<Action> actions_;
};

void Slack::read_target(wire::ConfigFields& fields, const Globals& globals) {
  read_secret_url(fields, "api_url", api_url_);
  fields.secret("app_token", app_token_);
  app_url_ = globals.slack_app_url;
  read_url(fields, "app_url", app_url_);
  if (!api_url_.empty() && !app_token_.empty()) {
    fields.log().problem(fields.mark(),
                         "at most one of api_url/api_url_file & app_token/app_token_file must be "
                         "configured");
  }
  if (!api_url_.empty()) return;
  if (app_token_.empty()) app_token_ = globals.slack_app_token;
  if (!app_token_.empty()) return;
  fall_back(fields, api_url_, globals.slack_api_url,
            "no global Slack API URL set either inline or in a file");
}

void Slack::read_config(wire::ConfigFields& fields, const Globals& globals) {
  read_usual(fields, globals);
  read_target(fields, globals);
  fields.duration("timeout", timeout_ms_);
  fields.text("channel", channel_);
  fields.text("username", username_);
  fields.text("color", color_);
  fields.text("title", title_);
  fields.text("title_link", title_link_);
  fields.text("pretext", pretext_);
  fields.text("text", text_);
  fields.text("message_text", message_text_);
  fields.text("footer", footer_);
  fields.text("fallback", fallback_);
  fields.text("callback_id", callback_id_);
  fields.text("icon_emoji", icon_emoji_);
  fields.text("icon_url", icon_url_);
  fields.text("image_url", image_url_);
  fields.text("thumb_url", thumb_url_);
  fields.boolean("short_fields", short_fields_);
  fields.boolean("link_names", link_names_);
  std::vector<std::string> markdown;
  if (fields.texts("mrkdwn_in", markdown) && !markdown.empty()) mrkdwn_in_ = std::move(markdown);
  fields_ = read_attachment_fields(fields, "Slack");
  if (const wire::YamlNode* actions = fields.take("actions")) {
    for (const wire::YamlNode* item : actions->items) {
      actions_.push_back(read_action(fields.log(), *item));
    }
  }
  for (const std::string_view key : {"update_message", "post_updates_to_thread"}) {
    fields.ignore(key, "each notification is a message of its own");
  }
}

void Slack::write_actions(wire::JsonWriter& json, Attempt& attempt) const {
  if (actions_.empty()) return;
  json.key("actions").begin_array();
  for (const Action& action : actions_) {
    json.begin_object();
    write_some(json, "type", attempt.text(action.type));
    write_some(json, "text", attempt.text(action.text));
    write_some(json, "url", attempt.text(action.url));
    write_some(json, "style", attempt.text(action.style));
    write_some(json, "name", attempt.text(action.name));
    write_some(json, "value", attempt.text(action.value));
    if (action.confirm) {
      json.key("confirm").begin_object();
      write_some(json, "text", attempt.text(action.confirm->text));
      write_some(json, "title", attempt.text(action.confirm->title));
      write_some(json, "ok_text", attempt.text(action.confirm->ok_text));
      write_some(json, "dismiss_text", attempt.text(action.confirm->dismiss_text));
      json.end_object();
    }
    json.end_object();
  }
  json.end_array();
}

void Slack::write_attachment(wire::JsonWriter& json, Attempt& attempt) const {
  std::string title = attempt.text(title_, Plain::kSubject);
  truncate_characters(title, kTitleMax);
  json.begin_object();
  write_some(json, "title", title);
  write_some(json, "title_link", attempt.text(title_link_));
  write_some(json, "pretext", attempt.text(pretext_));
  json.member("text", attempt.text(text_, Plain::kBody));
  json.member("fallback", attempt.text(fallback_, Plain::kSubject));
  json.member("callback_id", attempt.text(callback_id_));
  write_attachment_fields(json, fields_, short_fields_, attempt);
  write_actions(json, attempt);
  write_some(json, "image_url", attempt.text(image_url_));
  write_some(json, "thumb_url", attempt.text(thumb_url_));
  json.member("footer", attempt.text(footer_));
  write_some(json, "color", attempt.text(color_));
  json.key("mrkdwn_in").begin_array();
  for (const std::string& part : mrkdwn_in_) json.string(part);
  json.end_array();
  json.end_object();
}

Result<OutgoingRequest> Slack::request(Attempt& attempt) const {
  std::string body;
  wire::JsonWriter json(body);
  json.begin_object();
  write_some(json, "channel", attempt.text(channel_));
  write_some(json, "username", attempt.text(username_));
  write_some(json, "icon_emoji", attempt.text(icon_emoji_));
  write_some(json, "icon_url", attempt.text(icon_url_));
  if (link_names_) json.member("link_names", true);
  write_some(json, "text", attempt.text(message_text_, Plain::kSubject));
  json.key("attachments").begin_array();
  write_attachment(json, attempt);
  json.end_array();
  json.end_object();
  if (!app_token_.empty()) {
    ASSIGN_OR_RETURN(const std::string token, attempt.secret(app_token_));
    OutgoingRequest out =
        json_request(app_url_.empty() ? std::string(kPostMessage) : app_url_, std::move(body));
    out.headers.emplace_back("Authorization", "Bearer " + token);
    return out;
  }
  ASSIGN_OR_RETURN(std::string url, attempt.secret(api_url_));
  return json_request(std::move(url), std::move(body));
}

Reading Slack::read(Attempt& attempt, const HttpReply& reply) const {
  Reading reading = usual_reading(reply);
  if (!reading.delivered) {
    const std::string channel = attempt.text(channel_);
    if (!channel.empty()) reading.error = "channel \"" + channel + "\": " + reading.error;
    return reading;
  }
  if (!reply.content_type.starts_with("application/json")) {
    if (reply.body == "ok") return reading;
    return failed_reading("received an error response from Slack: " + quoted_body(reply.body),
                          false);
  }
  const auto document = wire::JsonDocument::parse(reply.body);
  if (!document.ok()) return failed_reading("Slack's answer is not JSON", true);
  if (document->root()["ok"].boolean().value_or(false)) return reading;
  const std::string why(document->root()["error"].string().value_or(""));
  return failed_reading("error response from Slack: " + why, why == "rate_limited");
}

}  // namespace

std::shared_ptr<Integration> read_slack(wire::ConfigFields& fields, const Globals& globals) {
  return read_kind<Slack>(fields, globals);
}

}  // namespace gatehouse::alerts

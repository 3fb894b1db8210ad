// chat.postMessage of Rocket.Chat (developer.rocket.chat/apidocs/post-message). It answers 200
// with {"success":false} where something is wrong.
#include "alerts/receivers/kinds.h"

namespace gatehouse::alerts {

namespace {

constexpr size_t kTitleMax = 1024;  // Slack's bound, which clients share

struct Action {
  std::string type, text, url, msg;
};

class RocketChat final : public HttpIntegration {
 public:
  RocketChat() : HttpIntegration("rocketchat", false) {}

  void read_config(wire::ConfigFields& fields, const Globals& globals);
  Result<OutgoingRequest> request(Attempt& attempt) const override;
  Reading read(Attempt& attempt, const HttpReply& reply) const override;

 private:
  void read_actions(wire::ConfigFields& fields);
  void write_attachment(wire::JsonWriter& json, Attempt& attempt) const;

  model::SecretText token_, token_id_;
  std::string api_url_, channel_, image_url_, thumb_url_;
  std::string color_ = R"({{ if eq .Status "firing" }}red{{ else }}green{{ end }})";
  std::string emoji_ = R"({{ template "rocketchat.default.emoji" . }})";
  std::string icon_url_ = R"({{ template "rocketchat.default.iconurl" . }})";
  std::string text_ = R"({{ template "rocketchat.default.text" . }})";
  std::string title_ = R"({{ template "rocketchat.default.title" . }})";
  std::string title_link_ = R"({{ template "rocketchat.default.titlelink" . }})";
  std::vector<AttachmentField> fields_;
  std::vector<Action> actions_;
  bool short_fields_ = false, link_names_ = false;
};

void RocketChat::read_actions(wire::ConfigFields& fields) {
  const wire::YamlNode* list = fields.take("actions");
  if (list == nullptr) return;
  for (const wire::YamlNode* item : list->items) {
    wire::ConfigFields inner(fields.log(), *item, "actions");
    Action& action = actions_.emplace_back();
    inner.text("type", action.type);
    inner.text("text", action.text);
    inner.text("url", action.url);
    inner.text("msg", action.msg);
    for (const std::string_view key : {"image_url", "is_webview", "webview_height_ratio",
                                       "msg_in_chat_window", "msg_processing_type"}) {
      inner.ignore(key, "a button has a text, a URL and a message");
    }
    inner.done();
  }
}

void RocketChat::read_config(wire::ConfigFields& fields, const Globals& globals) {
  read_usual(fields, globals);
  api_url_ = globals.rocketchat_api_url;
  read_url(fields, "api_url", api_url_);
  fields.secret("token", token_);
  fall_back(fields, token_, globals.rocketchat_token,
            "no global Rocketchat Token set either inline or in a file");
  fields.secret("token_id", token_id_);
  fall_back(fields, token_id_, globals.rocketchat_token_id,
            "no global Rocketchat TokenID set either inline or in a file");
  fields.text("channel", channel_);
  fields.text("color", color_);
  fields.text("title", title_);
  fields.text("title_link", title_link_);
  fields.text("text", text_);
  fields.text("emoji", emoji_);
  fields.text("icon_url", icon_url_);
  fields.text("image_url", image_url_);
  fields.text("thumb_url", thumb_url_);
  fields.boolean("short_fields", short_fields_);
  fields.boolean("link_names", link_names_);
  fields_ = read_attachment_fields(fields, "Rocketchat");
  read_actions(fields);
}

void RocketChat::write_attachment(wire::JsonWriter& json, Attempt& attempt) const {
  std::string title = attempt.text(title_, Plain::kSubject);
  truncate_characters(title, kTitleMax);
  json.begin_object();
  write_some(json, "title", title);
  write_some(json, "title_link", attempt.text(title_link_));
  write_some(json, "text", attempt.text(text_, Plain::kBody));
  write_some(json, "image_url", attempt.text(image_url_));
  write_some(json, "thumb_url", attempt.text(thumb_url_));
  write_some(json, "color", attempt.text(color_));
  write_attachment_fields(json, fields_, short_fields_, attempt);
  if (!actions_.empty()) {
    json.key("actions").begin_array();
    for (const Action& action : actions_) {
      json.begin_object().member("type", "button");
      write_some(json, "text", attempt.text(action.text));
      write_some(json, "url", attempt.text(action.url));
      write_some(json, "msg", attempt.text(action.msg));
      json.end_object();
    }
    json.end_array();
  }
  json.end_object();
}

Result<OutgoingRequest> RocketChat::request(Attempt& attempt) const {
  ASSIGN_OR_RETURN(const std::string token, attempt.secret(token_));
  ASSIGN_OR_RETURN(const std::string token_id, attempt.secret(token_id_));
  std::string body;
  wire::JsonWriter json(body);
  json.begin_object();
  write_some(json, "channel", attempt.text(channel_));
  write_some(json, "emoji", attempt.text(emoji_));
  write_some(json, "avatar", attempt.text(icon_url_));
  json.key("attachments").begin_array();
  write_attachment(json, attempt);
  json.end_array().end_object();
  OutgoingRequest out =
      json_request(with_path(api_url_, "api/v1/chat.postMessage"), std::move(body));
  out.headers.emplace_back("X-Auth-Token", token);
  out.headers.emplace_back("X-User-Id", token_id);
  return out;
}

Reading RocketChat::read(Attempt&, const HttpReply& reply) const {
  Reading reading = usual_reading(reply);
  if (!reading.delivered) return reading;
  const auto document = wire::JsonDocument::parse(reply.body);
  if (!document.ok()) return failed_reading("Rocketchat's answer is not JSON", true);
  if (document->root()["success"].boolean().value_or(false)) return reading;
  const std::string why(document->root()["error"].string().value_or(""));
  return failed_reading("error response from Rocketchat: " + quoted_body(why), false);
}

}  // namespace

std::shared_ptr<Integration> read_rocketchat(wire::ConfigFields& fields, const Globals& globals) {
  return read_kind<RocketChat>(fields, globals);
}

}  // namespace gatehouse::alerts

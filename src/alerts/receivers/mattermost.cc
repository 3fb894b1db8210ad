// An incoming webhook of Mattermost (developers.mattermost.com/integrate/webhooks/incoming).
// Attachments that the configuration lists are sent as listed; without a list there is one when
// a key of an attachment is given.
#include "alerts/receivers/kinds.h"
#include "base/text.h"

namespace gatehouse::alerts {

namespace {

// developers.mattermost.com/integrate/webhooks/incoming: 16,383 characters.
constexpr size_t kTextMax = 16'383;

struct Attachment {
  std::string fallback, color, pretext, text, author_name, author_link, author_icon, title,
      title_link, thumb_url, footer, footer_icon, image_url;
  std::vector<AttachmentField> fields;
};

// The keys of an attachment besides its text, title, fallback, color and fields.
struct Key {
  std::string_view name;
  std::string Attachment::*member;
};
constexpr Key kKeys[] = {
    {"fallback", &Attachment::fallback},       {"color", &Attachment::color},
    {"pretext", &Attachment::pretext},         {"text", &Attachment::text},
    {"author_name", &Attachment::author_name}, {"author_link", &Attachment::author_link},
    {"author_icon", &Attachment::author_icon}, {"title", &Attachment::title},
    {"title_link", &Attachment::title_link},   {"thumb_url", &Attachment::thumb_url},
    {"footer", &Attachment::footer},           {"footer_icon", &Attachment::footer_icon},
    {"image_url", &Attachment::image_url},
};

class Mattermost final : public HttpIntegration {
 public:
  Mattermost() : HttpIntegration("mattermost", true) {
    top_.text = R"({{ template "mattermost.default.text" . }})";
    top_.fallback = R"({{ template "mattermost.default.fallback" . }})";
    top_.color = R"({{ template "mattermost.default.color" . }})";
    top_.title = R"({{ template "mattermost.default.title" . }})";
    top_.title_link = R"({{ template "mattermost.default.titlelink" . }})";
  }

  void read_config(wire::ConfigFields& fields, const Globals& globals);
  Result<OutgoingRequest> request(Attempt& attempt) const override;

 private:
  void read_priority(wire::ConfigFields& fields);
  void write_attachment(wire::JsonWriter& json, const Attachment& attachment,
                        Attempt& attempt) const;
  void write_priority(wire::JsonWriter& json, Attempt& attempt) const;

  model::SecretText webhook_url_;
  std::string channel_, icon_url_, icon_emoji_, type_, card_, priority_;
  std::string username_ = R"({{ template "mattermost.default.username" . }})";
  Attachment top_;
  bool one_attachment_ = false;
  std::vector<Attachment> attachments_;
  bool requested_ack_ = false, persistent_ = false;
};

void Mattermost::read_priority(wire::ConfigFields& fields) {
  if (const wire::YamlNode* node = fields.take("props")) {
    wire::ConfigFields inner(fields.log(), *node, "props");
    inner.text("card", card_);
    inner.done();
  }
  const wire::YamlNode* node = fields.take("priority");
  if (node == nullptr) return;
  wire::ConfigFields inner(fields.log(), *node, "priority");
  inner.text("priority", priority_);
  inner.boolean("requested_ack", requested_ack_);
  inner.boolean("persistent_notifications", persistent_);
  inner.done();
}

void Mattermost::read_config(wire::ConfigFields& fields, const Globals& globals) {
  read_usual(fields, globals);
  read_secret_url(fields, "webhook_url", webhook_url_);
  fall_back(fields, webhook_url_, globals.mattermost_webhook_url,
            "no global Mattermost Webhook URL set either inline or in a file");
  fields.text("channel", channel_);
  fields.text("username", username_);
  fields.text("icon_url", icon_url_);
  fields.text("icon_emoji", icon_emoji_);
  fields.text("type", type_);
  for (const Key& key : kKeys) {
    const bool given = fields.text(key.name, top_.*key.member);
    // The text alone is the message's own.
    if (given && key.name != "text") one_attachment_ = true;
  }
  top_.fields = read_attachment_fields(fields, "Mattermost");
  if (!top_.fields.empty()) one_attachment_ = true;
  if (const wire::YamlNode* list = fields.take("attachments")) {
    for (const wire::YamlNode* item : list->items) {
      wire::ConfigFields inner(fields.log(), *item, "attachments");
      Attachment& attachment = attachments_.emplace_back();
      for (const Key& key : kKeys) inner.text(key.name, attachment.*key.member);
      attachment.fields = read_attachment_fields(inner, "Mattermost");
      inner.done();
    }
  }
  read_priority(fields);
}

void Mattermost::write_attachment(wire::JsonWriter& json, const Attachment& attachment,
                                  Attempt& attempt) const {
  json.begin_object();
  for (const Key& key : kKeys) {
    const Plain plain = key.name == "text"                              ? Plain::kBody
                        : key.name == "title" || key.name == "fallback" ? Plain::kSubject
                                                                        : Plain::kNothing;
    std::string text = attempt.text(attachment.*key.member, plain);
    if (key.name == "text") truncate_characters(text, kTextMax);
    write_some(json, key.name, text);
  }
  write_attachment_fields(json, attachment.fields, false, attempt);
  json.end_object();
}

void Mattermost::write_priority(wire::JsonWriter& json, Attempt& attempt) const {
  if (priority_.empty()) return;
  std::string priority = to_lower(attempt.text(priority_));
  if (priority != "urgent" && priority != "important") priority = "standard";
  json.key("priority").begin_object();
  json.member("priority", priority);
  // Refused by the server with the others.
  if (requested_ack_ && priority != "standard") json.member("requested_ack", true);
  if (persistent_ && priority == "urgent") json.member("persistent_notifications", true);
  json.end_object();
}

Result<OutgoingRequest> Mattermost::request(Attempt& attempt) const {
  ASSIGN_OR_RETURN(std::string url, attempt.secret(webhook_url_));
  const bool one = attachments_.empty() && one_attachment_;
  std::string text = one ? std::string() : attempt.text(top_.text, Plain::kBody);
  truncate_characters(text, kTextMax);
  std::string body;
  wire::JsonWriter json(body);
  json.begin_object();
  json.member("text", text);
  write_some(json, "channel", attempt.text(channel_));
  write_some(json, "username", attempt.text(username_));
  write_some(json, "icon_url", attempt.text(icon_url_));
  write_some(json, "icon_emoji", attempt.text(icon_emoji_));
  if (one || !attachments_.empty()) {
    json.key("attachments").begin_array();
    if (one) write_attachment(json, top_, attempt);
    for (const Attachment& each : attachments_) write_attachment(json, each, attempt);
    json.end_array();
  }
  write_some(json, "type", attempt.text(type_));
  if (!card_.empty()) {
    json.key("props").begin_object().member("card", attempt.text(card_)).end_object();
  }
  write_priority(json, attempt);
  json.end_object();
  return json_request(std::move(url), std::move(body));
}

}  // namespace

std::shared_ptr<Integration> read_mattermost(wire::ConfigFields& fields, const Globals& globals) {
  return read_kind<Mattermost>(fields, globals);
}

}  // namespace gatehouse::alerts

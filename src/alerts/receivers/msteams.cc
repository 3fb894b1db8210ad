// Teams by its two ways in: a MessageCard for an incoming webhook (retired by Microsoft, still
// in configurations), and an adaptive card for a workflow
// (learn.microsoft.com/en-us/connectors/teams).
#include "alerts/receivers/kinds.h"

namespace gatehouse::alerts {

namespace {

constexpr std::string_view kRed = "8C1A1A";
constexpr std::string_view kGreen = "2DC72D";

class Teams : public HttpIntegration {
 public:
  explicit Teams(std::string_view kind) : HttpIntegration(kind, true) {}

  Reading read(Attempt&, const HttpReply& reply) const final {
    // A webhook says 200 to what Teams behind it refuses, as for too many messages.
    if (reply.status / 100 == 2 && reply.body.find("delivery failed") != std::string::npos) {
      return failed_reading("Teams did not take the message: " + quoted_body(reply.body), true);
    }
    return usual_reading(reply);
  }

 protected:
  void read_webhook_url(wire::ConfigFields& fields, const Globals& globals) {
    read_usual(fields, globals);
    read_secret_url(fields, "webhook_url", webhook_url_);
    require_secret(fields, "webhook_url", webhook_url_);
  }

  model::SecretText webhook_url_;
};

class MessageCard final : public Teams {
 public:
  MessageCard() : Teams("msteams") {}

  void read_config(wire::ConfigFields& fields, const Globals& globals) {
    read_webhook_url(fields, globals);
    fields.text("title", title_);
    fields.text("summary", summary_);
    fields.text("text", text_);
  }

  Result<OutgoingRequest> request(Attempt& attempt) const override {
    ASSIGN_OR_RETURN(std::string url, attempt.secret(webhook_url_));
    std::string body;
    wire::JsonWriter json(body);
    json.begin_object();
    json.member("@context", "http://schema.org/extensions");
    json.member("type", "MessageCard");
    json.member("title", attempt.text(title_, Plain::kSubject));
    json.member("summary", attempt.text(summary_, Plain::kSubject));
    json.member("text", attempt.text(text_, Plain::kBody));
    json.member("themeColor", std::string(attempt.notification().firing() ? kRed : kGreen));
    json.end_object();
    return json_request(std::move(url), std::move(body));
  }

 private:
  std::string title_ = R"({{ template "msteams.default.title" . }})";
  std::string summary_ = R"({{ template "msteams.default.summary" . }})";
  std::string text_ = R"({{ template "msteams.default.text" . }})";
};

class AdaptiveCard final : public Teams {
 public:
  AdaptiveCard() : Teams("msteamsv2") {}

  void read_config(wire::ConfigFields& fields, const Globals& globals) {
    read_webhook_url(fields, globals);
    fields.text("title", title_);
    fields.text("text", text_);
  }

  Result<OutgoingRequest> request(Attempt& attempt) const override {
    ASSIGN_OR_RETURN(std::string url, attempt.secret(webhook_url_));
    std::string body;
    wire::JsonWriter json(body);
    json.begin_object();
    json.member("type", "message");
    json.key("attachments").begin_array().begin_object();
    json.member("contentType", "application/vnd.microsoft.card.adaptive");
    json.key("contentUrl").null();
    json.key("content").begin_object();
    json.member("$schema", "http://adaptivecards.io/schemas/adaptive-card.json");
    json.member("type", "AdaptiveCard");
    json.member("version", "1.2");
    json.key("body").begin_array();
    json.begin_object().member("type", "TextBlock");
    json.member("text", attempt.text(title_, Plain::kSubject));
    json.member("weight", "Bolder").member("size", "Medium").member("wrap", true);
    json.member("style", "heading");
    json.member("color", attempt.notification().firing() ? "Attention" : "Good");
    json.end_object();
    json.begin_object().member("type", "TextBlock");
    json.member("text", attempt.text(text_, Plain::kBody)).member("wrap", true).end_object();
    json.end_array();
    json.key("msteams").begin_object().member("width", "full").end_object();
    json.end_object();  // content
    json.end_object().end_array().end_object();
    return json_request(std::move(url), std::move(body));
  }

 private:
  std::string title_ = R"({{ template "msteamsv2.default.title" . }})";
  std::string text_ = R"({{ template "msteamsv2.default.text" . }})";
};

}  // namespace

std::shared_ptr<Integration> read_msteams(wire::ConfigFields& fields, const Globals& globals) {
  return read_kind<MessageCard>(fields, globals);
}

std::shared_ptr<Integration> read_msteamsv2(wire::ConfigFields& fields, const Globals& globals) {
  return read_kind<AdaptiveCard>(fields, globals);
}

}  // namespace gatehouse::alerts

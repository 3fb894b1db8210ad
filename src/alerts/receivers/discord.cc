// A webhook's message with one embed (discord.com/developers/docs/resources/webhook).
#include "alerts/receivers/kinds.h"
#include "net/url.h"

namespace gatehouse::alerts {

namespace {

// discord.com/developers/docs/resources/message#embed-object-embed-limits, in characters.
constexpr size_t kTitleMax = 256;
constexpr size_t kDescriptionMax = 4096;
constexpr size_t kContentMax = 2000;
constexpr int64_t kRed = 0x992d22;
constexpr int64_t kGreen = 0x2ecc71;

class Discord final : public HttpIntegration {
 public:
  Discord() : HttpIntegration("discord", true) {}

  void read_config(wire::ConfigFields& fields, const Globals& globals) {
    read_usual(fields, globals);
    read_secret_url(fields, "webhook_url", webhook_url_);
    require_secret(fields, "webhook_url", webhook_url_);
    fields.text("content", content_);
    fields.text("title", title_);
    fields.text("message", message_);
    fields.text("username", username_);
    fields.text("avatar_url", avatar_url_);
  }

  Result<OutgoingRequest> request(Attempt& attempt) const override {
    ASSIGN_OR_RETURN(std::string url, attempt.secret(webhook_url_));
    std::string title = attempt.text(title_, Plain::kSubject);
    std::string message = attempt.text(message_, Plain::kBody);
    std::string content = attempt.text(content_);
    truncate_characters(title, kTitleMax);
    truncate_characters(message, kDescriptionMax);
    truncate_characters(content, kContentMax);
    std::string body;
    wire::JsonWriter json(body);
    json.begin_object();
    json.member("content", content);
    json.key("embeds").begin_array().begin_object();
    json.member("title", title);
    json.member("description", message);
    json.member("color", attempt.notification().firing() ? kRed : kGreen);
    json.end_object().end_array();
    write_some(json, "username", attempt.text(username_));
    // A wrong one would cost the message.
    const std::string avatar = attempt.text(avatar_url_);
    if (net::parse_url(avatar).ok()) json.member("avatar_url", avatar);
    json.end_object();
    return json_request(std::move(url), std::move(body));
  }

  Reading read(Attempt&, const HttpReply& reply) const override {
    Reading reading = usual_reading(reply);
    if (reply.status != 429) return reading;
    const auto document = wire::JsonDocument::parse(reply.body);
    if (!document.ok()) return reading;
    const double seconds = document->root()["retry_after"].number().value_or(0);
    if (seconds > 0 && seconds < 86'400) {
      reading.retry_after_ms = static_cast<int64_t>(seconds * 1000);
    }
    return reading;
  }

 private:
  model::SecretText webhook_url_;
  std::string content_, username_, avatar_url_;
  std::string title_ = R"({{ template "discord.default.title" . }})";
  std::string message_ = R"({{ template "discord.default.message" . }})";
};

}  // namespace

std::shared_ptr<Integration> read_discord(wire::ConfigFields& fields, const Globals& globals) {
  return read_kind<Discord>(fields, globals);
}

}  // namespace gatehouse::alerts

// sendMessage of the Bot API (core.telegram.org/bots/api#sendmessage). Under parse mode HTML the
// message is a template of html/template.
#include "alerts/receivers/kinds.h"
#include "base/text.h"

namespace gatehouse::alerts {

namespace {

// core.telegram.org/bots/api: 1 to 4096 characters after entities are parsed.
constexpr size_t kMessageMax = 4096;

class Telegram final : public HttpIntegration {
 public:
  Telegram() : HttpIntegration("telegram", true) {}

  void read_config(wire::ConfigFields& fields, const Globals& globals) {
    read_usual(fields, globals);
    api_url_ = globals.telegram_api_url;
    read_url(fields, "api_url", api_url_);
    fields.secret("bot_token", bot_token_);
    fall_back(fields, bot_token_, globals.telegram_bot_token,
              "missing bot_token or bot_token_file on telegram_config");
    int64_t chat = 0;
    if (fields.integer("chat_id", INT64_MIN, INT64_MAX, chat) && chat != 0) {
      chat_id_.text = std::to_string(chat);
    }
    if (fields.path("chat_id_file", chat_id_.file) && !chat_id_.text.empty()) {
      fields.log().problem(fields.mark(),
                           "at most one of chat_id & chat_id_file must be configured");
    }
    if (chat_id_.empty()) {
      fields.log().problem(fields.mark(), "missing chat_id or chat_id_file on telegram_config");
    }
    fields.integer("message_thread_id", 0, INT32_MAX, message_thread_id_);
    fields.text("message", message_);
    fields.boolean("disable_notifications", disable_notifications_);
    fields.text("parse_mode", parse_mode_);
    for (const std::string_view known : {"", "Markdown", "MarkdownV2", "HTML"}) {
      if (parse_mode_ == known) return;
    }
    fields.log().problem(fields.mark(),
                         "unknown parse_mode on telegram_config, must be Markdown, MarkdownV2, "
                         "HTML or empty string");
  }

  Result<OutgoingRequest> request(Attempt& attempt) const override {
    ASSIGN_OR_RETURN(const std::string token, attempt.secret(bot_token_));
    ASSIGN_OR_RETURN(const std::string chat, chat_id_.read());
    const int failures = attempt.failures();
    std::string text =
        parse_mode_ == "HTML" ? attempt.html(message_) : attempt.text(message_, Plain::kBody);
    // Plain text under a parse mode would be refused for its first '<' or '_'.
    const bool plain = attempt.failures() != failures;
    if (plain) text = plain_body(attempt.notification());
    truncate_characters(text, kMessageMax);
    std::string body;
    wire::JsonWriter json(body);
    json.begin_object();
    json.member("chat_id", chat);
    json.member("text", text);
    if (!plain) write_some(json, "parse_mode", parse_mode_);
    json.member("disable_web_page_preview", true);
    if (disable_notifications_) json.member("disable_notification", true);
    if (message_thread_id_ != 0) json.member("message_thread_id", message_thread_id_);
    json.end_object();
    return json_request(with_path(api_url_, "bot" + token + "/sendMessage"), std::move(body));
  }

  Reading read(Attempt&, const HttpReply& reply) const override {
    Reading reading = usual_reading(reply);
    const auto document = wire::JsonDocument::parse(reply.body);
    if (!document.ok()) return reading;
    const wire::JsonView root = document->root();
    if (reading.delivered && root["ok"].boolean().value_or(true)) return reading;
    const std::string why(root["description"].string().value_or("no description"));
    Reading failed = failed_reading(
        "unexpected status code " + std::to_string(reply.status) + ": " + quoted_body(why),
        reading.retry);
    failed.retry_after_ms = root["parameters"]["retry_after"].integer().value_or(0) * 1000;
    return failed;
  }

 private:
  model::SecretText bot_token_, chat_id_;
  std::string api_url_;
  std::string message_ = R"({{ template "telegram.default.message" . }})";
  std::string parse_mode_ = "HTML";
  int64_t message_thread_id_ = 0;
  bool disable_notifications_ = false;
};

}  // namespace

std::shared_ptr<Integration> read_telegram(wire::ConfigFields& fields, const Globals& globals) {
  return read_kind<Telegram>(fields, globals);
}

}  // namespace gatehouse::alerts

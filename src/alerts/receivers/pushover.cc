// One message by a form (pushover.net/api). Priority 2 is repeated until it is acknowledged.
#include "alerts/receivers/kinds.h"
#include "outbound/http_fetch.h"

namespace gatehouse::alerts {

namespace {

// pushover.net/api#limits, in characters.
constexpr size_t kTitleMax = 250;
constexpr size_t kMessageMax = 1024;
constexpr size_t kUrlMax = 512;
constexpr std::string_view kUrl = "https://api.pushover.net/1/messages.json";

std::string without_margins(std::string text) {
  const size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

class Pushover final : public HttpIntegration {
 public:
  Pushover() : HttpIntegration("pushover", true) {}

  void read_config(wire::ConfigFields& fields, const Globals& globals) {
    read_usual(fields, globals);
    fields.secret("user_key", user_key_);
    require_secret(fields, "user_key", user_key_);
    fields.secret("token", token_);
    require_secret(fields, "token", token_);
    fields.text("title", title_);
    fields.text("message", message_);
    fields.text("url", url_);
    fields.text("url_title", url_title_);
    fields.text("device", device_);
    fields.text("sound", sound_);
    fields.text("priority", priority_);
    fields.duration("retry", retry_ms_);
    fields.duration("expire", expire_ms_);
    fields.duration("ttl", ttl_ms_);
    fields.boolean("html", html_);
    fields.boolean("monospace", monospace_);
    if (html_ && monospace_) {
      fields.log().problem(fields.mark(), "at most one of monospace & html must be configured");
    }
  }

  Result<OutgoingRequest> request(Attempt& attempt) const override {
    ASSIGN_OR_RETURN(const std::string token, attempt.secret(token_));
    ASSIGN_OR_RETURN(const std::string user, attempt.secret(user_key_));
    std::string title = attempt.text(title_, Plain::kSubject);
    truncate_characters(title, kTitleMax);
    std::string message =
        html_ ? attempt.html(message_, Plain::kBody) : attempt.text(message_, Plain::kBody);
    message = without_margins(std::move(message));
    truncate_characters(message, kMessageMax);
    if (message.empty()) message = "(no details)";  // an empty one is refused
    std::string url = attempt.text(url_);
    truncate_characters(url, kUrlMax);
    std::vector<std::pair<std::string, std::string>> form = {
        {"token", attempt.text(token)},
        {"user", attempt.text(user)},
        {"title", title},
        {"message", message},
        {"url", url},
    };
    if (html_) form.emplace_back("html", "1");
    if (monospace_) form.emplace_back("monospace", "1");
    form.emplace_back("url_title", attempt.text(url_title_));
    form.emplace_back("priority", attempt.text(priority_));
    form.emplace_back("retry", std::to_string(retry_ms_ / 1000));
    form.emplace_back("expire", std::to_string(expire_ms_ / 1000));
    form.emplace_back("device", attempt.text(device_));
    form.emplace_back("sound", attempt.text(sound_));
    if (ttl_ms_ >= 1000) form.emplace_back("ttl", std::to_string(ttl_ms_ / 1000));
    OutgoingRequest out;
    out.url = kUrl;
    // In the body, where Alertmanager has it in the query: no proxy logs the token.
    out.headers = {{"Content-Type", "application/x-www-form-urlencoded"}};
    out.body = outbound::encode_form(form);
    return out;
  }

 private:
  model::SecretText user_key_, token_;
  std::string title_ = R"({{ template "pushover.default.title" . }})";
  std::string message_ = R"({{ template "pushover.default.message" . }})";
  std::string url_ = R"({{ template "pushover.default.url" . }})";
  std::string priority_ = R"({{ if eq .Status "firing" }}2{{ else }}0{{ end }})";
  std::string url_title_, device_, sound_;
  int64_t retry_ms_ = 60'000, expire_ms_ = 3'600'000, ttl_ms_ = 0;
  bool html_ = false, monospace_ = false;
};

}  // namespace

std::shared_ptr<Integration> read_pushover(wire::ConfigFields& fields, const Globals& globals) {
  return read_kind<Pushover>(fields, globals);
}

}  // namespace gatehouse::alerts

// WeCom: a token for the corporation's secret, then the message
// (developer.work.weixin.qq.com/document/path/90236). A token holds for two hours and is kept.
#include <mutex>

#include "alerts/receivers/kinds.h"
#include "base/loop.h"
#include "outbound/http_fetch.h"

namespace gatehouse::alerts {

namespace {

// It holds for 7200 s; asked for anew a little before.
constexpr int64_t kTokenMs = 7'000'000;
// "access_token expired", and one that is not known any more.
constexpr int64_t kExpired = 42'001;
constexpr int64_t kInvalid = 40'014;

class Wechat final : public HttpIntegration {
 public:
  Wechat() : HttpIntegration("wechat", false) {}

  void read_config(wire::ConfigFields& fields, const Globals& globals);
  Result<OutgoingRequest> request(Attempt& attempt) const override;
  Reading read(Attempt& attempt, const HttpReply& reply) const override;

 private:
  struct Token {
    std::mutex mutex;
    std::string text;
    int64_t until_ms = 0;
  };
  std::string known_token() const;
  void keep_token(std::string text) const;
  OutgoingRequest message(Attempt& attempt, const std::string& token) const;

  model::SecretText api_secret_;
  std::string api_url_, corp_id_;
  std::string message_ = R"({{ template "wechat.default.message" . }})";
  std::string to_user_ = R"({{ template "wechat.default.to_user" . }})";
  std::string to_party_ = R"({{ template "wechat.default.to_party" . }})";
  std::string to_tag_ = R"({{ template "wechat.default.to_tag" . }})";
  std::string agent_id_ = R"({{ template "wechat.default.agent_id" . }})";
  std::string message_type_ = "text";
  std::unique_ptr<Token> token_ = std::make_unique<Token>();
};

void Wechat::read_config(wire::ConfigFields& fields, const Globals& globals) {
  read_usual(fields, globals);
  fields.secret("api_secret", api_secret_);
  fall_back(fields, api_secret_, globals.wechat_api_secret, "no global Wechat Api Secret set");
  corp_id_ = globals.wechat_api_corp_id;
  fields.text("corp_id", corp_id_);
  require_text(fields, corp_id_, "no global Wechat CorpID set");
  api_url_ = globals.wechat_api_url;
  read_url(fields, "api_url", api_url_);
  fields.text("message", message_);
  fields.text("to_user", to_user_);
  fields.text("to_party", to_party_);
  fields.text("to_tag", to_tag_);
  fields.text("agent_id", agent_id_);
  fields.text("message_type", message_type_);
  if (message_type_.empty()) message_type_ = "text";
  if (message_type_ != "text" && message_type_ != "markdown") {
    fields.log().problem(fields.mark(), "weChat message type \"" + message_type_ +
                                            "\" does not match valid options ^(text|markdown)$");
  }
}

std::string Wechat::known_token() const {
  const std::lock_guard lock(token_->mutex);
  return steady_ms() < token_->until_ms ? token_->text : std::string();
}

void Wechat::keep_token(std::string text) const {
  const std::lock_guard lock(token_->mutex);
  token_->until_ms = text.empty() ? 0 : steady_ms() + kTokenMs;
  token_->text = std::move(text);
}

OutgoingRequest Wechat::message(Attempt& attempt, const std::string& token) const {
  attempt.step = 1;
  attempt.remember_secret(token);
  std::string body;
  wire::JsonWriter json(body);
  json.begin_object();
  json.key(message_type_).begin_object();
  json.member("content", attempt.text(message_, Plain::kBody)).end_object();
  write_some(json, "touser", attempt.text(to_user_));
  write_some(json, "toparty", attempt.text(to_party_));
  write_some(json, "totag", attempt.text(to_tag_));
  write_some(json, "agentid", attempt.text(agent_id_));
  json.member("safe", "0");
  json.member("msgtype", message_type_);
  json.end_object();
  const std::string query = outbound::encode_form({{"access_token", token}});
  return json_request(with_path(api_url_, "message/send?" + query), std::move(body));
}

Result<OutgoingRequest> Wechat::request(Attempt& attempt) const {
  const std::string known = known_token();
  if (!known.empty()) return message(attempt, known);
  ASSIGN_OR_RETURN(const std::string secret, attempt.secret(api_secret_));
  OutgoingRequest out;
  out.method = "GET";
  out.url = with_path(api_url_,
                      "gettoken?" + outbound::encode_form({{"corpid", attempt.text(corp_id_)},
                                                           {"corpsecret", attempt.text(secret)}}));
  return out;
}

Reading Wechat::read(Attempt& attempt, const HttpReply& reply) const {
  Reading reading = usual_reading(reply);
  if (!reading.delivered) return reading;
  const auto document = wire::JsonDocument::parse(reply.body);
  if (!document.ok()) return failed_reading("WeChat's answer is not JSON", true);
  const wire::JsonView root = document->root();
  if (attempt.step == 0) {
    const std::string token(root["access_token"].string().value_or(""));
    if (token.empty()) {
      return failed_reading("invalid APISecret for CorpID: " + attempt.text(corp_id_), false);
    }
    keep_token(token);
    reading.delivered = false;
    reading.next = message(attempt, token);
    return reading;
  }
  const int64_t code = root["errcode"].integer().value_or(0);
  if (code == 0) return reading;
  const bool stale = code == kExpired || code == kInvalid;
  if (stale) keep_token({});
  const std::string why(root["errmsg"].string().value_or(""));
  return failed_reading("WeChat error " + std::to_string(code) + ": " + quoted_body(why), stale);
}

}  // namespace

std::shared_ptr<Integration> read_wechat(wire::ConfigFields& fields, const Globals& globals) {
  return read_kind<Wechat>(fields, globals);
}

}  // namespace gatehouse::alerts

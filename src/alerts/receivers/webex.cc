// One message in Markdown (developer.webex.com/docs/api/v1/messages/create-a-message). The token
// is the authorization of http_config.
#include "alerts/receivers/kinds.h"

namespace gatehouse::alerts {

namespace {

// developer.webex.com: 7439 bytes.
constexpr size_t kMessageBytesMax = 7439;

class Webex final : public HttpIntegration {
 public:
  Webex() : HttpIntegration("webex", true) {}

  void read_config(wire::ConfigFields& fields, const Globals& globals) {
    read_usual(fields, globals);
    api_url_ = globals.webex_api_url;
    read_url(fields, "api_url", api_url_);
    fields.text("message", message_);
    fields.text("room_id", room_id_);
    require_text(fields, room_id_, "missing room_id on webex_config");
    if (fields.take("http_config") == nullptr || !client_.authorization) {
      fields.log().problem(fields.mark(), "missing webex_configs.http_config.authorization");
    }
  }

  Result<OutgoingRequest> request(Attempt& attempt) const override {
    std::string message = attempt.text(message_, Plain::kBody);
    truncate_bytes(message, kMessageBytesMax);
    std::string body;
    wire::JsonWriter json(body);
    json.begin_object();
    json.member("markdown", message);
    write_some(json, "roomId", attempt.text(room_id_));
    json.end_object();
    return json_request(api_url_, std::move(body));
  }

 private:
  std::string api_url_, room_id_;
  std::string message_ = R"({{ template "webex.default.message" . }})";
};

}  // namespace

std::shared_ptr<Integration> read_webex(wire::ConfigFields& fields, const Globals& globals) {
  return read_kind<Webex>(fields, globals);
}

}  // namespace gatehouse::alerts

// Publish of Amazon SNS (docs.aws.amazon.com/sns/latest/api/API_Publish.html): a form, signed
// by Signature Version 4 (docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html).
//
// Keys come from the configuration, or else from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (with
// AWS_SESSION_TOKEN) of the environment. Roles and profiles are not taken.
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <cstdlib>
#include <ctime>

#include "alerts/receivers/kinds.h"
#include "base/bytes.h"
#include "net/url.h"
#include "outbound/http_fetch.h"

namespace gatehouse::alerts {

namespace {

// docs.aws.amazon.com/sns: 256 KiB a message, 1600 characters a text message, 100 a subject.
constexpr size_t kMessageBytesMax = 256 << 10;
constexpr size_t kTextMessageMax = 1600;
constexpr size_t kSubjectMax = 100;

std::string hmac(std::string_view key, std::string_view text) {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  ::HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
         reinterpret_cast<const unsigned char*>(text.data()), text.size(), out, &size);
  return std::string(reinterpret_cast<const char*>(out), size);
}

struct Keys {
  std::string access, secret, token;
};

class Sns final : public HttpIntegration {
 public:
  Sns() : HttpIntegration("sns", true) {}

  void read_config(wire::ConfigFields& fields, const Globals& globals);
  Result<OutgoingRequest> request(Attempt& attempt) const override;
  Reading read(Attempt& attempt, const HttpReply& reply) const override;

 private:
  void read_signing(wire::ConfigFields& fields);
  Result<Keys> keys(Attempt& attempt) const;
  std::string form(Attempt& attempt) const;

  std::string api_url_, region_, access_key_;
  model::SecretText secret_key_;
  std::string topic_arn_, phone_number_, target_arn_;
  std::string subject_ = R"({{ template "sns.default.subject" . }})";
  std::string message_ = R"({{ template "sns.default.message" . }})";
  std::vector<std::pair<std::string, std::string>> attributes_;
};

void Sns::read_signing(wire::ConfigFields& fields) {
  if (const wire::YamlNode* node = fields.take("sigv4")) {
    wire::ConfigFields inner(fields.log(), *node, "sigv4");
    inner.text("region", region_);
    inner.text("access_key", access_key_);
    inner.text("secret_key", secret_key_.text);
    for (const std::string_view key : {"profile", "role_arn", "external_id"}) {
      inner.refuse(key, "access_key and secret_key are, or those of the environment");
    }
    inner.ignore("use_fips_sts_endpoint", "no role is assumed");
    inner.done();
    if (access_key_.empty() != secret_key_.empty()) {
      fields.log().problem(node->mark,
                           "must provide a AWS SigV4 Access key and Secret Key if "
                           "credentials are specified in the SNS config");
    }
  }
  // A region stands in a topic's name.
  if (region_.empty()) {
    const std::string& arn = topic_arn_.empty() ? target_arn_ : topic_arn_;
    size_t at = 0;
    for (int i = 0; i < 3 && at != std::string::npos; ++i) at = arn.find(':', at == 0 ? 0 : at + 1);
    if (at != std::string::npos && at != 0) {
      region_ = arn.substr(at + 1, arn.find(':', at + 1) - at - 1);
    }
  }
  if (region_.empty()) {
    const char* region = std::getenv("AWS_REGION");
    if (region != nullptr) region_ = region;
  }
  require_text(fields, region_, "region not configured in sigv4 or in default credentials chain");
}

void Sns::read_config(wire::ConfigFields& fields, const Globals& globals) {
  read_usual(fields, globals);
  fields.text("api_url", api_url_);
  fields.text("topic_arn", topic_arn_);
  fields.text("phone_number", phone_number_);
  fields.text("target_arn", target_arn_);
  fields.text("subject", subject_);
  fields.text("message", message_);
  fields.pairs("attributes", attributes_);
  const int targets = (topic_arn_.empty() ? 0 : 1) + (phone_number_.empty() ? 0 : 1) +
                      (target_arn_.empty() ? 0 : 1);
  if (targets != 1) {
    fields.log().problem(fields.mark(),
                         "must provide either a Target ARN, Topic ARN, or Phone Number for SNS "
                         "config");
  }
  read_signing(fields);
}

Result<Keys> Sns::keys(Attempt& attempt) const {
  Keys out = {access_key_, {}, {}};
  ASSIGN_OR_RETURN(out.secret, attempt.secret(secret_key_));
  if (out.access.empty()) {
    const auto of = [](const char* name) {
      const char* value = std::getenv(name);
      return std::string(value == nullptr ? "" : value);
    };
    out = {of("AWS_ACCESS_KEY_ID"), of("AWS_SECRET_ACCESS_KEY"), of("AWS_SESSION_TOKEN")};
    attempt.remember_secret(out.secret);
    attempt.remember_secret(out.token);
  }
  if (out.access.empty() || out.secret.empty()) {
    return invalid_argument("no AWS access key in sigv4 or the environment");
  }
  return out;
}

std::string Sns::form(Attempt& attempt) const {
  std::vector<std::pair<std::string, std::string>> form = {{"Action", "Publish"},
                                                           {"Version", "2010-03-31"}};
  const std::string topic = attempt.text(topic_arn_), phone = attempt.text(phone_number_),
                    target = attempt.text(target_arn_);
  if (!topic.empty()) form.emplace_back("TopicArn", topic);
  if (!phone.empty()) form.emplace_back("PhoneNumber", phone);
  if (!target.empty()) form.emplace_back("TargetArn", target);
  std::string subject = attempt.text(subject_, Plain::kSubject);
  for (char& c : subject) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  }
  truncate_characters(subject, kSubjectMax);
  if (!subject.empty()) form.emplace_back("Subject", subject);
  std::string message = attempt.text(message_, Plain::kBody);
  const bool cut = phone.empty() ? truncate_bytes(message, kMessageBytesMax)
                                 : truncate_characters(message, kTextMessageMax);
  if (message.empty()) message = plain_subject(attempt.notification());
  form.emplace_back("Message", message);
  std::vector<std::pair<std::string, std::string>> attributes;
  for (const auto& [name, value] : attributes_) {
    attributes.emplace_back(attempt.text(name), attempt.text(value));
  }
  if (cut) attributes.emplace_back("truncated", "true");
  size_t number = 0;
  for (const auto& [name, value] : attributes) {
    const std::string entry = "MessageAttributes.entry." + std::to_string(++number);
    form.emplace_back(entry + ".Name", name);
    form.emplace_back(entry + ".Value.DataType", "String");
    form.emplace_back(entry + ".Value.StringValue", value);
  }
  if (topic.ends_with(".fifo")) {
    const std::string key = group_key_hash(attempt.notification());
    form.emplace_back("MessageDeduplicationId", key);
    form.emplace_back("MessageGroupId", key);
  }
  return outbound::encode_form(form);
}

// Signs a POST of a form to the root of `url` at `now`.
void sign(OutgoingRequest& out, const net::Url& url, const Keys& keys, const std::string& region,
          time_t now) {
  tm parts{};
  gmtime_r(&now, &parts);
  char text[17];
  std::strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &parts);
  const std::string time(text), day = time.substr(0, 8);
  const std::string hash = hex_encode(sha256(out.body));
  std::string names = "content-type;host;x-amz-date";
  std::string lines = "content-type:application/x-www-form-urlencoded\nhost:" + url.authority() +
                      "\nx-amz-date:" + time + "\n";
  if (!keys.token.empty()) {
    names += ";x-amz-security-token";
    lines += "x-amz-security-token:" + keys.token + "\n";
    out.headers.emplace_back("X-Amz-Security-Token", keys.token);
  }
  const std::string canonical =
      "POST\n" + url.path + "\n" + url.query + "\n" + lines + "\n" + names + "\n" + hash;
  const std::string scope = day + "/" + region + "/sns/aws4_request";
  const std::string to_sign =
      "AWS4-HMAC-SHA256\n" + time + "\n" + scope + "\n" + hex_encode(sha256(canonical));
  const std::string day_key = hmac("AWS4" + keys.secret, day);
  const std::string key = hmac(hmac(hmac(day_key, region), "sns"), "aws4_request");
  out.headers.emplace_back("X-Amz-Date", time);
  out.headers.emplace_back("Authorization", "AWS4-HMAC-SHA256 Credential=" + keys.access + "/" +
                                                scope + ", SignedHeaders=" + names +
                                                ", Signature=" + hex_encode(hmac(key, to_sign)));
}

Result<OutgoingRequest> Sns::request(Attempt& attempt) const {
  ASSIGN_OR_RETURN(const Keys found, keys(attempt));
  OutgoingRequest out;
  out.url = attempt.text(api_url_);
  if (out.url.empty()) out.url = "https://sns." + region_ + ".amazonaws.com/";
  ASSIGN_OR_RETURN(const net::Url url, net::parse_url(out.url));
  out.headers = {{"Content-Type", "application/x-www-form-urlencoded"}};
  out.body = form(attempt);
  sign(out, url, found, region_, attempt.wall_ns() / 1'000'000'000);
  return out;
}

Reading Sns::read(Attempt&, const HttpReply& reply) const {
  Reading reading = usual_reading(reply);
  // AWS answers 400 where there are too many requests.
  if (reply.status == 400 && reply.body.find("<Code>Throttl") != std::string::npos) {
    reading.retry = true;
  }
  return reading;
}

}  // namespace

std::shared_ptr<Integration> read_sns(wire::ConfigFields& fields, const Globals& globals) {
  return read_kind<Sns>(fields, globals);
}

}  // namespace gatehouse::alerts

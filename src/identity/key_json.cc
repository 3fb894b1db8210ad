// A key as the catalog holds it. Members that a later version adds are lost when
// an earlier one rewrites the object, so a format that must not be rewritten
// raises "format".
#include <cstring>

#include "base/bytes.h"
#include "identity/keys.h"
#include "identity/roles.h"
#include "wire/json.h"

namespace gatehouse::identity {

namespace {

constexpr int kFormat = 1;

using wire::JsonView;
using wire::JsonWriter;

void put_strings(JsonWriter& json, std::string_view name, const std::vector<std::string>& texts) {
  json.key(name).begin_array();
  for (const std::string& text : texts) json.string(text);
  json.end_array();
}

std::vector<std::string> strings(JsonView array) {
  std::vector<std::string> out;
  for (JsonView item : array.items()) {
    if (const auto text = item.string()) out.emplace_back(*text);
  }
  return out;
}

int64_t integer(JsonView value) { return value.integer().value_or(0); }

Status read_digest(JsonView value, Digest& out) {
  const auto text = value.string();
  if (!text) return data_loss("a digest is missing");
  ASSIGN_OR_RETURN(const std::string bytes, hex_decode(*text));
  if (bytes.size() != out.size()) return data_loss("a digest has the wrong length");
  std::memcpy(out.data(), bytes.data(), out.size());
  return {};
}

}  // namespace

std::string KeyStore::encode(const Held& held) {
  const Key& key = held.key;
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.member("format", kFormat).member("name", key.name);
  json.key("roles").begin_array();
  for (model::Role role : key.roles) json.string(model::name(role));
  json.end_array();
  put_strings(json, "models", key.models);
  put_strings(json, "allow_from", key.allow_from);
  json.key("limits").begin_object();
  json.member("requests_per_minute", key.limits.requests_per_minute);
  json.member("tokens_per_minute", key.limits.tokens_per_minute);
  json.member("concurrent", key.limits.concurrent);
  json.member("daily_nanodollars", key.limits.daily_nanodollars);
  json.member("monthly_nanodollars", key.limits.monthly_nanodollars);
  json.end_object();
  json.member("created_by", key.created_by).member("created_ns", key.created_ns);
  json.member("expires_ns", key.expires_ns).member("revoked_ns", key.revoked_ns);
  json.member("last_used_ns", key.last_used_ns);
  json.member("secret_sha256", hex_encode({held.secret.data(), held.secret.size()}));
  if (key.previous_until_ns != 0) {
    json.member("previous_sha256", hex_encode({held.previous.data(), held.previous.size()}));
    json.member("previous_until_ns", key.previous_until_ns);
  }
  json.end_object();
  return out;
}

Result<KeyStore::Held> KeyStore::decode(const model::Object& object) {
  if (!valid_key_id(object.id)) return data_loss("its id is no key's");
  ASSIGN_OR_RETURN(const wire::JsonDocument document, wire::JsonDocument::parse(object.body));
  const JsonView root = document.root();
  if (integer(root["format"]) != kFormat) {
    return data_loss("its format is not known to this version");
  }
  Held held;
  held.version = object.version;
  held.activity = std::make_shared<KeyActivity>();
  Key& key = held.key;
  key.id = object.id;
  key.name = root["name"].string().value_or("");
  for (const std::string& text : strings(root["roles"])) {
    const auto role = parse_role(text);
    if (!role) return data_loss("it has an unknown role");
    key.roles.push_back(*role);
  }
  RETURN_IF_ERROR(check_roles(key.roles));
  if (!root["models"].is_array() || !root["allow_from"].is_array() || !root["limits"].is_object()) {
    return data_loss("models, allow_from or limits are missing");
  }
  key.models = strings(root["models"]);
  key.allow_from = strings(root["allow_from"]);
  const JsonView limits = root["limits"];
  key.limits = {integer(limits["requests_per_minute"]), integer(limits["tokens_per_minute"]),
                integer(limits["concurrent"]), integer(limits["daily_nanodollars"]),
                integer(limits["monthly_nanodollars"])};
  key.created_by = root["created_by"].string().value_or("");
  key.created_ns = integer(root["created_ns"]);
  key.expires_ns = integer(root["expires_ns"]);
  key.revoked_ns = integer(root["revoked_ns"]);
  key.last_used_ns = held.stored_last_used_ns = integer(root["last_used_ns"]);
  RETURN_IF_ERROR(read_digest(root["secret_sha256"], held.secret));
  if (root["previous_sha256"].present()) {
    RETURN_IF_ERROR(read_digest(root["previous_sha256"], held.previous));
    key.previous_until_ns = integer(root["previous_until_ns"]);
  }
  return held;
}

}  // namespace gatehouse::identity

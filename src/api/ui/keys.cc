// Virtual keys: listed, made, changed, rotated, revoked. docs/api.md §5.
#include <algorithm>
#include <array>

#include "api/ui/console.h"
#include "base/bytes.h"
#include "base/text.h"

namespace gatehouse::api {

namespace {

using identity::Key;
using wire::JsonView;
using wire::JsonWriter;

constexpr int64_t kMsNs = 1'000'000;
constexpr size_t kListedMax = 1'000;

// Where the contract's `limits` and model::Limits meet.
struct LimitField {
  std::string_view name;
  int64_t model::Limits::*value;
  bool money;
};
constexpr std::array<LimitField, 5> kLimitFields = {{
    {"requests_per_minute", &model::Limits::requests_per_minute, false},
    {"tokens_per_minute", &model::Limits::tokens_per_minute, false},
    {"concurrent", &model::Limits::concurrent, false},
    {"daily_nanousd", &model::Limits::daily_nanodollars, true},
    {"monthly_nanousd", &model::Limits::monthly_nanodollars, true},
}};

// What of `limits` is given, over what is in `to`.
Status merge_limits(JsonView given, model::Limits& to) {
  if (!given.is_object()) return invalid_argument("\"limits\" has to be an object.");
  for (const auto [name, value] : given.members()) {
    const auto field = std::find_if(
        kLimitFields.begin(), kLimitFields.end(),
        [name = std::string_view(name)](const LimitField& each) { return each.name == name; });
    if (field == kLimitFields.end()) {
      return invalid_argument("Unknown member \"" + std::string(name) + "\" in \"limits\".");
    }
    if (value.is_null()) {
      to.*field->value = 0;
      continue;
    }
    std::optional<int64_t> limit;
    if (!field->money) {
      limit = value.integer();
    } else if (const auto digits = value.string(); digits && !digits->starts_with('0')) {
      const auto parsed = parse_uint(*digits);
      if (parsed && *parsed <= INT64_MAX) limit = static_cast<int64_t>(*parsed);
    }
    if (!limit || *limit < 1) {
      return invalid_argument("\"limits." + std::string(name) + "\" has to be " +
                              (field->money ? "a string of digits" : "a whole number") +
                              " above 0, or null for no limit.");
    }
    to.*field->value = *limit;
  }
  return {};
}

// The contract has ["*"] where KeyStore has none: all models.
Status read_models(JsonView given, std::vector<std::string>& to) {
  to.clear();
  for (const JsonView item : given.items()) {
    const auto text = item.string();
    if (!text || text->empty() || text->substr(0, text->size() - 1).find('*') != text->npos) {
      return invalid_argument("\"models\" holds names of models, each with * at most at its end.");
    }
    to.emplace_back(*text);
  }
  if (!given.is_array() || to.empty()) {
    return invalid_argument("\"models\" has to be an array with one name at least.");
  }
  if (std::find(to.begin(), to.end(), "*") != to.end()) to.clear();
  return {};
}

// CIDR blocks or addresses; the store of keys says which it cannot read.
Status read_addresses(JsonView given, std::vector<std::string>& to) {
  to.clear();
  for (const JsonView item : given.items()) {
    const auto text = item.string();
    if (!text) return invalid_argument("\"allow_from\" holds CIDR blocks or addresses.");
    to.emplace_back(*text);
  }
  if (given.is_array()) return {};
  return invalid_argument("\"allow_from\" has to be an array; an empty one: from anywhere.");
}

Result<int64_t> read_expiry(JsonView given) {
  if (given.is_null()) return int64_t{0};
  const auto ms = given.integer();
  if (!ms || *ms <= 0 || *ms > INT64_MAX / kMsNs) {
    return invalid_argument("\"expires_at_ms\" has to be a time in whole milliseconds, or null.");
  }
  return *ms * kMsNs;
}

constexpr std::array<std::string_view, 6> kKeyMembers = {"name",   "role",       "models",
                                                         "limits", "allow_from", "expires_at_ms"};

Status read_spec(JsonView body, identity::KeySpec& spec) {
  const auto name = body.get("name").string();
  if (!name) return invalid_argument("\"name\" has to be a string.");
  spec.name = *name;
  if (const JsonView role = body.get("role"); role.present()) {
    const auto parsed = identity::parse_role(role.string().value_or(""));
    if (!parsed) return invalid_argument("\"role\" is none of the roles.");
    spec.roles = {*parsed};
  }
  if (const JsonView models = body.get("models"); models.present()) {
    RETURN_IF_ERROR(read_models(models, spec.models));
  }
  if (const JsonView limits = body.get("limits"); limits.present()) {
    RETURN_IF_ERROR(merge_limits(limits, spec.limits));
  }
  if (const JsonView from = body.get("allow_from"); from.present()) {
    RETURN_IF_ERROR(read_addresses(from, spec.allow_from));
  }
  if (const JsonView expires = body.get("expires_at_ms"); expires.present()) {
    ASSIGN_OR_RETURN(spec.expires_ns, read_expiry(expires));
  }
  return {};
}

// What is given, over `key` as it is.
Status read_change(JsonView body, const Key& key, identity::KeyChange& change) {
  if (const JsonView name = body.get("name"); name.present()) {
    const auto text = name.string();
    if (!text) return invalid_argument("\"name\" has to be a string.");
    change.name = std::string(*text);
  }
  if (const JsonView role = body.get("role"); role.present()) {
    if (role.string() != model::name(shown_role(key.roles))) {
      return invalid_argument("\"role\" cannot be changed; make another key.");
    }
  }
  if (const JsonView models = body.get("models"); models.present()) {
    change.models.emplace();
    RETURN_IF_ERROR(read_models(models, *change.models));
  }
  if (const JsonView limits = body.get("limits"); limits.present()) {
    change.limits = key.limits;
    RETURN_IF_ERROR(merge_limits(limits, *change.limits));
  }
  if (const JsonView from = body.get("allow_from"); from.present()) {
    change.allow_from.emplace();
    RETURN_IF_ERROR(read_addresses(from, *change.allow_from));
  }
  if (const JsonView expires = body.get("expires_at_ms"); expires.present()) {
    ASSIGN_OR_RETURN(change.expires_ns, read_expiry(expires));
  }
  return {};
}

Answer forbidden(const Status& status) {
  return refusal(403, "forbidden", status.message(), "Ask an admin to do it.");
}

Answer unaudited() {
  return retry_later(503, "overloaded",
                     "The audit log could not be written. The change was made; look at the key "
                     "before you try again.",
                     1);
}

std::string with_secret(const std::string& key, const std::string& secret) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("key").raw(key).member("secret", secret).end_object();
  return out;
}

}  // namespace

std::string Console::key_json(const Key& key) const {
  const int64_t wall_ns = parts_.clock.wall_ns();
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.member("id", key.id).member("name", key.name);
  json.member("role", model::name(shown_role(key.roles)));
  json.key("models").begin_array();
  if (key.models.empty()) json.string("*");
  for (const std::string& model : key.models) json.string(model);
  json.end_array().key("allow_from").begin_array();
  for (const std::string& block : key.allow_from) json.string(block);
  json.end_array().key("limits").begin_object();
  for (const LimitField& field : kLimitFields) {
    const int64_t limit = key.limits.*field.value;
    json.key(field.name);
    if (limit == 0) {
      json.null();
    } else if (field.money) {
      json.string(std::to_string(limit));
    } else {
      json.integer(limit);
    }
  }
  json.end_object();
  json.member("state", identity::name(key.state(wall_ns)));
  time_or_null(json, "expires_at_ms", key.expires_ns);
  json.member("created_at_ms", key.created_ns / kMsNs);
  text_or_null(json, "created_by", person_of(key.created_by));
  time_or_null(json, "last_used_at_ms", key.last_used_ns);
  time_or_null(json, "revoked_at_ms", key.revoked_ns);
  const bool overlaps = key.previous_until_ns > wall_ns && key.revoked_ns == 0;
  time_or_null(json, "previous_secret_until_at_ms", overlaps ? key.previous_until_ns : 0);
  const gateway::KeyToday today = parts_.gateway.activity().key_today(key.id, wall_ns / kMsNs);
  const gateway::LimitSetPtr limits =
      parts_.gateway.parts().limits.find(gateway::LimitScope::kKey, key.id);
  json.key("usage").begin_object();
  json.member("requests", today.requests).member("tokens", today.tokens);
  nanousd(json, "spend_today_nanousd", limits == nullptr ? 0 : limits->budget.spent_today(wall_ns));
  nanousd(json, "spend_month_nanousd",
          limits == nullptr ? 0 : limits->budget.spent_this_month(wall_ns));
  json.end_object().end_object();
  return out;
}

Answer Console::key_refused(const Status& status) const {
  switch (status.code()) {
    case Code::kNotFound:
      return refusal(404, "key_not_found", "No key has this id.", "Reload the list of keys.");
    case Code::kPermissionDenied:
      return refusal(409, "key_revoked", "The key is revoked.", "Make another key.");
    case Code::kAlreadyExists:
      return refusal(409, "key_name_taken", status.message(), "Choose another name.");
    case Code::kInvalidArgument: return invalid_body(status.message());
    default: return retry_later(503, "overloaded", status.message(), 1);
  }
}

Task<Answer> Console::get_keys(Visit& visit) {
  // Up to a thousand keys, copied and written: too long for a Loop.
  const auto write = [this] {
    std::string out;
    JsonWriter json(out);
    json.begin_object().key("keys").begin_array();
    size_t listed = 0;
    for (const Key& key : parts_.keys.list()) {
      if (listed++ == kListedMax) break;
      json.raw(key_json(key));
    }
    json.end_array().end_object();
    return out;
  };
  std::string body = co_await parts_.pool.run(visit.worker.loop, write);
  co_return ok(std::move(body));
}

// The store of keys can be waiting for the disk under its lock.
Task<Result<Key>> Console::find_key(Visit& visit) {
  const auto get = [&] { return parts_.keys.get(visit.captures.front()); };
  co_return co_await parts_.pool.run(visit.worker.loop, get);
}

Task<Answer> Console::get_key(Visit& visit) {
  const Result<Key> key = co_await find_key(visit);
  if (!key.ok()) co_return key_refused(key.status());
  co_return ok(key_json(*key));
}

Answer Console::create_key(const Visit& visit, const identity::KeySpec& spec) {
  auto made = parts_.keys.create(spec, parts_.keys.person_behind(*visit.principal));
  if (!made.ok()) return key_refused(made.status());
  const bool audited = audit(
      visit, "key.create", made->key.id,
      {{"name", made->key.name}, {"role", std::string(model::name(shown_role(made->key.roles)))}});
  Answer answer = audited ? ok(with_secret(key_json(made->key), made->secret)) : unaudited();
  if (audited) answer.status = 201;
  wipe(made->secret);
  return answer;
}

Task<Answer> Console::post_key(Visit& visit) {
  const Body body = co_await read_body(visit.exchange, kKeyMembers);
  if (body.refused) co_return *body.refused;
  identity::KeySpec spec;
  if (const Status read = read_spec(body.root(), spec); !read.ok()) {
    co_return invalid_body(read.message());
  }
  const Status granted = identity::check_grant(visit.principal->roles, spec.roles);
  if (!granted.ok()) {
    co_await record_refusal(visit, "key.create", "role");
    co_return forbidden(granted);
  }
  if (const auto blocked = writable()) co_return *blocked;
  const auto create = [&] { return create_key(visit, spec); };
  co_return co_await parts_.pool.run(visit.worker.loop, create);
}

Task<Answer> Console::patch_key(Visit& visit) {
  const Body body = co_await read_body(visit.exchange, kKeyMembers);
  if (body.refused) co_return *body.refused;
  const Result<Key> key = co_await find_key(visit);
  if (!key.ok()) co_return key_refused(key.status());
  const Status granted = identity::check_grant(visit.principal->roles, key->roles);
  if (!granted.ok()) {
    co_await record_refusal(visit, "key.change", "role");
    co_return forbidden(granted);
  }
  identity::KeyChange change;
  if (const Status read = read_change(body.root(), *key, change); !read.ok()) {
    co_return invalid_body(read.message());
  }
  if (const auto blocked = writable()) co_return *blocked;
  std::string changed;
  for (const auto [name, value] : body.root().members()) {
    if (!changed.empty()) changed += ", ";
    changed += name;
  }
  const auto update = [&]() -> Answer {
    const auto updated = parts_.keys.update(key->id, change);
    if (!updated.ok()) return key_refused(updated.status());
    const bool audited =
        audit(visit, "key.change", key->id, {{"name", updated->name}, {"changed", changed}});
    return audited ? ok(key_json(*updated)) : unaudited();
  };
  co_return co_await parts_.pool.run(visit.worker.loop, update);
}

Task<Answer> Console::rotate_key(Visit& visit) {
  static constexpr std::array<std::string_view, 1> kMembers = {"overlap_ms"};
  const Body body = co_await read_body(visit.exchange, kMembers);
  if (body.refused) co_return *body.refused;
  const auto overlap_ms = body.root().get("overlap_ms").integer();
  if (!overlap_ms || *overlap_ms < 0 || *overlap_ms > identity::KeyStore::kOverlapMaxMs) {
    co_return invalid_body("\"overlap_ms\" has to be a whole number from 0 to 604800000.");
  }
  const Result<Key> key = co_await find_key(visit);
  if (!key.ok()) co_return key_refused(key.status());
  const Status granted = identity::check_grant(visit.principal->roles, key->roles);
  if (!granted.ok()) {
    co_await record_refusal(visit, "key.rotate", "role");
    co_return forbidden(granted);
  }
  if (const auto blocked = writable()) co_return *blocked;
  const auto rotate = [&]() -> Answer {
    auto rotated = parts_.keys.rotate(key->id, *overlap_ms);
    if (!rotated.ok()) return key_refused(rotated.status());
    const bool audited = audit(visit, "key.rotate", key->id,
                               {{"name", key->name}, {"overlap_ms", std::to_string(*overlap_ms)}});
    Answer answer =
        audited ? ok(with_secret(key_json(rotated->key), rotated->secret)) : unaudited();
    wipe(rotated->secret);
    return answer;
  };
  co_return co_await parts_.pool.run(visit.worker.loop, rotate);
}

Task<Answer> Console::delete_key(Visit& visit) {
  // Revoking only takes away: it is let through even where it cannot be audited.
  const auto revoke = [&]() -> Answer {
    const auto before = parts_.keys.get(visit.captures.front());
    if (!before.ok()) return key_refused(before.status());
    const auto revoked = parts_.keys.revoke(before->id);
    if (!revoked.ok()) return key_refused(revoked.status());
    const bool audited = before->revoked_ns != 0 ||
                         audit(visit, "key.revoke", revoked->id, {{"name", revoked->name}});
    return audited ? ok(key_json(*revoked)) : unaudited();
  };
  co_return co_await parts_.pool.run(visit.worker.loop, revoke);
}

}  // namespace gatehouse::api

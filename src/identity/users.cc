#include "identity/users.h"

#include <sodium.h>

#include <algorithm>

#include "base/bytes.h"
#include "base/log.h"
#include "base/random.h"
#include "base/text.h"
#include "identity/roles.h"
#include "wire/json.h"

namespace gatehouse::identity {

namespace {

constexpr std::string_view kKind = "user";
constexpr size_t kPasswordCharsMax = 256;

size_t characters(std::string_view utf8) {
  return static_cast<size_t>(std::count_if(utf8.begin(), utf8.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

bool valid_name(std::string_view name) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyz0123456789._-@";
  return !name.empty() && name.size() <= 64 &&
         name.find_first_not_of(kAllowed) == std::string_view::npos;
}

// Empty where there was not enough memory.
std::string argon2id(const std::string& password) {
  char out[crypto_pwhash_STRBYTES];
  if (crypto_pwhash_str_alg(out, password.data(), password.size(), UserStore::kArgonPasses,
                            UserStore::kArgonMemoryBytes, crypto_pwhash_ALG_ARGON2ID13) != 0) {
    return {};
  }
  return out;
}

// A hash like those of argon2id(), that no password has: finding one for it would be to
// invert it. Unlike a real one it costs a start nothing.
std::string hash_of_nobody() {
  const auto random_base64 = [](size_t bytes) {
    const std::string raw = random_bytes(bytes);
    constexpr int kVariant = sodium_base64_VARIANT_ORIGINAL_NO_PADDING;
    std::string text(sodium_base64_ENCODED_LEN(bytes, kVariant), '\0');
    sodium_bin2base64(text.data(), text.size(), reinterpret_cast<const unsigned char*>(raw.data()),
                      raw.size(), kVariant);
    text.pop_back();  // the end that C wants
    return text;
  };
  constexpr size_t kHashBytes = 32;
  return "$argon2id$v=19$m=" + std::to_string(UserStore::kArgonMemoryBytes / 1024) +
         ",t=" + std::to_string(UserStore::kArgonPasses) + ",p=1$" +
         random_base64(crypto_pwhash_SALTBYTES) + "$" + random_base64(kHashBytes);
}

Result<User> decode(const model::Object& object, std::string& password_hash) {
  ASSIGN_OR_RETURN(const auto document, wire::JsonDocument::parse(object.body));
  const wire::JsonView root = document.root();
  User user;
  user.name = object.id;
  for (const wire::JsonView item : root["roles"].items()) {
    const auto role = parse_role(item.string().value_or(""));
    if (!role) return data_loss("it has an unknown role");
    user.roles.push_back(*role);
  }
  RETURN_IF_ERROR(check_roles(user.roles));
  password_hash = root["password"].string().value_or("");
  user.has_password = !password_hash.empty();
  user.created_ns = root["created_ns"].integer().value_or(0);
  return user;
}

Status wrong_credentials() {
  return {Code::kUnauthenticated, "The user or the password is wrong."};
}

Status locked_out(int64_t ms) {
  return {Code::kResourceExhausted, "Too many failures to sign in; locked for another " +
                                        std::to_string((ms + 999) / 1000) + " seconds."};
}

// One of the few places at which a password may be hashed.
class Turn {
 public:
  explicit Turn(std::atomic<int>& hashing) : hashing_(hashing) {
    granted_ = hashing_.fetch_add(1) < UserStore::kHashesAtOnceMax;
  }
  ~Turn() { hashing_.fetch_sub(1); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  bool granted() const { return granted_; }

 private:
  std::atomic<int>& hashing_;
  bool granted_;
};

Status no_turn() {
  return resource_exhausted("Too many people sign in at this moment; try again in a second.");
}

}  // namespace

UserStore::UserStore(model::Catalog& catalog, Pool& pool, Lockout& lockout,
                     const model::Clock& clock)
    : catalog_(catalog), pool_(pool), lockout_(lockout), clock_(clock) {}

Status UserStore::load() {
  if (sodium_init() < 0) return internal_error("libsodium could not be initialised");
  ASSIGN_OR_RETURN(const std::vector<model::Object> stored, catalog_.list(kKind));
  const std::lock_guard lock(mutex_);
  users_.clear();
  for (const model::Object& object : stored) {
    Held held;
    auto user = decode(object, held.password_hash);
    if (!user.ok()) {
      log_error("a stored user cannot be read and cannot sign in",
                {{"user", object.id}, {"reason", user.status().message()}});
      continue;
    }
    held.user = std::move(*user);
    held.version = object.version;
    users_.emplace(object.id, std::move(held));
  }
  if (nobodys_hash_.empty()) nobodys_hash_ = hash_of_nobody();
  // Who is not there must not be told by how long the answer takes.
  return crypto_pwhash_str_needs_rehash(nobodys_hash_.c_str(), kArgonPasses, kArgonMemoryBytes) == 0
             ? Status()
             : internal_error("libsodium does not know its own hashes");
}

bool UserStore::empty() const {
  const std::lock_guard lock(mutex_);
  return users_.empty();
}

Result<User> UserStore::create(std::string_view name, std::vector<model::Role> roles) {
  if (!valid_name(name)) {
    return invalid_argument("user names have 1 to 64 characters of a-z, 0-9 and . _ - @");
  }
  RETURN_IF_ERROR(check_roles(roles));
  const std::lock_guard lock(mutex_);
  if (users_.contains(name)) {
    return Status(Code::kAlreadyExists, "there is a user of this name already");
  }
  if (users_.size() >= kUsersMax) return resource_exhausted("there are 10,000 users already");
  Held held;
  held.user = {std::string(name), std::move(roles), false, clock_.wall_ns()};
  RETURN_IF_ERROR(store(held));
  return std::move(held.user);
}

Result<User> UserStore::get(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto found = users_.find(name);
  if (found == users_.end()) return not_found("no user has this name");
  return found->second.user;
}

std::vector<User> UserStore::list() const {
  const std::lock_guard lock(mutex_);
  std::vector<User> out;
  for (const auto& [name, held] : users_) out.push_back(held.user);
  return out;
}

bool UserStore::last_admin(std::string_view name) const {
  return std::none_of(users_.begin(), users_.end(), [name](const auto& other) {
    const auto& roles = other.second.user.roles;
    return other.first != name &&
           std::find(roles.begin(), roles.end(), model::Role::kAdmin) != roles.end();
  });
}

Status UserStore::set_roles(std::string_view name, std::vector<model::Role> roles) {
  RETURN_IF_ERROR(check_roles(roles));
  const std::lock_guard lock(mutex_);
  const auto found = users_.find(name);
  if (found == users_.end()) return not_found("no user has this name");
  const bool admin = std::find(roles.begin(), roles.end(), model::Role::kAdmin) != roles.end();
  if (!admin && last_admin(name)) return invalid_argument("the last admin has to stay one");
  Held held = found->second;
  held.user.roles = std::move(roles);
  return store(std::move(held));
}

Status UserStore::remove(std::string_view name) {
  const std::lock_guard lock(mutex_);
  const auto found = users_.find(name);
  if (found == users_.end()) return not_found("no user has this name");
  if (last_admin(name)) return invalid_argument("the last admin has to stay");
  RETURN_IF_ERROR(catalog_.remove(kKind, name, {}));
  users_.erase(found);
  return {};
}

Status UserStore::store(Held held) {
  std::string out;
  wire::JsonWriter json(out);
  json.begin_object().key("roles").begin_array();
  for (model::Role role : held.user.roles) json.string(model::name(role));
  json.end_array().member("created_ns", held.user.created_ns);
  json.member("password", held.password_hash).end_object();
  ASSIGN_OR_RETURN(held.version, catalog_.put(kKind, held.user.name, out, held.version, {}));
  const std::string name = held.user.name;
  users_[name] = std::move(held);
  return {};
}

std::string UserStore::hash_of(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto found = users_.find(name);
  const bool can = found != users_.end() && found->second.user.has_password;
  return can ? found->second.password_hash : std::string();
}

Task<Status> UserStore::set_password(Loop& loop, std::string name, std::string password) {
  const size_t length = characters(password);
  if (length < kPasswordCharsMin || length > kPasswordCharsMax ||
      password.size() > kPasswordBytesMax || !valid_utf8(password)) {
    wipe(password);
    co_return invalid_argument("a password has 12 to 256 characters");
  }
  const Turn turn(hashing_);
  if (!turn.granted()) {
    wipe(password);
    co_return no_turn();
  }
  const std::string hash = co_await pool_.run(loop, [&password] { return argon2id(password); });
  wipe(password);
  if (hash.empty()) co_return resource_exhausted("not enough memory to hash a password (19 MiB)");
  const std::lock_guard lock(mutex_);
  const auto found = users_.find(name);
  if (found == users_.end()) co_return not_found("no user has this name");
  Held held = found->second;
  held.password_hash = hash;
  held.user.has_password = true;
  co_return store(std::move(held));
}

Task<Result<User>> UserStore::check_password(Loop& loop, std::string name, std::string password,
                                             std::string address) {
  const Lockout::Subject from = lockout_.address(address);
  const Lockout::Subject who = lockout_.user(name);
  const int64_t begin_ms = clock_.steady_ns() / 1'000'000;
  const int64_t locked_ms =
      std::max(lockout_.locked_for_ms(from, begin_ms), lockout_.locked_for_ms(who, begin_ms));
  if (locked_ms > 0) {
    wipe(password);
    co_return locked_out(locked_ms);
  }
  const Turn turn(hashing_);
  if (!turn.granted()) {
    wipe(password);
    co_return no_turn();
  }
  const std::string stored = hash_of(name);
  const std::string& against = stored.empty() ? nobodys_hash_ : stored;
  if (password.size() > kPasswordBytesMax) wipe(password);
  const bool same = co_await pool_.run(loop, [&password, &against] {
    return crypto_pwhash_str_verify(against.c_str(), password.data(), password.size()) == 0;
  });
  wipe(password);
  if (!same || stored.empty()) {
    const int64_t now_ms = clock_.steady_ns() / 1'000'000;
    if (lockout_.failed(from, now_ms)) {
      log_warning("address locked out after repeated failures to sign in", {{"address", address}});
    }
    if (lockout_.failed(who, now_ms)) {
      log_warning("user locked out after repeated failures to sign in", {{"address", address}});
    }
    co_return wrong_credentials();
  }
  lockout_.forgive(who);
  co_return get(name);
}

}  // namespace gatehouse::identity

// `gatehouse key` and `gatehouse login-link`: on the catalog itself, so that they
// work beside a running server, which reads its keys again within a second, and
// before the first start.
#include <array>
#include <cstdio>

#include "app/commands.h"
#include "app/config_file.h"
#include "app/stores.h"
#include "base/bytes.h"
#include "base/text.h"
#include "identity/authenticator.h"
#include "identity/keys.h"
#include "identity/roles.h"
#include "identity/sessions.h"

namespace gatehouse::app {

namespace {

constexpr const char* kKeyHelp =
    "usage: gatehouse key create --name NAME [--role caller] [--models a,b*] [--expires 30d]\n"
    "                            [--requests-per-minute N] [--tokens-per-minute N]\n"
    "                            [--concurrent N] [--daily-usd X] [--monthly-usd X]\n"
    "                            [--allow-from 10.0.0.0/8,...]\n"
    "       gatehouse key list\n"
    "       gatehouse key rotate ID [--overlap 1h]\n"
    "       gatehouse key revoke ID\n\n"
    "  --config FILE, --data DIR   as for `gatehouse serve`\n\n"
    "`create` and `rotate` print the key: the one time that it can be seen. After a\n"
    "rotation the old secret holds for the overlap.\n";

int fail(const char* command, const std::string& why, const char* help = "") {
  std::fprintf(stderr, "gatehouse %s: %s\n%s%s", command, why.c_str(), *help != 0 ? "\n" : "",
               help);
  return *help != 0 ? kExitUsage : kExitFailed;
}

// Dollars as they are written, to nano-dollars, exactly; -1: not an amount.
int64_t nanodollars(const std::string& text) {
  const size_t point = text.find('.');
  const auto whole = parse_uint(std::string_view(text).substr(0, point));
  if (!whole || *whole > 1'000'000'000) return -1;
  int64_t amount = static_cast<int64_t>(*whole) * 1'000'000'000;
  if (point == std::string::npos) return amount;
  int64_t unit = 100'000'000;
  for (const char c : std::string_view(text).substr(point + 1)) {
    if (c < '0' || c > '9' || unit == 0) return -1;
    amount += (c - '0') * unit;
    unit /= 10;
  }
  return amount;
}

// What listens on every address is reached on this machine by the loopback one.
std::string reachable(std::string listen) {
  if (listen.starts_with("0.0.0.0:")) listen.replace(0, 7, "127.0.0.1");
  if (listen.starts_with("[::]:")) listen.replace(0, 4, "[::1]");
  return listen;
}

Status read_limits(const Arguments& arguments, model::Limits& limits) {
  const auto count = [&](std::string_view option, int64_t& to) -> Status {
    if (!arguments.has(option)) return {};
    const auto value = parse_uint(arguments.get(option));
    if (!value || *value == 0 || *value > 1'000'000'000'000) {
      return invalid_argument("--" + std::string(option) + " takes a whole number above 0");
    }
    to = static_cast<int64_t>(*value);
    return {};
  };
  const auto money = [&](std::string_view option, int64_t& to) -> Status {
    if (!arguments.has(option)) return {};
    to = nanodollars(arguments.get(option));
    if (to <= 0) return invalid_argument("--" + std::string(option) + " takes dollars, e.g. 2.50");
    return {};
  };
  RETURN_IF_ERROR(count("requests-per-minute", limits.requests_per_minute));
  RETURN_IF_ERROR(count("tokens-per-minute", limits.tokens_per_minute));
  RETURN_IF_ERROR(count("concurrent", limits.concurrent));
  RETURN_IF_ERROR(money("daily-usd", limits.daily_nanodollars));
  return money("monthly-usd", limits.monthly_nanodollars);
}

Result<identity::KeySpec> read_spec(const Arguments& arguments, int64_t now_ns) {
  identity::KeySpec spec;
  spec.name = arguments.get("name");
  spec.roles.clear();
  const std::string roles = arguments.get("role", "caller");
  for (const std::string_view text : split(roles, ',')) {
    const auto role = identity::parse_role(text);
    if (!role) return invalid_argument("there is no role '" + std::string(text) + "'");
    spec.roles.push_back(*role);
  }
  const std::string models = arguments.get("models");
  for (const std::string_view pattern : split(models, ',')) {
    if (!pattern.empty()) spec.models.emplace_back(pattern);
  }
  const std::string blocks = arguments.get("allow-from");
  for (const std::string_view block : split(blocks, ',')) {
    if (!block.empty()) spec.allow_from.emplace_back(block);
  }
  if (arguments.has("expires")) {
    const auto ms = parse_duration_ms(arguments.get("expires"));
    if (!ms || *ms == 0) return invalid_argument("--expires takes a duration, e.g. 30d");
    spec.expires_ns = now_ns + *ms * 1'000'000;
  }
  RETURN_IF_ERROR(read_limits(arguments, spec.limits));
  return spec;
}

int list_keys(const identity::KeyStore& keys, int64_t now_ns) {
  std::printf("%-14s %-24s %-10s %-20s %s\n", "ID", "NAME", "STATE", "LAST USED", "ROLES");
  for (const identity::Key& key : keys.list()) {
    std::string roles;
    for (const model::Role role : key.roles)
      roles += (roles.empty() ? "" : ",") + std::string(name(role));
    const std::string used = key.last_used_ns == 0 ? "never" : format_time(key.last_used_ns);
    std::printf("%-14s %-24s %-10s %-20.19s %s\n", key.id.c_str(), key.name.c_str(),
                std::string(name(key.state(now_ns))).c_str(), used.c_str(), roles.c_str());
  }
  return kExitOk;
}

}  // namespace

int key_command(std::span<const std::string_view> words) {
  constexpr std::array<std::string_view, 13> kOptions = {"config",
                                                         "data",
                                                         "name",
                                                         "role",
                                                         "models",
                                                         "expires",
                                                         "requests-per-minute",
                                                         "tokens-per-minute",
                                                         "concurrent",
                                                         "daily-usd",
                                                         "monthly-usd",
                                                         "allow-from",
                                                         "overlap"};
  constexpr std::array<std::string_view, 1> kFlags = {"help"};
  Arguments arguments;
  std::string error;
  if (!Arguments::parse(words, kOptions, kFlags, arguments, error)) {
    return fail("key", error, kKeyHelp);
  }
  if (arguments.has("help")) return std::fputs(kKeyHelp, stdout), kExitOk;
  if (arguments.rest().empty()) return fail("key", "create, list, rotate or revoke?", kKeyHelp);
  const ConfigFile file = read_config_file(arguments);
  if (!file.loaded.config) return fail("key", file.loaded.problems.front());

  auto catalog = open_catalog(file.loaded.config->storage);
  if (!catalog.ok()) return fail("key", catalog.status().message());
  const model::Clock& clock = model::system_clock();
  model::Registry registry;
  identity::Authenticator authenticator(clock, {}, registry);
  identity::KeyStore keys(**catalog, authenticator, clock, registry);
  if (const Status loaded = keys.load(); !loaded.ok()) return fail("key", loaded.message());

  const std::string& verb = arguments.rest()[0];
  if (verb == "list") return list_keys(keys, clock.wall_ns());
  if (verb == "revoke") {
    if (arguments.rest().size() != 2) return fail("key", "revoke takes one id", kKeyHelp);
    const auto revoked = keys.revoke(arguments.rest()[1]);
    if (!revoked.ok()) return fail("key", revoked.status().message());
    const Status told =
        audit_command(**catalog, "key.revoke", revoked->id, {{"name", revoked->name}});
    if (!told.ok()) return fail("key", told.message());
    std::printf("revoked %s (%s)\n", revoked->id.c_str(), revoked->name.c_str());
    return kExitOk;
  }
  if (verb == "rotate") {
    const auto overlap_ms = parse_duration_ms(arguments.get("overlap", "0"));
    if (arguments.rest().size() != 2 || !overlap_ms) {
      return fail("key", "rotate takes one id, and a duration as its overlap", kKeyHelp);
    }
    auto rotated = keys.rotate(arguments.rest()[1], *overlap_ms);
    if (!rotated.ok()) return fail("key", rotated.status().message());
    const Status told =
        audit_command(**catalog, "key.rotate", rotated->key.id,
                      {{"name", rotated->key.name}, {"overlap_ms", std::to_string(*overlap_ms)}});
    if (!told.ok()) return fail("key", told.message());
    std::printf("%s\n", rotated->secret.c_str());
    wipe(rotated->secret);
    return kExitOk;
  }
  if (verb != "create") return fail("key", "unknown: " + verb, kKeyHelp);
  const auto spec = read_spec(arguments, clock.wall_ns());
  if (!spec.ok()) return fail("key", spec.status().message());
  auto made = keys.create(*spec, "system");
  if (!made.ok()) return fail("key", made.status().message());
  const Status told =
      audit_command(**catalog, "key.create", made->key.id,
                    {{"name", made->key.name}, {"role", arguments.get("role", "caller")}});
  if (!told.ok()) return fail("key", told.message());
  std::printf("%s\n", made->secret.c_str());
  wipe(made->secret);
  return kExitOk;
}

int login_link_command(std::span<const std::string_view> words) {
  constexpr const char* kHelp =
      "usage: gatehouse login-link [--user admin] [--config FILE] [--data DIR]\n\n"
      "Prints a link that signs in once, within 15 minutes.\n";
  constexpr std::array<std::string_view, 4> kOptions = {"config", "data", "user", "listen"};
  constexpr std::array<std::string_view, 1> kFlags = {"help"};
  Arguments arguments;
  std::string error;
  if (!Arguments::parse(words, kOptions, kFlags, arguments, error)) {
    return fail("login-link", error, kHelp);
  }
  if (arguments.has("help")) return std::fputs(kHelp, stdout), kExitOk;
  const ConfigFile file = read_config_file(arguments);
  if (!file.loaded.config) return fail("login-link", file.loaded.problems.front());
  const Config& config = *file.loaded.config;
  auto catalog = open_catalog(config.storage);
  if (!catalog.ok()) return fail("login-link", catalog.status().message());
  auto link = identity::new_login_link(**catalog, model::system_clock(), config.access.sessions,
                                       arguments.get("user", identity::kFirstUser));
  if (!link.ok()) return fail("login-link", link.status().message());
  const std::string user = arguments.get("user", identity::kFirstUser);
  if (const Status told = audit_command(**catalog, "login_link.create", user, {}); !told.ok()) {
    return fail("login-link", told.message());
  }
  std::string base = config.server.public_url;
  if (base.empty()) {
    base = (config.server.tls_certificate_path.empty() ? "http://" : "https://") +
           reachable(config.server.listen.front());
  }
  std::printf("%s/login?token=%s\n", base.c_str(), link->c_str());
  wipe(*link);
  return kExitOk;
}

}  // namespace gatehouse::app

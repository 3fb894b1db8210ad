// `gatehouse user`: the people who sign in to the console, and their roles. Works
// on the catalog beside a running server, which reads its users again within a
// second.
#include <array>
#include <cstdio>

#include "app/commands.h"
#include "app/config_file.h"
#include "app/stores.h"
#include "base/pool.h"
#include "base/text.h"
#include "identity/authenticator.h"
#include "identity/roles.h"
#include "identity/users.h"

namespace gatehouse::app {

namespace {

constexpr const char* kHelp =
    "usage: gatehouse user create NAME [--role viewer]     several roles: --role operator,auditor\n"
    "       gatehouse user list\n"
    "       gatehouse user remove NAME\n\n"
    "  --config FILE, --data DIR   as for `gatehouse serve`\n\n"
    "A new user signs in by a link: gatehouse login-link --user NAME\n";

int fail(const std::string& why, bool usage = false) {
  std::fprintf(stderr, "gatehouse user: %s\n%s%s", why.c_str(), usage ? "\n" : "",
               usage ? kHelp : "");
  return usage ? kExitUsage : kExitFailed;
}

std::string role_names(const std::vector<model::Role>& roles) {
  std::string names;
  for (const model::Role role : roles)
    names += (names.empty() ? "" : ",") + std::string(name(role));
  return names;
}

int create_user(model::Catalog& catalog, identity::UserStore& users, const std::string& user,
                const std::string& roles) {
  // The first of all comes by the first start's link, and is an admin: a viewer
  // made before would leave nobody who may make one.
  if (users.empty()) {
    return fail("there is no user yet; sign in first with the link that `gatehouse serve` prints");
  }
  std::vector<model::Role> parsed;
  for (const std::string_view text : split(roles, ',')) {
    const auto role = identity::parse_role(text);
    if (!role) return fail("there is no role '" + std::string(text) + "'");
    parsed.push_back(*role);
  }
  const auto made = users.create(user, std::move(parsed));
  if (!made.ok()) return fail(made.status().message());
  const Status told =
      audit_command(catalog, "user.create", made->name, {{"roles", role_names(made->roles)}});
  if (!told.ok()) return fail(told.message());
  std::printf("%s (%s); sign in by: gatehouse login-link --user %s\n", made->name.c_str(),
              role_names(made->roles).c_str(), made->name.c_str());
  return kExitOk;
}

}  // namespace

int user_command(std::span<const std::string_view> words) {
  constexpr std::array<std::string_view, 3> kOptions = {"config", "data", "role"};
  constexpr std::array<std::string_view, 1> kFlags = {"help"};
  Arguments arguments;
  std::string error;
  if (!Arguments::parse(words, kOptions, kFlags, arguments, error)) return fail(error, true);
  if (arguments.has("help")) return std::fputs(kHelp, stdout), kExitOk;
  const auto rest = arguments.rest();
  if (rest.empty() || (rest[0] != "list" && rest.size() != 2)) {
    return fail("create, list or remove?", true);
  }
  const ConfigFile file = read_config_file(arguments);
  if (!file.loaded.config) return fail(file.loaded.problems.front());
  auto catalog = open_catalog(file.loaded.config->storage);
  if (!catalog.ok()) return fail(catalog.status().message());
  model::Registry registry;
  identity::Lockout lockout({}, registry);
  Pool pool(1);
  identity::UserStore users(**catalog, pool, lockout, model::system_clock());
  if (const Status loaded = users.load(); !loaded.ok()) return fail(loaded.message());

  if (rest[0] == "create")
    return create_user(**catalog, users, rest[1], arguments.get("role", "viewer"));
  if (rest[0] == "remove") {
    const Status removed = users.remove(rest[1]);
    if (!removed.ok()) return fail(removed.message());
    const Status told = audit_command(**catalog, "user.remove", rest[1], {});
    if (!told.ok()) return fail(told.message());
    std::printf("removed %s\n", rest[1].c_str());
    return kExitOk;
  }
  if (rest[0] != "list") return fail("unknown: " + rest[0], true);
  for (const identity::User& user : users.list()) {
    std::printf("%-24s %s\n", user.name.c_str(), role_names(user.roles).c_str());
  }
  return kExitOk;
}

}  // namespace gatehouse::app

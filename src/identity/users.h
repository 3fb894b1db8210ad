// UserStore: people, their roles and passwords. Objects of kind "user", name by
// name. A password is kept as argon2id's string; hashing runs on base/pool, two
// at a time at most.
//
// Passwords can be guessed, so unlike keys (authenticator.h) a user who was
// locked out after repeated failures cannot sign in by password from anywhere
// until the lock ends. Sessions go on, and `gatehouse login-link` on the machine
// is always a way in.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/loop.h"
#include "base/pool.h"
#include "base/result.h"
#include "base/task.h"
#include "identity/lockout.h"
#include "model/catalog.h"
#include "model/clock.h"
#include "model/principal.h"

namespace gatehouse::identity {

struct User {
  std::string name;
  std::vector<model::Role> roles;
  bool has_password = false;
  int64_t created_ns = 0;
};

inline constexpr std::string_view kFirstUser = "admin";

class UserStore {
 public:
  static constexpr size_t kUsersMax = 10'000;
  static constexpr size_t kPasswordCharsMin = 12;
  static constexpr size_t kPasswordBytesMax = 1'024;  // 256 characters of UTF-8
  // RFC 9106 asks for more memory than a gateway of 80 MiB can give; this is the
  // lowest that OWASP's password storage cheat sheet holds to be safe.
  static constexpr size_t kArgonMemoryBytes = 19 << 20;
  static constexpr unsigned kArgonPasses = 2;
  static constexpr int kHashesAtOnceMax = 2;  // 38 MiB while someone signs in

  UserStore(model::Catalog& catalog, Pool& pool, Lockout& lockout, const model::Clock& clock);

  Status load();
  bool empty() const;

  // Names: 1 to 64 of a-z 0-9 . _ - @. kAlreadyExists.
  Result<User> create(std::string_view name, std::vector<model::Role> roles);
  Result<User> get(std::string_view name) const;
  std::vector<User> list() const;
  // The last admin stays one.
  Status set_roles(std::string_view name, std::vector<model::Role> roles);
  Status remove(std::string_view name);

  // kInvalidArgument: too short or too long. The password is wiped.
  Task<Status> set_password(Loop& loop, std::string name, std::string password);
  // kUnauthenticated: wrong, for a user who does not exist in the same time and
  // words; kResourceExhausted: locked out, or too many at once.
  Task<Result<User>> check_password(Loop& loop, std::string name, std::string password,
                                    std::string address);

 private:
  struct Held {
    User user;
    std::string password_hash;
    uint64_t version = 0;
  };
  Status store(Held held);
  Status replace_password(const std::string& name, const std::string& password);
  bool last_admin(std::string_view name) const;
  std::string hash_of(std::string_view name) const;

  model::Catalog& catalog_;
  Pool& pool_;
  Lockout& lockout_;
  const model::Clock& clock_;
  std::string nobodys_hash_;  // what a user who does not exist is compared with
  std::atomic<int> hashing_{0};
  mutable std::mutex mutex_;
  std::map<std::string, Held, std::less<>> users_;
};

}  // namespace gatehouse::identity

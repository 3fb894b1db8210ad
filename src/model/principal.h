// Who makes a call, once identity has checked the credential: what the gateway
// and the API need to know of them, and no secret.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace gatehouse::model {

// The roles of design §6. A principal has one or more; everything that no role
// allows is denied.
enum class Role {
  kViewer,
  kCaller,
  kOperator,
  kDeployer,
  kRetrainer,
  kApprover,
  kSecretAdmin,
  kAuditor,
  kAdmin,
};
std::string_view name(Role role);

// Limits of a key or a model. 0: no limit. Money in nano-dollars (10^-9 USD),
// so that a price of $0.01 a million tokens is 10 a token, exactly.
struct Limits {
  int64_t requests_per_minute = 0;
  int64_t tokens_per_minute = 0;
  int64_t concurrent = 0;
  int64_t daily_nanodollars = 0;
  int64_t monthly_nanodollars = 0;
  friend bool operator==(const Limits&, const Limits&) = default;
};

struct Principal {
  std::string id;    // a key's id, or "user:<name>"
  std::string name;  // for people to read
  std::vector<Role> roles;
  std::vector<std::string> models;  // glob patterns of public model names; empty: all
  Limits limits;

  bool has(Role role) const;  // admin has every role but approver
  bool may_use(std::string_view model) const;
};

using PrincipalPtr = std::shared_ptr<const Principal>;

}  // namespace gatehouse::model

// What the roles of a principal let it do. Everything that no line of the table
// allows is denied. docs/api.md shows the same table for people.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/principal.h"

namespace gatehouse::identity {

enum class Action {
  kModelCall,     // calls to models, "model.call"
  kOverviewRead,  // "overview.read", and so on
  kCallsRead,
  kBodiesRead,  // kept prompts and answers
  kKeysRead,
  kKeysWrite,
  kUpstreamsRead,
  kAuditRead,
  kMetricsRead,
  kMetricsWrite,   // samples pushed: remote write, OTLP
  kMetricsDelete,  // series deleted, snapshots taken
  kAlertsRead,     // alerts, groups, silences, receivers
  kAlertsWrite,    // alerts posted, by other programs
  kSilencesWrite,  // made, changed and expired
  kUsersWrite,
  kConfigReload,
  kModelDeploy,
  kModelRetrain,
  kDeployApprove,
  kSecretsWrite,
};
inline constexpr int kActions = static_cast<int>(Action::kSecretsWrite) + 1;

std::string_view name(Action action);
std::optional<model::Role> parse_role(std::string_view name);

bool may(std::span<const model::Role> roles, Action action);
inline bool may(const model::Principal& principal, Action action) {
  return may(principal.roles, action);
}

// The names of all the principal may do, in the order of Action.
std::vector<std::string_view> permissions(const model::Principal& principal);

// Whether one principal may hold these roles together: approver goes with no
// role that may deploy (deployer, admin), and at least one role is needed.
Status check_roles(std::span<const model::Role> roles);

// Whether one who holds `own` may hand out `granted`: admins anything that
// check_roles allows, operators caller and viewer, others nothing.
Status check_grant(std::span<const model::Role> own, std::span<const model::Role> granted);

// Whether `approver` may approve what was asked for by the person
// `deployer_person`. A key stands for the person who made it, so that nobody
// approves their own change by means of a key.
Status check_approval(const model::Principal& approver, std::string_view approver_person,
                      std::string_view deployer_person);

}  // namespace gatehouse::identity

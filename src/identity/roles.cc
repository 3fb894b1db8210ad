#include "identity/roles.h"

#include <algorithm>
#include <iterator>
#include <string>

namespace gatehouse::identity {

namespace {

using model::Role;

constexpr Role kRoles[] = {Role::kViewer,      Role::kCaller,    Role::kOperator,
                           Role::kDeployer,    Role::kRetrainer, Role::kApprover,
                           Role::kSecretAdmin, Role::kAuditor,   Role::kAdmin};

constexpr unsigned bit(Role role) { return 1u << static_cast<unsigned>(role); }

constexpr unsigned kAdmin = bit(Role::kAdmin);
constexpr unsigned kReaders =
    bit(Role::kViewer) | bit(Role::kOperator) | bit(Role::kAuditor) | kAdmin;

struct Line {
  Action action;
  std::string_view name;
  unsigned roles;
};
constexpr Line kTable[] = {
    {Action::kModelCall, "model.call", bit(Role::kCaller) | kAdmin},
    {Action::kOverviewRead, "overview.read", kReaders},
    {Action::kCallsRead, "calls.read", kReaders},
    {Action::kBodiesRead, "bodies.read", bit(Role::kOperator) | kAdmin},
    {Action::kKeysRead, "keys.read", kReaders},
    {Action::kKeysWrite, "keys.write", bit(Role::kOperator) | kAdmin},
    {Action::kUpstreamsRead, "upstreams.read", kReaders},
    {Action::kAuditRead, "audit.read", bit(Role::kAuditor) | kAdmin},
    {Action::kMetricsRead, "metrics.read", kReaders},
    {Action::kMetricsWrite, "metrics.write", bit(Role::kCaller) | bit(Role::kOperator) | kAdmin},
    {Action::kMetricsDelete, "metrics.delete", kAdmin},
    {Action::kAlertsRead, "alerts.read", kReaders},
    {Action::kAlertsWrite, "alerts.write", bit(Role::kCaller) | bit(Role::kOperator) | kAdmin},
    {Action::kSilencesWrite, "silences.write", bit(Role::kOperator) | kAdmin},
    {Action::kUsersWrite, "users.write", kAdmin},
    {Action::kConfigReload, "config.reload", bit(Role::kOperator) | kAdmin},
    {Action::kModelDeploy, "model.deploy", bit(Role::kDeployer) | kAdmin},
    {Action::kModelRetrain, "model.retrain", bit(Role::kRetrainer) | kAdmin},
    {Action::kDeployApprove, "deploy.approve", bit(Role::kApprover)},
    {Action::kSecretsWrite, "secrets.write", bit(Role::kSecretAdmin) | kAdmin},
};
static_assert(std::size(kTable) == kActions);

unsigned bits(std::span<const Role> roles) {
  unsigned out = 0;
  for (Role role : roles) out |= bit(role);
  return out;
}

Status denied(std::string message) { return {Code::kPermissionDenied, std::move(message)}; }

}  // namespace

std::string_view name(Action action) { return kTable[static_cast<size_t>(action)].name; }

std::optional<Role> parse_role(std::string_view text) {
  const auto found = std::find_if(std::begin(kRoles), std::end(kRoles),
                                  [text](Role role) { return model::name(role) == text; });
  return found == std::end(kRoles) ? std::nullopt : std::optional(*found);
}

bool may(std::span<const Role> roles, Action action) {
  return (bits(roles) & kTable[static_cast<size_t>(action)].roles) != 0;
}

std::vector<std::string_view> permissions(const model::Principal& principal) {
  std::vector<std::string_view> out;
  for (const Line& line : kTable) {
    if (may(principal, line.action)) out.push_back(line.name);
  }
  return out;
}

Status check_roles(std::span<const Role> roles) {
  if (roles.empty()) return invalid_argument("at least one role is needed");
  const unsigned held = bits(roles);
  if ((held & bit(Role::kApprover)) != 0 && (held & (bit(Role::kDeployer) | kAdmin)) != 0) {
    return invalid_argument(
        "approver cannot be joined with deployer or admin: who deploys does not approve");
  }
  return {};
}

Status check_grant(std::span<const Role> own, std::span<const Role> granted) {
  RETURN_IF_ERROR(check_roles(granted));
  const unsigned held = bits(own);
  if ((held & kAdmin) != 0) return {};
  constexpr unsigned kByOperators = bit(Role::kCaller) | bit(Role::kViewer);
  if ((held & bit(Role::kOperator)) == 0) return denied("your role may not hand out roles");
  if ((bits(granted) & ~kByOperators) != 0) {
    return denied("an operator may hand out the roles caller and viewer only");
  }
  return {};
}

Status check_approval(const model::Principal& approver, std::string_view approver_person,
                      std::string_view deployer_person) {
  if (!may(approver, Action::kDeployApprove)) return denied("your role may not approve");
  if (approver_person.empty() || deployer_person.empty()) {
    return denied("an approval needs to know both persons");
  }
  if (approver_person == deployer_person) {
    return denied("who asked for a change cannot approve it; another person has to");
  }
  return {};
}

}  // namespace gatehouse::identity

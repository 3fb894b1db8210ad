#include "model/principal.h"

#include <algorithm>

#include "base/text.h"

namespace gatehouse::model {

std::string_view name(Role role) {
  switch (role) {
    case Role::kViewer: return "viewer";
    case Role::kCaller: return "caller";
    case Role::kOperator: return "operator";
    case Role::kDeployer: return "deployer";
    case Role::kRetrainer: return "retrainer";
    case Role::kApprover: return "approver";
    case Role::kSecretAdmin: return "secret-admin";
    case Role::kAuditor: return "auditor";
    case Role::kAdmin: return "admin";
  }
  return "viewer";
}

bool Principal::has(Role role) const {
  return std::any_of(roles.begin(), roles.end(), [role](Role own) {
    return own == role || (own == Role::kAdmin && role != Role::kApprover);
  });
}

bool Principal::may_use(std::string_view model) const {
  return models.empty() || std::any_of(models.begin(), models.end(), [model](const auto& pattern) {
           return glob_match(pattern, model);
         });
}

}  // namespace gatehouse::model

#include "alerts/receivers/kinds.h"

#include "alerts/integration.h"

namespace gatehouse::alerts {

std::span<const IntegrationKind> integration_kinds() {
  static constexpr IntegrationKind kKinds[] = {
      {"webhook_configs", read_webhook},
  };
  return kKinds;
}

std::string Integration::name() const {
  return std::string(kind()) + "[" + std::to_string(index) + "]";
}

}  // namespace gatehouse::alerts

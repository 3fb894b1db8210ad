// The description of the whole of gatehouse.yaml.
#pragma once

#include "app/config_schema.h"

namespace gatehouse::app {

// Its struct is Config.
const ObjectType& config_table();

}  // namespace gatehouse::app

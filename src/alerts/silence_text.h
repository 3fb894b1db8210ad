// A silence as the JSON text that the catalog keeps.
#pragma once

#include <string>
#include <string_view>

#include "alerts/silences.h"
#include "base/result.h"

namespace gatehouse::alerts {

std::string silence_to_json(const Silence& silence);
Result<Silence> silence_from_json(std::string_view id, std::string_view json);

}  // namespace gatehouse::alerts

// A configuration as it may be shown: YAML without comments, whose secrets read <secret>.
#pragma once

#include <string>

#include "wire/yaml.h"

namespace gatehouse::alerts {

// Written anew from the tree, so that no way of writing a secret gets past. What remains
// can be read by Alertmanager and amtool: a URL that is secret keeps its scheme and host
// where their versions expect a URL there.
std::string shown_config(const wire::YamlNode& root);

}  // namespace gatehouse::alerts

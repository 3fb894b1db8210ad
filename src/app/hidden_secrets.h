// A configuration's text as it may be shown.
#pragma once

#include <string>
#include <string_view>

namespace gatehouse::app {

// The YAML (or JSON) of a prometheus.yml with `<secret>` for the values of the keys that
// hold one (password, credentials, …), however they are written, and for passwords in
// URLs. Works on the text, so that comments and order stay; where a value's end is in
// doubt, more is hidden rather than less.
std::string hide_secrets(std::string_view yaml);

}  // namespace gatehouse::app

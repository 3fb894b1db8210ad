// Names of metrics and labels that are not words, carried where only words may
// stand (URL paths, old scrapers): Prometheus's escaping schemes
// (prometheus/common, model.EscapeName and UnescapeName; docs/instrumenting/
// escaping_schemes).
#pragma once

#include <string>
#include <string_view>

namespace gatehouse::wire {

enum class NameEscaping {
  kUnderscores,  // each character that may not stand becomes "_"; cannot be undone
  kDots,         // "." becomes "_dot_", "_" "__", all else "__"; dots can be undone
  kValues,       // "U__" in front; "_" becomes "__", others "_2e_": can be undone
};

// A name that is a word stays as it is, except under kDots. Letters, digits, "_"
// and ":" may stand; a digit not at the front.
std::string escape_name(std::string_view name, NameEscaping scheme);

// The name as it was. What was not escaped so, or cannot have been, comes back
// unchanged.
std::string unescape_name(std::string_view name, NameEscaping scheme);

}  // namespace gatehouse::wire

// What every page of the console carries so that nothing foreign runs in it and
// nobody frames it. docs/api.md §8 gives the same list.
#pragma once

#include <array>
#include <string_view>
#include <utility>

namespace gatehouse::identity {

inline constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kSecurityHeaders = {{
    {"content-security-policy",
     "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
     "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
    {"x-frame-options", "DENY"},
    {"x-content-type-options", "nosniff"},
    {"referrer-policy", "no-referrer"},
    {"cross-origin-opener-policy", "same-origin"},
    {"permissions-policy", "camera=(), geolocation=(), microphone=()"},
}};

}  // namespace gatehouse::identity

// URLs as Gatehouse needs them: absolute http(s) URLs of upstreams, and the
// paths and queries of requests. After RFC 3986; narrower where a wider reading
// has been used to deceive (userinfo, fragments, dot segments above the root,
// encoded slashes taken for slashes).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace gatehouse::net {

struct Url {
  bool https = false;
  bool ipv6 = false;       // host is an IPv6 address, kept without its brackets
  std::uint16_t port = 0;  // the scheme's own where none was given
  std::string host;        // in lower case
  std::string path;        // starts with '/', percent-encoded as given
  std::string query;       // without '?', percent-encoded as given

  // "host" or "host:port", as the Host header wants it: no port that the scheme implies.
  std::string authority() const;
  std::string to_string() const;
  bool operator==(const Url&) const = default;
};

// http:// and https:// only; no userinfo, no fragment; at most 8 KiB, as no
// request line could carry more.
Result<Url> parse_url(std::string_view text);

// Fails where an escape is not '%' and two hexadecimal digits. With
// `plus_is_space`, the rules of HTML forms.
Result<std::string> percent_decode(std::string_view text, bool plus_is_space = false);
// All but RFC 3986 unreserved characters escaped: safe as a path segment and in a query.
std::string percent_encode(std::string_view text);

using QueryParameters = std::vector<std::pair<std::string, std::string>>;
// The decoded parameters of a query in order; "a" is ("a", ""). None where an
// escape is invalid or there are more than 1,000, which bounds what a request
// of some KiB can make us allocate.
std::optional<QueryParameters> parse_query(std::string_view query);
// The decoded value of the first parameter of that name, or none.
std::optional<std::string> query_value(std::string_view query, std::string_view name);

// The one spelling under which a path is matched and forwarded: dot segments
// removed (encoded ones too), escapes of unreserved characters undone, the rest
// of the escapes in upper case. Encoded slashes stay encoded, empty segments
// stay. None where the path does not start with '/', holds an invalid escape or
// an encoded control character, or climbs above the root.
std::optional<std::string> normalize_path(std::string_view path);

// Takes the next segment off a path that starts with '/', still encoded; none
// at the end. "/a//b/" has the segments "a", "", "b", "".
std::optional<std::string_view> next_segment(std::string_view& path);

// Matches a path segment by segment. "{}" in the pattern stands for one
// segment that is not empty, and "{*}" as its last segment for one or more.
// Gives what they stood for, decoded ("{*}": as it is, still encoded); none
// where the path does not match. A segment decodes on its own, so "%2F" in it
// never ends it.
std::optional<std::vector<std::string>> match_path(std::string_view pattern, std::string_view path);

}  // namespace gatehouse::net

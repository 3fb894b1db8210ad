#include "net/url.h"

#include <algorithm>

#include "base/text.h"
#include "net/authority.h"
#include "net/char_class.h"

namespace gatehouse::net {

namespace {

constexpr std::size_t kUrlBytes = 8 * 1024;
constexpr std::size_t kParameters = 1000;
constexpr std::uint16_t kHttpPort = 80;
constexpr std::uint16_t kHttpsPort = 443;

// The byte of the escape at text[at], or -1.
int escape_at(std::string_view text, std::size_t at) {
  if (text.size() - at < 3) return -1;
  const int high = hex_value(text[at + 1]);
  const int low = hex_value(text[at + 2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

void append_escape(std::string& out, unsigned char byte) {
  out += '%';
  out += "0123456789ABCDEF"[byte >> 4];
  out += "0123456789ABCDEF"[byte & 15];
}

bool valid_escapes(std::string_view text) {
  for (std::size_t at = text.find('%'); at != std::string_view::npos; at = text.find('%', at + 1)) {
    if (escape_at(text, at) < 0) return false;
  }
  return true;
}

std::optional<std::string> decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      const int byte = escape_at(text, i);
      if (byte < 0) return std::nullopt;
      out += static_cast<char>(byte);
      i += 2;
    } else {
      out += plus_is_space && text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

// A segment in the spelling of normalize_path, or none.
std::optional<std::string> normalize_segment(std::string_view segment) {
  std::string out;
  out.reserve(segment.size());
  for (std::size_t i = 0; i < segment.size(); ++i) {
    if (!is_class(segment[i], kPathChar)) return std::nullopt;
    if (segment[i] != '%') {
      out += segment[i];
      continue;
    }
    const int byte = escape_at(segment, i);
    if (byte < 0x20 || byte == 0x7f) return std::nullopt;
    if (is_class(static_cast<char>(byte), kUnreserved)) {
      out += static_cast<char>(byte);
    } else {
      append_escape(out, static_cast<unsigned char>(byte));
    }
    i += 2;
  }
  return out;
}

// Takes "name=value" off a query, still encoded.
std::pair<std::string_view, std::string_view> take_parameter(std::string_view& query) {
  const std::size_t end = query.find('&');
  const std::string_view parameter = query.substr(0, end);
  query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
  const std::size_t equals = parameter.find('=');
  if (equals == std::string_view::npos) return {parameter, {}};
  return {parameter.substr(0, equals), parameter.substr(equals + 1)};
}

}  // namespace

std::string Url::authority() const {
  std::string text = ipv6 ? "[" + host + "]" : host;
  if (port != (https ? kHttpsPort : kHttpPort)) text += ":" + std::to_string(port);
  return text;
}

std::string Url::to_string() const {
  std::string text = (https ? "https://" : "http://") + authority() + path;
  if (!query.empty()) text += "?" + query;
  return text;
}

Result<Url> parse_url(std::string_view text) {
  if (text.size() > kUrlBytes) return invalid_argument("URL is longer than 8 KiB");
  Url url;
  std::string_view rest;
  if (equal_ignoring_case(text.substr(0, 7), "http://")) {
    rest = text.substr(7);
  } else if (equal_ignoring_case(text.substr(0, 8), "https://")) {
    url.https = true;
    rest = text.substr(8);
  } else {
    return invalid_argument("URL must start with http:// or https://");
  }
  const std::size_t authority_end = std::min(rest.find_first_of("/?#"), rest.size());
  const std::string_view authority_text = rest.substr(0, authority_end);
  if (authority_text.find('@') != std::string_view::npos) {
    return invalid_argument("URL must not hold a user name or password");
  }
  const auto authority = parse_authority(authority_text);
  if (!authority) return invalid_argument("URL has no valid host and port");
  url.ipv6 = authority->ipv6;
  url.port = authority->port != 0 ? authority->port : (url.https ? kHttpsPort : kHttpPort);
  url.host = authority->host;
  std::transform(url.host.begin(), url.host.end(), url.host.begin(), ascii_lower);

  rest.remove_prefix(authority_end);
  if (rest.find('#') != std::string_view::npos) {
    return invalid_argument("URL must not hold a fragment");
  }
  const std::size_t mark = rest.find('?');
  url.path = rest.substr(0, mark);
  if (url.path.empty()) url.path = "/";
  if (mark != std::string_view::npos) url.query = rest.substr(mark + 1);
  if (!all_class(url.path, kPathChar) || !valid_escapes(url.path)) {
    return invalid_argument("URL has an invalid character or escape in its path");
  }
  if (!all_class(url.query, kQueryChar)) {
    return invalid_argument("URL has an invalid character in its query");
  }
  return url;
}

Result<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  auto decoded = decode(text, plus_is_space);
  if (!decoded) return invalid_argument("invalid percent-encoding");
  return std::move(*decoded);
}

std::string percent_encode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (is_class(c, kUnreserved)) {
      out += c;
    } else {
      append_escape(out, static_cast<unsigned char>(c));
    }
  }
  return out;
}

std::optional<QueryParameters> parse_query(std::string_view query) {
  QueryParameters parameters;
  while (!query.empty()) {
    const auto [name, value] = take_parameter(query);
    if (name.empty() && value.empty()) continue;
    auto decoded_name = decode(name, true);
    auto decoded_value = decode(value, true);
    if (!decoded_name || !decoded_value || parameters.size() == kParameters) return std::nullopt;
    parameters.emplace_back(std::move(*decoded_name), std::move(*decoded_value));
  }
  return parameters;
}

std::optional<std::string> query_value(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const auto [encoded_name, value] = take_parameter(query);
    if (decode(encoded_name, true) == name) return decode(value, true);
  }
  return std::nullopt;
}

std::optional<std::string_view> next_segment(std::string_view& path) {
  if (!path.starts_with('/')) return std::nullopt;
  const std::size_t end = path.find('/', 1);
  const std::string_view segment = path.substr(1, end == std::string_view::npos ? end : end - 1);
  path.remove_prefix(end == std::string_view::npos ? path.size() : end);
  return segment;
}

std::optional<std::string> normalize_path(std::string_view path) {
  if (!path.starts_with('/')) return std::nullopt;
  std::string out;
  out.reserve(path.size());
  bool ends_in_dots = false;
  while (const auto raw = next_segment(path)) {
    const auto segment = normalize_segment(*raw);
    if (!segment) return std::nullopt;
    ends_in_dots = *segment == "." || *segment == "..";
    if (*segment == "..") {
      if (out.empty()) return std::nullopt;
      out.resize(out.rfind('/'));
    } else if (*segment != ".") {
      out += '/';
      out += *segment;
    }
  }
  // RFC 3986 §5.2.4: "/a/." and "/a/b/.." are the folder "/a/".
  if (ends_in_dots || out.empty()) out += '/';
  return out;
}

std::optional<std::vector<std::string>> match_path(std::string_view pattern,
                                                   std::string_view path) {
  std::vector<std::string> captures;
  while (true) {
    const auto wanted = next_segment(pattern);
    if (wanted && *wanted == "{*}" && pattern.empty()) {
      if (path.size() < 2) return std::nullopt;
      captures.emplace_back(path.substr(1));
      return captures;
    }
    const auto segment = next_segment(path);
    if (!wanted || !segment) {
      if (wanted || segment || !pattern.empty() || !path.empty()) return std::nullopt;
      return captures;
    }
    auto decoded = decode(*segment, false);
    if (!decoded) return std::nullopt;
    if (*wanted == "{}") {
      if (decoded->empty()) return std::nullopt;
      captures.push_back(std::move(*decoded));
    } else if (*decoded != *wanted) {
      return std::nullopt;
    }
  }
}

}  // namespace gatehouse::net

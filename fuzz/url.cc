#include "net/url.h"

#include <string>

#include "fuzz.h"
#include "net/authority.h"
#include "net/date.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace gatehouse;
  const std::string_view text = fuzz::text_of(bytes, size);

  if (const auto url = net::parse_url(text); url.ok()) {
    const auto again = net::parse_url(url->to_string());
    fuzz::require(again.ok() && *again == *url, "a URL is not read back");
    const std::string written = url->authority();
    const auto authority = net::parse_authority(written);
    fuzz::require(authority && authority->host == url->host, "a URL's authority is not read back");
  }
  if (const auto path = net::normalize_path(text)) {
    fuzz::require(net::normalize_path(*path) == path, "a normal path is not normal");
    std::string_view rest = *path;
    while (const auto segment = net::next_segment(rest)) {
      fuzz::require(*segment != "." && *segment != "..", "dot segments are left in a path");
    }
    net::match_path("/v1/{}/{*}", *path);
  }
  fuzz::require(net::percent_decode(net::percent_encode(text)).value_or("") == text,
                "percent-encoding");
  if (const auto parameters = net::parse_query(text)) {
    std::string written;
    for (const auto& [name, value] : *parameters) {
      written += net::percent_encode(name) + "=" + net::percent_encode(value) + "&";
    }
    fuzz::require(net::parse_query(written) == parameters, "a query is not read back");
  }
  if (const auto seconds = net::parse_http_date(text, 1767225600)) {
    fuzz::require(net::parse_http_date(net::format_http_date(*seconds), 0) == seconds,
                  "a date is not read back");
  }
  return 0;
}

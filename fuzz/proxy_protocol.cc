#include "net/proxy_protocol.h"

#include "fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace gatehouse;
  using State = net::ProxyParse::State;
  const std::string_view text = fuzz::text_of(bytes, size);
  net::ProxyHeader header;
  const auto whole = net::parse_proxy_header(text, header);
  for (std::size_t have = 0; have < text.size(); have += fuzz::piece_of(text)) {
    net::ProxyHeader part;
    const auto parse = net::parse_proxy_header(text.substr(0, have), part);
    if (parse.state == State::kMore) continue;
    fuzz::require(
        parse.state == whole.state && parse.size == whole.size && parse.reason == whole.reason,
        "the answer changes with more bytes");
  }
  if (whole.state != State::kDone) return 0;
  fuzz::require(whole.size <= size && whole.size <= net::kProxyHeaderBytes, "size of a header");
  net::ProxyHeader again;
  const std::string written = net::make_proxy_header(header);
  fuzz::require(net::parse_proxy_header(written, again).state == State::kDone,
                "a header is not read back");
  fuzz::require(again.proxied == header.proxied && again.source == header.source &&
                    again.destination == header.destination,
                "a header is not read back as it was");
  fuzz::require(!header.source.text().empty(), "an address has no text");
  return 0;
}

#include "net/http.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/text.h"
#include "net/char_class.h"

namespace gatehouse::net {

namespace {

constexpr std::array<std::string_view, 9> kMethodNames = {
    "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"};

struct Phrase {
  int status;
  std::string_view text;
};

constexpr Phrase kPhrases[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {103, "Early Hints"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {203, "Non-Authoritative Information"},
    {204, "No Content"},
    {205, "Reset Content"},
    {206, "Partial Content"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {425, "Too Early"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {451, "Unavailable For Legal Reasons"},
    {499, "Client Closed Request"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
    {529, "Site Is Overloaded"},
};

bool append_headers(std::string& out, const HeaderList& headers) {
  for (const Header& header : headers) {
    if (!append_header(out, header.name, header.value)) return false;
  }
  out += "\r\n";
  return true;
}

}  // namespace

std::string_view name(Method method) {
  const auto index = static_cast<std::size_t>(method);
  return index < kMethodNames.size() ? kMethodNames[index] : std::string_view{};
}

Method method_of(std::string_view text) {
  for (std::size_t i = 0; i < kMethodNames.size(); ++i) {
    if (text == kMethodNames[i]) return static_cast<Method>(i);
  }
  return Method::kOther;
}

std::string_view reason_phrase(int status) {
  const auto* found =
      std::lower_bound(std::begin(kPhrases), std::end(kPhrases), status,
                       [](const Phrase& phrase, int wanted) { return phrase.status < wanted; });
  return found != std::end(kPhrases) && found->status == status ? found->text : "Unknown";
}

HeaderList& HeaderList::operator=(const HeaderList& other) {
  if (this == &other) return *this;
  clear();
  for (const Header& header : other) add(header.name, header.value);
  return *this;
}

HeaderList& HeaderList::operator=(HeaderList&& other) noexcept {
  if (this == &other) return *this;
  if (other.heap_) {
    heap_ = std::move(other.heap_);
    begin_ = heap_.get();
    capacity_ = other.capacity_;
  } else {
    // What lies inline always fits, whether this list is inline or not.
    std::copy(other.begin(), other.end(), begin_);
  }
  size_ = other.size_;
  other.begin_ = other.inline_.data();
  other.size_ = 0;
  other.capacity_ = kInline;
  return *this;
}

void HeaderList::grow() {
  const std::size_t capacity = capacity_ * 2;
  auto larger = std::make_unique<Header[]>(capacity);
  std::copy(begin(), end(), larger.get());
  heap_ = std::move(larger);
  begin_ = heap_.get();
  capacity_ = capacity;
}

std::optional<std::string_view> HeaderList::find(std::string_view name) const {
  for (const Header& header : *this) {
    if (equal_ignoring_case(header.name, name)) return header.value;
  }
  return std::nullopt;
}

std::string_view HeaderList::get(std::string_view name, std::string_view fallback) const {
  return find(name).value_or(fallback);
}

std::size_t HeaderList::count(std::string_view name) const {
  return static_cast<std::size_t>(std::count_if(begin(), end(), [name](const Header& header) {
    return equal_ignoring_case(header.name, name);
  }));
}

std::vector<std::string_view> HeaderList::get_all(std::string_view name) const {
  std::vector<std::string_view> values;
  for (const Header& header : *this) {
    if (equal_ignoring_case(header.name, name)) values.push_back(header.value);
  }
  return values;
}

bool HeaderList::has_token(std::string_view name, std::string_view token) const {
  for (const Header& header : *this) {
    if (!equal_ignoring_case(header.name, name)) continue;
    std::string_view list = header.value;
    while (const auto element = next_list_element(list)) {
      if (equal_ignoring_case(*element, token)) return true;
    }
  }
  return false;
}

std::optional<std::string_view> next_list_element(std::string_view& list) {
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    const std::string_view element = trim(list.substr(0, comma));
    list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
    if (!element.empty()) return element;
  }
  return std::nullopt;
}

bool is_hop_by_hop(const HeaderList& headers, std::string_view name) {
  static constexpr std::string_view kFixed[] = {"connection",
                                                "keep-alive",
                                                "proxy-connection",
                                                "proxy-authenticate",
                                                "proxy-authorization",
                                                "te",
                                                "trailer",
                                                "transfer-encoding",
                                                "upgrade"};
  for (const std::string_view fixed : kFixed) {
    if (equal_ignoring_case(name, fixed)) return true;
  }
  return headers.has_token("connection", name);
}

void RequestHead::clear() {
  method = Method::kGet;
  framing = BodyFraming::kNone;
  minor_version = 1;
  keep_alive = true;
  expect_continue = false;
  upgrade_websocket = false;
  content_length = 0;
  method_text = target = path = query = host = {};
  headers.clear();
}

void ResponseHead::clear() {
  status = 0;
  minor_version = 1;
  framing = BodyFraming::kNone;
  keep_alive = true;
  content_length = 0;
  reason = {};
  headers.clear();
}

bool append_header(std::string& out, std::string_view name, std::string_view value) {
  if (!is_token(name) || !is_field_value(value)) return false;
  out += name;
  out += ": ";
  out += value;
  out += "\r\n";
  return true;
}

bool append_request_head(std::string& out, std::string_view method, std::string_view target,
                         const HeaderList& headers) {
  if (!is_token(method) || target.empty() || !all_class(target, kQueryChar)) return false;
  const std::size_t before = out.size();
  out += method;
  out += ' ';
  out += target;
  out += " HTTP/1.1\r\n";
  if (append_headers(out, headers)) return true;
  out.resize(before);
  return false;
}

bool append_response_head(std::string& out, int status, std::string_view reason,
                          const HeaderList& headers) {
  if (status < 100 || status > 599 || !is_field_value(reason)) return false;
  const std::size_t before = out.size();
  out += "HTTP/1.1 ";
  out += std::to_string(status);
  out += ' ';
  out += reason.empty() ? reason_phrase(status) : reason;
  out += "\r\n";
  if (append_headers(out, headers)) return true;
  out.resize(before);
  return false;
}

}  // namespace gatehouse::net

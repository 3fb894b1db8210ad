// The vocabulary of an HTTP/1.x message: methods, header lists, heads, body
// framing and the limits of a head. After RFC 9110 and RFC 9112.
//
// Heads hold views, never bytes: every string_view in a RequestHead,
// ResponseHead or HeaderList points into the buffer that the head was parsed
// from (or that the writer of a head owns), and lives as long as that buffer
// stays where it is.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gatehouse::net {

enum class Method : std::uint8_t {
  kGet,
  kHead,
  kPost,
  kPut,
  kDelete,
  kOptions,
  kPatch,
  kTrace,
  kConnect,
  kOther,  // any other token; its text is RequestHead::method_text
};

// "GET" and so on; empty for kOther.
std::string_view name(Method method);
// Methods are case-sensitive: "get" is kOther.
Method method_of(std::string_view text);

// The reason phrase of a status, "Unknown" where there is none.
std::string_view reason_phrase(int status);

struct Header {
  std::string_view name;   // as received; compare ignoring case
  std::string_view value;  // without the white space around it
};

// Headers in the order they came. Twelve fit inside (most calls carry fewer);
// beyond that they move to the heap, and clear() keeps that storage.
class HeaderList {
 public:
  HeaderList() = default;
  HeaderList(const HeaderList& other) { *this = other; }
  HeaderList(HeaderList&& other) noexcept { *this = std::move(other); }
  HeaderList& operator=(const HeaderList& other);
  HeaderList& operator=(HeaderList&& other) noexcept;
  ~HeaderList() = default;

  void add(std::string_view name, std::string_view value) {
    if (size_ == capacity_) grow();
    begin_[size_++] = {name, value};
  }
  void clear() { size_ = 0; }

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  const Header& operator[](std::size_t index) const { return begin_[index]; }
  const Header* begin() const { return begin_; }
  const Header* end() const { return begin_ + size_; }

  // The value of the first header of that name (any case), or none.
  std::optional<std::string_view> find(std::string_view name) const;
  // The same, or `fallback`.
  std::string_view get(std::string_view name, std::string_view fallback = {}) const;
  bool contains(std::string_view name) const { return count(name) != 0; }
  std::size_t count(std::string_view name) const;
  std::vector<std::string_view> get_all(std::string_view name) const;
  // Whether `token` (any case) is an element of the comma-separated lists that
  // the headers of that name form together.
  bool has_token(std::string_view name, std::string_view token) const;

 private:
  static constexpr std::size_t kInline = 12;

  void grow();

  std::array<Header, kInline> inline_;  // first: begin_ points into it
  Header* begin_ = inline_.data();
  std::size_t size_ = 0;
  std::size_t capacity_ = kInline;
  std::unique_ptr<Header[]> heap_;
};

// Takes the next element off a comma-separated list of RFC 9110 §5.6.1, without
// the white space around it; empty elements are passed over. None at the end.
// It knows no quoted strings: use it for lists of tokens.
std::optional<std::string_view> next_list_element(std::string_view& list);

// Whether a header is for this connection only, so that a proxy must not pass
// it on: the fixed set of RFC 9110 §7.6.1 and what `headers`' Connection names.
bool is_hop_by_hop(const HeaderList& headers, std::string_view name);

enum class BodyFraming : std::uint8_t {
  kNone,        // no body, whatever the headers say (HEAD, 204, 304, a request without framing)
  kLength,      // exactly content_length bytes; may be zero
  kChunked,     // chunked transfer coding
  kUntilClose,  // a response that ends with its connection
};

struct RequestHead {
  Method method = Method::kGet;
  BodyFraming framing = BodyFraming::kNone;
  int minor_version = 1;
  bool keep_alive = true;
  bool expect_continue = false;      // only set where a body is to come
  bool upgrade_websocket = false;    // asks for it by RFC 6455 §4.1; its key is not checked here
  std::uint64_t content_length = 0;  // bytes, for kLength
  std::string_view method_text;
  std::string_view target;  // the request target as received
  std::string_view path;    // still percent-encoded; "*" for OPTIONS *, "/" for an empty one
  std::string_view query;   // without '?'; still percent-encoded
  std::string_view host;    // uri-host [":" port], from the target in absolute form
  HeaderList headers;

  bool has_body() const {
    return framing == BodyFraming::kChunked ||
           (framing == BodyFraming::kLength && content_length != 0);
  }
  void clear();
};

struct ResponseHead {
  int status = 0;
  int minor_version = 1;
  BodyFraming framing = BodyFraming::kNone;
  bool keep_alive = true;
  std::uint64_t content_length = 0;  // bytes, for kLength; what HEAD or 304 announced otherwise
  std::string_view reason;
  HeaderList headers;

  bool has_body() const {
    return framing == BodyFraming::kChunked || framing == BodyFraming::kUntilClose ||
           (framing == BodyFraming::kLength && content_length != 0);
  }
  void clear();
};

// Bounds of a head; see each for its reason. nginx allows 4 × 8 KiB, Node 16 KiB.
struct HeadLimits {
  // Bearer tokens and cookies of identity providers reach 16 KiB; twice that.
  std::size_t head_bytes = 32 * 1024;
  // Browsers behind several proxies send about 40.
  std::size_t headers = 100;
  // The longest line any common client or proxy lets through.
  std::size_t target_bytes = 8 * 1024;
};

// The order's head as bytes: request line, headers, empty line. False, and `out`
// as it was, where a part could not be read back as it stands (a name that is no
// token, a value with CR or LF): nothing from outside can split a head.
bool append_request_head(std::string& out, std::string_view method, std::string_view target,
                         const HeaderList& headers);
// `reason` may be empty; the phrase of the status is then written.
bool append_response_head(std::string& out, int status, std::string_view reason,
                          const HeaderList& headers);
// One "name: value" line.
bool append_header(std::string& out, std::string_view name, std::string_view value);

}  // namespace gatehouse::net

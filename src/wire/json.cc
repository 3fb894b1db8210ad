// simdjson's document model behind plain handles. Its headers take seconds to
// compile, so they are seen here alone; JsonView holds the two words that a
// simdjson element is made of.
#include "wire/json.h"

#include <simdjson.h>

#include <bit>
#include <cassert>
#include <charconv>
#include <cmath>

#include "base/log.h"
#include "wire/json_edit.h"

namespace gatehouse::wire {

namespace dom = simdjson::dom;

namespace {

using Words = std::array<size_t, 2>;
static_assert(sizeof(dom::element) == sizeof(Words) && std::is_trivially_copyable_v<dom::element>);
static_assert(sizeof(dom::object::iterator) == sizeof(Words) &&
              std::is_trivially_copyable_v<dom::object::iterator>);
static_assert(sizeof(dom::array::iterator) == sizeof(Words) &&
              std::is_trivially_copyable_v<dom::array::iterator>);

dom::element element(const Words& words) { return std::bit_cast<dom::element>(words); }

// A parser keeps some six bytes for each byte of the longest text it has seen.
// Longer texts than this get a parser of their own, so that one large body does
// not stay in the memory of every thread.
constexpr size_t kKeptTextBytes = 256 << 10;

// simdjson counts the level of the root's value too.
constexpr size_t kSimdjsonDepth = kJsonDepthMax + 1;

// `json`, valid, with each number that simdjson refuses for its range written
// as a double within range.
std::string with_numbers_in_range(std::string_view json) {
  std::string out;
  out.reserve(json.size() + 16);
  bool in_string = false;
  for (size_t i = 0; i < json.size();) {
    const char c = json[i];
    if (in_string || (c != '-' && (c < '0' || c > '9'))) {
      if (c == '"') in_string = !in_string;
      if (c == '\\') out += json[i++];
      out += json[i++];
      continue;
    }
    size_t end = json.find_first_not_of("0123456789+-.eE", i);
    if (end == std::string_view::npos) end = json.size();
    const std::string_view number = json.substr(i, end - i);
    i = end;
    double value = 0;
    const auto parsed = std::from_chars(number.data(), number.data() + number.size(), value);
    const bool whole = number.find_first_of(".eE") == std::string_view::npos;
    if (parsed.ec == std::errc::result_out_of_range) {
      // Too large, or too close to zero: the sign of the exponent tells, or
      // else its length alone did it.
      const bool tiny = number.find("e-") != std::string_view::npos ||
                        number.find("E-") != std::string_view::npos || number.starts_with("0.") ||
                        number.starts_with("-0.");
      if (number.front() == '-') out += '-';
      out += tiny ? "0.0" : "1.7976931348623157e308";
    } else {
      out += number;
      if (whole && number.size() > 18) out += ".0";
    }
  }
  return out;
}

}  // namespace

struct JsonDocument::State {
  dom::document document;
  bool filled = false;
};

JsonDocument::JsonDocument() = default;
JsonDocument::~JsonDocument() = default;
JsonDocument::JsonDocument(JsonDocument&&) noexcept = default;
JsonDocument& JsonDocument::operator=(JsonDocument&&) noexcept = default;

Result<JsonDocument> JsonDocument::parse(std::string_view text) {
  JsonDocument document;
  RETURN_IF_ERROR(document.read(text));
  return document;
}

namespace {

simdjson::error_code parse_into(dom::document& document, std::string_view text) {
  const auto run = [&](dom::parser& parser) {
    if (parser.max_depth() != kSimdjsonDepth || parser.capacity() < text.size()) {
      const size_t room = std::max<size_t>(text.size(), 4096);
      if (const auto error = parser.allocate(room, kSimdjsonDepth)) return error;
    }
    return parser.parse_into_document(document, text.data(), text.size()).error();
  };
  thread_local dom::parser kept;
  if (text.size() <= kKeptTextBytes) return run(kept);
  dom::parser own;
  return run(own);
}

}  // namespace

Status JsonDocument::read(std::string_view text) {
  if (state_ == nullptr) state_ = std::make_unique<State>();
  state_->filled = false;
  auto error = parse_into(state_->document, text);
  if (error != simdjson::SUCCESS) {
    // The scanner says what is wrong, and where; what it accepts, only the range
    // of a number can have made fail.
    RETURN_IF_ERROR(validate_json(text));
    error = parse_into(state_->document, with_numbers_in_range(text));
    if (error != simdjson::SUCCESS) {
      return invalid_argument(std::string("invalid JSON: ") + simdjson::error_message(error));
    }
  }
  state_->filled = true;
  return {};
}

JsonView JsonDocument::root() const {
  JsonView view;
  if (state_ != nullptr && state_->filled) {
    view.words_ = std::bit_cast<Words>(state_->document.root());
  }
  return view;
}

bool JsonView::is_null() const { return present() && element(words_).is_null(); }
bool JsonView::is_bool() const { return present() && element(words_).is_bool(); }
bool JsonView::is_number() const { return present() && element(words_).is_number(); }
bool JsonView::is_string() const { return present() && element(words_).is_string(); }
bool JsonView::is_array() const { return present() && element(words_).is_array(); }
bool JsonView::is_object() const { return present() && element(words_).is_object(); }

namespace {
template <typename T>
std::optional<T> value_of(const Words& words) {
  T value;
  if (words[0] == 0 || element(words).get(value) != simdjson::SUCCESS) return {};
  return value;
}
}  // namespace

std::optional<bool> JsonView::boolean() const { return value_of<bool>(words_); }
std::optional<int64_t> JsonView::integer() const { return value_of<int64_t>(words_); }
std::optional<uint64_t> JsonView::unsigned_integer() const { return value_of<uint64_t>(words_); }
std::optional<double> JsonView::number() const { return value_of<double>(words_); }
std::optional<std::string_view> JsonView::string() const {
  return value_of<std::string_view>(words_);
}

JsonView JsonView::get(std::string_view key) const {
  JsonView found;
  dom::object object;
  if (!present() || element(words_).get(object) != simdjson::SUCCESS) return found;
  dom::element value;
  if (object.at_key(key).get(value) == simdjson::SUCCESS)
    found.words_ = std::bit_cast<Words>(value);
  return found;
}

JsonView JsonView::at(size_t index) const {
  JsonView found;
  dom::array array;
  if (!present() || element(words_).get(array) != simdjson::SUCCESS) return found;
  dom::element value;
  if (array.at(index).get(value) == simdjson::SUCCESS) found.words_ = std::bit_cast<Words>(value);
  return found;
}

size_t JsonView::size() const {
  size_t count = 0;
  for (auto at = members().begin(), end = members().end(); !(at == end); ++at) ++count;
  for (auto at = items().begin(), end = items().end(); !(at == end); ++at) ++count;
  return count;
}

JsonMembers JsonView::members() const {
  JsonMembers range;
  dom::object object;
  if (present() && element(words_).get(object) == simdjson::SUCCESS) {
    range.begin_.words_ = std::bit_cast<Words>(object.begin());
    range.end_.words_ = std::bit_cast<Words>(object.end());
  }
  return range;
}

JsonItems JsonView::items() const {
  JsonItems range;
  dom::array array;
  if (present() && element(words_).get(array) == simdjson::SUCCESS) {
    range.begin_.words_ = std::bit_cast<Words>(array.begin());
    range.end_.words_ = std::bit_cast<Words>(array.end());
  }
  return range;
}

JsonMembers::Iterator::value_type JsonMembers::Iterator::operator*() const {
  const auto at = std::bit_cast<dom::object::iterator>(words_);
  JsonView value;
  value.words_ = std::bit_cast<Words>(at.value());
  return {at.key(), value};
}

JsonMembers::Iterator& JsonMembers::Iterator::operator++() {
  auto at = std::bit_cast<dom::object::iterator>(words_);
  words_ = std::bit_cast<Words>(++at);
  return *this;
}

JsonView JsonItems::Iterator::operator*() const {
  JsonView value;
  value.words_ = std::bit_cast<Words>(*std::bit_cast<dom::array::iterator>(words_));
  return value;
}

JsonItems::Iterator& JsonItems::Iterator::operator++() {
  auto at = std::bit_cast<dom::array::iterator>(words_);
  words_ = std::bit_cast<Words>(++at);
  return *this;
}

void JsonWriter::separate() {
  if (comma_) out_ += ',';
  comma_ = true;
}

JsonWriter& JsonWriter::begin_object() {
  separate();
  out_ += '{';
  comma_ = false;
  ++depth_;
  return *this;
}

JsonWriter& JsonWriter::end_object() {
  assert(depth_ > 0);
  out_ += '}';
  comma_ = true;
  --depth_;
  return *this;
}

JsonWriter& JsonWriter::begin_array() {
  separate();
  out_ += '[';
  comma_ = false;
  ++depth_;
  return *this;
}

JsonWriter& JsonWriter::end_array() {
  assert(depth_ > 0);
  out_ += ']';
  comma_ = true;
  --depth_;
  return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
  separate();
  append_json_string(out_, name);
  out_ += ':';
  comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::string(std::string_view text) {
  separate();
  append_json_string(out_, text);
  return *this;
}

JsonWriter& JsonWriter::integer(int64_t value) {
  separate();
  char digits[24];
  out_.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
  return *this;
}

JsonWriter& JsonWriter::unsigned_integer(uint64_t value) {
  separate();
  char digits[24];
  out_.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
  return *this;
}

JsonWriter& JsonWriter::number(double value) {
  if (!std::isfinite(value)) return null();
  separate();
  char digits[32];
  out_.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
  return *this;
}

JsonWriter& JsonWriter::boolean(bool value) { return raw(value ? "true" : "false"); }
JsonWriter& JsonWriter::null() { return raw("null"); }

JsonWriter& JsonWriter::raw(std::string_view json) {
  separate();
  out_ += json;
  return *this;
}

}  // namespace gatehouse::wire

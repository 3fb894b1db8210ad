#include "net/sse.h"

#include "net/char_class.h"

namespace gatehouse::net {

namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
constexpr std::string_view kLineEnds = "\r\n";

// Enough for the events that straddle two reads day by day.
constexpr std::size_t kKeptBytes = 4096;

// Takes a line off `text`, without its end (CR LF, LF or CR). `last` says whether
// it had none.
std::string_view take_line(std::string_view& text, bool* last = nullptr) {
  const char* const start = text.data();
  const char* const end = find_line_end(start, start + text.size());
  const std::string_view line(start, static_cast<std::size_t>(end - start));
  text.remove_prefix(line.size());
  if (last != nullptr) *last = text.empty();
  if (!text.empty()) text.remove_prefix(text.starts_with("\r\n") ? 2 : 1);
  return line;
}

// ASCII digits only; a number too large to be meant is no number.
std::optional<std::uint64_t> parse_retry(std::string_view text) {
  if (text.empty() || text.size() > 18 || !all_class(text, kDigit)) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) value = value * 10 + static_cast<std::uint64_t>(c - '0');
  return value;
}

}  // namespace

SseParser::Step SseParser::next(std::span<const char> input) {
  if (refused_) return {State::kRefused, 0};
  if (event_given_) {
    // Thousands of streams may idle: none keeps the room its largest event took.
    if (raw_.capacity() > kKeptBytes) raw_ = {};
    raw_.clear();
    event_given_ = false;
  }
  const char* const base = input.data();
  const char* const end = base + input.size();
  const char* at = base;
  while (!mark_over_ && at != end) {
    if (*at != kByteOrderMark[mark_bytes_]) {
      mark_over_ = true;
      line_has_content_ = mark_bytes_ != 0;
      break;
    }
    ++at;
    mark_over_ = mark_in_event_ = ++mark_bytes_ == kByteOrderMark.size();
  }
  while (at != end) {
    if (after_cr_) {
      after_cr_ = false;
      if (*at == '\n') {
        ++at;
        continue;
      }
    }
    const char* const stop = find_line_end(at, end);
    line_has_content_ |= stop != at;
    at = stop;
    if (at == end) break;
    if (*at++ == '\r') {
      if (at == end) {
        after_cr_ = true;
      } else if (*at == '\n') {
        ++at;
      }
    }
    if (!line_has_content_) return give(input, static_cast<std::size_t>(at - base));
    line_has_content_ = false;
  }
  return keep(input);
}

SseParser::Step SseParser::keep(std::span<const char> input) {
  if (input.size() > event_bytes_max_ - raw_.size()) {
    refused_ = true;
    return {State::kRefused, 0};
  }
  raw_.append(input.data(), input.size());
  return {State::kMore, input.size()};
}

SseParser::Step SseParser::give(std::span<const char> input, std::size_t length) {
  const bool in_place = raw_.empty();
  if (length > event_bytes_max_ - raw_.size()) {
    refused_ = true;
    return {State::kRefused, 0};
  }
  if (!in_place) raw_.append(input.data(), length);
  const std::string_view raw = in_place ? std::string_view(input.data(), length) : raw_;
  event_ = {};
  event_.raw = raw;
  read_fields(mark_in_event_ ? raw.substr(kByteOrderMark.size()) : raw);
  mark_in_event_ = false;
  event_given_ = true;
  return {State::kEvent, length};
}

void SseParser::read_fields(std::string_view block) {
  type_.clear();
  joined_.clear();
  // The block ends in an empty line, and may start with the LF of a CR LF whose
  // CR ended the block before: empty lines within it mean nothing.
  while (!block.empty()) {
    const std::string_view line = take_line(block);
    if (!line.empty()) read_field(line);
  }
  event_.type = type_.empty() ? std::string_view("message") : type_;
  event_.id = last_id_;
}

void SseParser::read_field(std::string_view line) {
  const std::size_t colon = line.find(':');
  const std::string_view field = line.substr(0, colon);
  std::string_view value;
  if (colon != std::string_view::npos) {
    value = line.substr(colon + 1);
    if (value.starts_with(' ')) value.remove_prefix(1);
  }
  if (field == "data") {
    if (!event_.has_data) {
      event_.data = value;
      event_.has_data = true;
      return;
    }
    if (joined_.empty()) joined_ = event_.data;
    joined_ += '\n';
    joined_ += value;
    event_.data = joined_;
  } else if (field == "event") {
    type_ = value;
  } else if (field == "id") {
    if (value.find('\0') == std::string_view::npos) last_id_ = value;
  } else if (field == "retry") {
    if (const auto retry_ms = parse_retry(value)) event_.retry_ms = retry_ms;
  }
}

bool append_sse_event(std::string& out, std::string_view type, std::string_view data,
                      std::string_view id) {
  if (type.find_first_of(kLineEnds) != std::string_view::npos) return false;
  if (id.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos) return false;
  if (!type.empty()) {
    out += "event: ";
    out += type;
    out += '\n';
  }
  if (!id.empty()) {
    out += "id: ";
    out += id;
    out += '\n';
  }
  for (bool last = false; !last;) {
    out += "data: ";
    out += take_line(data, &last);
    out += '\n';
  }
  out += '\n';
  return true;
}

void append_sse_comment(std::string& out, std::string_view text) {
  out += ": ";
  out += text;
  out += "\n\n";
}

}  // namespace gatehouse::net

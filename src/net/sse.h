// Server-sent events, both ways: WHATWG HTML §9.2, "event stream".
//
// The parser serves a proxy as well as a reader: each event comes with the raw
// bytes it was made of, so that it can be forwarded untouched or withheld
// whole. The raw bytes of all events and unfinished() together are the stream,
// byte for byte. An event that lies within one input is not copied.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace gatehouse::net {

struct SseEvent {
  std::string_view type;  // "message" where the stream named none
  std::string_view data;  // lines joined by LF
  std::string_view id;    // the last event id, which outlives its event
  std::optional<std::uint64_t> retry_ms;
  // False for blocks of comments and fields without data: a reader dispatches
  // nothing for them, a proxy forwards their bytes.
  bool has_data = false;
  std::string_view raw;
};

class SseParser {
 public:
  enum class State {
    kMore,     // all input is used up
    kEvent,    // event() is whole; call again with the rest
    kRefused,  // an event is larger than the bound; the parser stays so
  };
  struct Step {
    State state = State::kMore;
    std::size_t consumed = 0;
  };

  // An event of a model's stream has some hundred bytes; a base64 image in one
  // reaches some hundred KiB. A line is bounded by its event.
  static constexpr std::size_t kEventBytes = 1024 * 1024;

  explicit SseParser(std::size_t event_bytes_max = kEventBytes)
      : event_bytes_max_(event_bytes_max) {}
  SseParser(const SseParser&) = delete;
  SseParser& operator=(const SseParser&) = delete;

  // One step on from `input`, which starts where the last step left off.
  Step next(std::span<const char> input);

  // REQUIRES: the last step gave kEvent. Views into that step's input or into
  // this parser, good until the next step.
  const SseEvent& event() const { return event_; }

  // What came since the last event: at the end of the stream, bytes of an event
  // that is not whole, which the standard has readers drop.
  std::string_view unfinished() const { return event_given_ ? std::string_view{} : raw_; }

 private:
  Step keep(std::span<const char> input);
  Step give(std::span<const char> input, std::size_t length);
  void read_fields(std::string_view block);
  void read_field(std::string_view line);

  std::size_t event_bytes_max_;
  std::string raw_;     // of an event that started in an earlier input
  std::string joined_;  // data of several lines
  std::string type_;
  std::string last_id_;
  SseEvent event_;
  std::uint8_t mark_bytes_ = 0;  // of the byte order mark seen at the stream's start
  bool mark_over_ = false;       // the place for a byte order mark has passed
  bool mark_in_event_ = false;   // the event now read starts with it
  bool after_cr_ = false;        // an LF that comes next belongs to a line that has ended
  bool line_has_content_ = false;
  bool event_given_ = false;  // raw_ belongs to the event that was handed out
  bool refused_ = false;
};

// An event as text: `type` may be empty for "message", `id` for none. Data may
// hold line ends; they come back as LF. False, and `out` as it was, where type
// or id hold a line end, or id a NUL: it could not be read back.
bool append_sse_event(std::string& out, std::string_view type, std::string_view data,
                      std::string_view id = {});
// A comment block, which keeps a connection awake and dispatches nothing.
// REQUIRES: `text` holds no line end.
void append_sse_comment(std::string& out, std::string_view text);

}  // namespace gatehouse::net

#include "net/sse.h"

#include <optional>
#include <string>
#include <vector>

#include "fuzz.h"

namespace {

using namespace gatehouse;

// Small, so that the fuzzer reaches it.
constexpr std::size_t kEventBytes = 200;

struct Event {
  std::string type, data, id;
  std::optional<std::uint64_t> retry_ms;
  bool operator==(const Event&) const = default;
};

struct Read {
  std::vector<Event> events;  // those that are dispatched
  std::string raw;
  bool refused = false;
};

Read read(std::string_view text, std::size_t piece) {
  net::SseParser parser(kEventBytes);
  Read result;
  while (!text.empty()) {
    const auto step = parser.next(text.substr(0, piece));
    text.remove_prefix(step.consumed);
    if (step.state == net::SseParser::State::kRefused) {
      result.refused = true;
      return result;
    }
    if (step.state != net::SseParser::State::kEvent) continue;
    const net::SseEvent& event = parser.event();
    fuzz::require(!event.raw.empty() && event.raw.size() <= kEventBytes, "size of an event");
    result.raw += event.raw;
    if (!event.has_data) continue;
    result.events.push_back(
        {std::string(event.type), std::string(event.data), std::string(event.id), event.retry_ms});
  }
  result.raw += parser.unfinished();
  return result;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text = fuzz::text_of(bytes, size);
  const Read whole = read(text, size + 1);
  const Read pieces = read(text, fuzz::piece_of(text));
  // The LF of a CR LF that pieces cut counts for the event after it, so at the
  // bound, and only there, the two may differ.
  if (whole.refused || pieces.refused) return 0;
  fuzz::require(whole.events == pieces.events, "events depend on the pieces");
  fuzz::require(whole.raw == text && pieces.raw == text, "raw bytes are not the stream");

  std::string written;
  for (const Event& event : whole.events) {
    fuzz::require(net::append_sse_event(written, event.type, event.data, event.id),
                  "an event cannot be written");
  }
  net::SseParser again;
  std::string_view rest = written;
  for (const Event& event : whole.events) {
    const auto step = again.next(rest);
    rest.remove_prefix(step.consumed);
    fuzz::require(step.state == net::SseParser::State::kEvent, "an event is not read back");
    fuzz::require(again.event().data == event.data && again.event().type == event.type,
                  "an event is not read back as it was");
  }
  fuzz::require(rest.empty(), "more is read back than was written");
  return 0;
}

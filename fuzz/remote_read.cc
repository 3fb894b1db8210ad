// Remote read's requests; and samples, times and values from the bytes, as frames.
#include "wire/remote_read.h"

#include "base/bytes.h"
#include "fuzz.h"
#include "wire/label_check.h"

using namespace gatehouse;        // NOLINT: a program of one file
using namespace gatehouse::wire;  // NOLINT

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text = fuzz::text_of(bytes, size);
  const auto request = decode_read_request(text);
  if (request.ok()) {
    fuzz::require(!request->accepted.empty(), "some response type is accepted");
    for (const ReadQuery& query : request->queries) {
      for (const model::Matcher& matcher : query.matchers) {
        fuzz::require(is_utf8(matcher.name()), "matchers are UTF-8");
      }
    }
  }
  model::SampleColumns samples;
  for (size_t at = 0; at + 16 <= size; at += 16) {
    samples.times_ms.push_back(get_le<int64_t>(text.data() + at));
    samples.values.push_back(std::bit_cast<double>(get_le<uint64_t>(text.data() + at + 8)));
  }
  std::string out;
  const model::LabelView labels[] = {{"__name__", "m"}};
  fuzz::require(append_read_frames(labels, samples, 1, out, 64).ok(), "floats are streamed");
  std::string_view rest = out;
  while (!rest.empty()) {
    uint64_t length = 0;
    fuzz::require(get_varint(rest, length) && rest.size() >= length + 4, "frames are whole");
    rest.remove_prefix(4);
    const uint32_t stated =
        static_cast<uint32_t>(__builtin_bswap32(get_le<uint32_t>(rest.data() - 4)));
    fuzz::require(crc32c(rest.substr(0, length)) == stated, "frames have their checksum");
    rest.remove_prefix(length);
  }
  return 0;
}

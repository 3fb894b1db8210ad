#include "wire/gzip.h"

#include <zlib.h>

#include <memory>

namespace gatehouse::wire {

Result<std::string> gzip_decompress(std::string_view packed, size_t bytes_max,
                                    MemoryCharge* charge) {
  z_stream stream{};
  constexpr int kGzip = 16;  // added to the window bits: a gzip wrapper and no other
  if (inflateInit2(&stream, MAX_WBITS + kGzip) != Z_OK) {
    return resource_exhausted("no memory to unpack with");
  }
  const std::unique_ptr<z_stream, int (*)(z_stream*)> end(&stream, inflateEnd);
  // zlib's interface is older than const.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  std::string out;
  char piece[64 * 1024];
  while (true) {
    stream.next_out = reinterpret_cast<Bytef*>(piece);
    stream.avail_out = sizeof piece;
    const int outcome = inflate(&stream, Z_NO_FLUSH);
    const size_t got = sizeof piece - stream.avail_out;
    if (out.size() + got > bytes_max) {
      return resource_exhausted("the body is longer than " + std::to_string(bytes_max) +
                                " bytes, unpacked");
    }
    if (charge != nullptr && !charge->grow(static_cast<int64_t>(got)).ok()) {
      return unavailable("there is no memory to unpack the body with (memory.limit)");
    }
    out.append(piece, got);
    if (outcome == Z_STREAM_END) {
      if (stream.avail_in == 0) return out;
      if (inflateReset(&stream) != Z_OK) return invalid_argument("gzip: broken");
      continue;  // another member
    }
    if (outcome != Z_OK || (got == 0 && stream.avail_in == 0)) {
      return invalid_argument("gzip: the body is broken or ends early");
    }
  }
}

}  // namespace gatehouse::wire

#include "wire/gzip.h"

#include <zlib.h>

#include <algorithm>

namespace gatehouse::wire {

namespace {

constexpr int kGzip = 16;  // added to the window bits: a gzip wrapper and no other
constexpr size_t kStepBytes = 64 << 10;

// zlib's interface is older than const.
Bytef* bytes_of(std::string_view text) {
  return reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
}

}  // namespace

Result<std::string> gzip_decompress(std::string_view packed, size_t size_max) {
  z_stream stream{};
  if (inflateInit2(&stream, MAX_WBITS + kGzip) != Z_OK) {
    return resource_exhausted("no memory to unpack with");
  }
  stream.next_in = bytes_of(packed);
  stream.avail_in = static_cast<uInt>(packed.size());
  std::string out;
  int state = Z_OK;
  // One byte beyond the bound tells what is too long from what is just as long.
  while (state == Z_OK && out.size() <= size_max) {
    const size_t before = out.size();
    out.resize(before + std::min(kStepBytes, size_max + 1 - before));
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + before);
    stream.avail_out = static_cast<uInt>(out.size() - before);
    state = inflate(&stream, Z_NO_FLUSH);
    out.resize(out.size() - stream.avail_out);
  }
  inflateEnd(&stream);
  if (out.size() > size_max) {
    return resource_exhausted("it unpacks to more than " + std::to_string(size_max) + " bytes");
  }
  if (state != Z_STREAM_END) return invalid_argument("not gzip, or cut short");
  return out;
}

std::string gzip_compress(std::string_view text) {
  z_stream stream{};
  constexpr int kMemory = 8;  // zlib's default
  if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, MAX_WBITS + kGzip, kMemory,
                   Z_DEFAULT_STRATEGY) != Z_OK) {
    return {};
  }
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = bytes_of(text);
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int state = deflate(&stream, Z_FINISH);
  out.resize(state == Z_STREAM_END ? stream.total_out : 0);
  deflateEnd(&stream);
  return out;
}

}  // namespace gatehouse::wire

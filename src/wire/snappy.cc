#include "wire/snappy.h"

#include <snappy.h>

namespace gatehouse::wire {

namespace {

// A copy element of three bytes gives 64: no block holds more than some 22 times
// its own length. A claim above that is a lie, told before memory is set aside.
constexpr size_t kExpansionMax = 22;

}  // namespace

Result<size_t> snappy_decompressed_size(std::string_view block, size_t size_max) {
  size_t claimed = 0;
  if (!snappy::GetUncompressedLength(block.data(), block.size(), &claimed)) {
    return invalid_argument("not a snappy block: it does not begin with a length");
  }
  if (claimed > size_max) {
    return resource_exhausted("the snappy block claims " + std::to_string(claimed) +
                              " bytes, more than the " + std::to_string(size_max) +
                              " that are allowed");
  }
  if (claimed / kExpansionMax > block.size()) {
    return invalid_argument("the snappy block claims more bytes than it can hold");
  }
  return claimed;
}

Status snappy_decompress(std::string_view block, size_t size_max, std::string& out) {
  out.clear();
  ASSIGN_OR_RETURN(const size_t claimed, snappy_decompressed_size(block, size_max));
  out.resize(claimed);
  if (!snappy::RawUncompress(block.data(), block.size(), out.data())) {
    out.clear();
    return invalid_argument("the snappy block is damaged");
  }
  return {};
}

void snappy_compress(std::string_view contents, std::string& out) {
  size_t size = snappy::MaxCompressedLength(contents.size());
  out.resize(size);
  snappy::RawCompress(contents.data(), contents.size(), out.data(), &size);
  out.resize(size);
}

}  // namespace gatehouse::wire

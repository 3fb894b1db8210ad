#include "store/codec/int_column.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/bytes.h"
#include "store/codec/entropy.h"
#include "store/codec/int_encoder.h"

namespace gatehouse::store {
namespace {

struct Header {
  uint8_t kind = 0;
  int64_t first = 0;
  int64_t factor = 1;
  int64_t bias = 0;
  int64_t c1 = 0;
  int64_t c2 = 0;
  int low_bits = 0;
  std::array<uint8_t, kColumnRowsMax / kModelSpan> models{};
  size_t model_count = 1;
};

bool take_byte(std::string_view& in, uint8_t& byte) {
  if (in.empty()) return false;
  byte = static_cast<uint8_t>(in[0]);
  in.remove_prefix(1);
  return true;
}

bool take_zigzag(std::string_view& in, int64_t& value) {
  uint64_t raw = 0;
  if (!get_varint(in, raw)) return false;
  value = unzigzag(raw);
  return true;
}

bool take_prediction(std::string_view& in, size_t steps, Header& header) {
  uint8_t byte = 0;
  if (!take_byte(in, header.kind) || header.kind >= 2 * kSparse) return false;
  if (!take_zigzag(in, header.first)) return false;
  const uint8_t prediction = header.kind & kPredictionMask;
  if (prediction == kLine) return header.kind == kLine && take_zigzag(in, header.bias);
  if (prediction > kReferenceStep || steps == 0) return false;
  if ((header.kind & kSparse) != 0 && prediction != kStep) return false;
  if ((header.kind & kFactor) != 0) {
    uint64_t factor = 0;
    if (!get_varint(in, factor)) return false;
    header.factor = static_cast<int64_t>(factor);
  }
  if (!take_zigzag(in, header.bias)) return false;
  if (prediction == kLevelFilter || prediction == kStepFilter) {
    if (!take_byte(in, byte)) return false;
    header.c1 = static_cast<int8_t>(byte);
    if (!take_byte(in, byte)) return false;
    header.c2 = static_cast<int8_t>(byte);
  }
  return true;
}

// Which steps are not 0, as 1; `count` is how many.
bool take_mask(std::string_view& in, std::span<uint8_t> mask, size_t& count) {
  uint8_t byte = 0;
  if (!take_byte(in, byte)) return false;
  const uint8_t model = byte & 0x7f;
  const uint8_t inverse = byte >> 7;
  if (model >= kModels || !decode_symbols(in, {&model, 1}, mask)) return false;
  uint8_t all = 0;
  count = 0;
  for (uint8_t& bit : mask) {
    all |= bit;
    bit ^= inverse;
    count += bit;
  }
  return all <= 1;
}

bool take_models(std::string_view& in, size_t residuals, Header& header) {
  uint8_t byte = 0;
  if (!take_byte(in, byte) || byte > 63) return false;
  header.low_bits = byte;
  if ((header.kind & kManyModels) != 0 && residuals > 0) {
    header.model_count = (residuals + kModelSpan - 1) / kModelSpan;
  }
  for (size_t i = 0; i < header.model_count; ++i) {
    if (!take_byte(in, header.models[i]) || header.models[i] >= kModels) return false;
  }
  return true;
}

uint64_t load(const char* at) {
  uint64_t word;
  std::memcpy(&word, at, 8);
  return word;
}

// out[i] = symbols[i] << low | the next low bits.
bool join_low_bits(std::string_view& in, std::span<const uint8_t> symbols, int low, int64_t* out) {
  const size_t n = symbols.size();
  if (low == 0) {
    for (size_t i = 0; i < n; ++i) out[i] = symbols[i];
    return true;
  }
  const size_t width = static_cast<size_t>(low);
  const size_t size = (n * width + 7) / 8;
  if (in.size() < size) return false;
  const char* bytes = in.data();
  const uint64_t mask = (uint64_t{1} << low) - 1;
  size_t i = 0;
  // A load of eight bytes holds any 56 bits, and must end within the input.
  if (low <= 56) {
    for (size_t bit = 0; i < n && bit / 8 + 8 <= in.size(); ++i, bit += width) {
      const uint64_t bits = load(bytes + bit / 8) >> (bit % 8) & mask;
      out[i] = static_cast<int64_t>(uint64_t{symbols[i]} << low | bits);
    }
  }
  for (; i < n; ++i) {
    uint64_t bits = 0;
    for (size_t k = 0; k < width; ++k) {
      const size_t bit = i * width + k;
      bits |= uint64_t{static_cast<uint8_t>(bytes[bit / 8])} >> (bit % 8) << 63 >> (63 - k);
    }
    out[i] = static_cast<int64_t>(uint64_t{symbols[i]} << low | bits);
  }
  in.remove_prefix(size);
  return true;
}

bool put_escapes(std::string_view& in, std::span<const uint8_t> symbols, int low, int64_t* out) {
  const uint64_t mask = (uint64_t{1} << low) - 1;
  for (size_t i = 0; i < symbols.size(); ++i) {
    const void* found = std::memchr(symbols.data() + i, kEscape, symbols.size() - i);
    if (found == nullptr) break;
    i = static_cast<size_t>(static_cast<const uint8_t*>(found) - symbols.data());
    uint64_t symbol = 0;
    if (!get_varint(in, symbol)) return false;
    out[i] = static_cast<int64_t>(symbol << low | (static_cast<uint64_t>(out[i]) & mask));
  }
  return true;
}

// Residuals, in out[1..], become values; out[0] is the first.
void predict(const Header& header, std::span<const int64_t> reference, std::span<int64_t> out) {
  const size_t n = out.size();
  const int64_t bias = header.bias;
  const int64_t factor = header.factor;
  int64_t value = header.first;
  int64_t u1 = 0;
  int64_t u2 = 0;
  out[0] = value;
  switch (header.kind & kPredictionMask) {
    case kLevel:
      for (size_t i = 1; i < n; ++i) out[i] = plus(times(plus(out[i], bias), factor), value);
      break;
    case kStep:
      if (factor == 1) {
        for (size_t i = 1; i < n; ++i) out[i] = value = plus(value, plus(out[i], bias));
      } else {
        for (size_t i = 1; i < n; ++i) {
          out[i] = value = plus(value, times(plus(out[i], bias), factor));
        }
      }
      break;
    case kLevelFilter:
      for (size_t i = 1; i < n; ++i) {
        const int64_t now = plus(out[i], filtered(header.c1, u1, header.c2, u2));
        u2 = u1;
        u1 = now;
        out[i] = plus(value, times(plus(now, bias), factor));
      }
      break;
    case kStepFilter:
      for (size_t i = 1; i < n; ++i) {
        const int64_t now = plus(out[i], filtered(header.c1, u1, header.c2, u2));
        u2 = u1;
        u1 = now;
        out[i] = value = plus(value, times(plus(now, bias), factor));
      }
      break;
    default:
      for (size_t i = 1; i < n; ++i) {
        value = plus(value, plus(out[i], bias));
        out[i] = plus(value, minus(reference[i], reference[0]));
      }
  }
}

}  // namespace

bool encode_ints(std::span<const int64_t> values, std::span<const int64_t> reference,
                 std::string& out) {
  return encode_smallest(values, reference, out);
}

bool decode_ints(std::string_view& in, std::span<const int64_t> reference, std::span<int64_t> out) {
  if (out.empty() || out.size() > kColumnRowsMax) return false;
  const size_t steps = out.size() - 1;
  Header header;
  if (!take_prediction(in, steps, header)) return false;
  if ((header.kind & kPredictionMask) == kLine) {
    int64_t value = header.first;
    for (int64_t& each : out) {
      each = value;
      value = plus(value, header.bias);
    }
    return true;
  }
  if ((header.kind & kPredictionMask) == kReferenceStep && reference.size() != out.size()) {
    return false;
  }
  std::array<uint8_t, kColumnRowsMax> mask;
  const bool sparse = (header.kind & kSparse) != 0;
  size_t residuals = steps;
  if (sparse && !take_mask(in, {mask.data(), steps}, residuals)) return false;
  if (!take_models(in, residuals, header)) return false;
  std::array<uint8_t, kColumnRowsMax> room;
  const std::span<uint8_t> symbols(room.data(), residuals);
  if (!decode_symbols(in, {header.models.data(), header.model_count}, symbols)) return false;
  int64_t* joined = out.data() + 1;
  if (!join_low_bits(in, symbols, header.low_bits, joined)) return false;
  if (!put_escapes(in, symbols, header.low_bits, joined)) return false;
  if ((header.kind & kOneSided) == 0) {
    for (size_t i = 0; i < residuals; ++i) joined[i] = unzigzag(static_cast<uint64_t>(joined[i]));
  }
  if (sparse) {
    // From the end, as they move up; a step of 0 is what undoes the bias.
    for (size_t i = steps, next = residuals; i-- > 0;) {
      joined[i] = mask[i] != 0 ? joined[--next] : minus(0, header.bias);
    }
  }
  predict(header, reference, out);
  return true;
}

}  // namespace gatehouse::store

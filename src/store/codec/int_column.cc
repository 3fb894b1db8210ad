#include "store/codec/int_column.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <vector>

#include "base/bytes.h"
#include "store/codec/entropy.h"
#include "store/codec/wrapping.h"

namespace gatehouse::store {
namespace {

enum Prediction : uint8_t {
  kLine = 0,          // every step is the same
  kLevel = 1,         // near one level
  kStep = 2,          // a step like the others
  kLevelFilter = 3,   // near what the last two distances from the level say
  kStepFilter = 4,    // the same of steps
  kReferenceStep = 5  // the reference's step
};
constexpr uint8_t kPredictionMask = 7;
constexpr uint8_t kOneSided = 8;     // residuals are not negative, and not zigzag
constexpr uint8_t kFactor = 16;      // all distances from the first value are its multiples
constexpr uint8_t kManyModels = 32;  // one a kModelSpan symbols
constexpr uint8_t kSparse = 64;      // steps of 0 are told by a mask, and have no residual

constexpr int kFilterBits = 6;

int64_t filtered(int64_t c1, int64_t u1, int64_t c2, int64_t u2) {
  return plus(times(c1, u1), times(c2, u2)) >> kFilterBits;
}

// One way to code a column, and what is left of it then.
struct Candidate {
  uint8_t prediction = kStep;
  bool one_sided = false;
  bool sparse = false;
  int64_t bias = 0;
  int8_t c1 = 0;
  int8_t c2 = 0;
  int low_bits = 0;
  int model = 0;
  double cost_bits = std::numeric_limits<double>::infinity();
  std::vector<uint64_t> residuals;
};

// Of 256 values or so: what is coded is how far others are from it, which a
// better median makes no smaller.
int64_t median_of(std::span<const int64_t> values) {
  std::vector<int64_t> some;
  const size_t stride = values.size() / 256 + 1;
  for (size_t i = 0; i < values.size(); i += stride) some.push_back(values[i]);
  const auto middle = some.begin() + static_cast<ptrdiff_t>(some.size() / 2);
  std::nth_element(some.begin(), middle, some.end());
  return *middle;
}

double width_of(uint64_t residual) { return static_cast<double>(std::bit_width(residual)); }

using Histogram = std::array<uint32_t, kSymbols>;

float cost_of(const Model& model, const Histogram& histogram, uint32_t end) {
  float cost[4] = {};
  for (uint32_t s = 0; s < end; s += 4) {
    for (uint32_t k = 0; k < 4; ++k) {
      cost[k] += static_cast<float>(histogram[s + k]) * model.bits[s + k];
    }
  }
  return cost[0] + cost[1] + cost[2] + cost[3];
}

// The cost has one valley over a shape's widths: a coarse search, then a fine one.
int best_model(const Histogram& histogram, double& bits) {
  constexpr int kStride = 4;
  uint32_t end = kSymbols;
  while (end > 4 && histogram[end - 1] == 0) --end;
  end = (end + 3) / 4 * 4;
  int best = 0;
  float least = std::numeric_limits<float>::infinity();
  const auto look = [&](int id) {
    const float cost = cost_of(model_of(id), histogram, end);
    if (cost >= least) return;
    least = cost;
    best = id;
  };
  for (int id = 1; id < kModels; id += kStride) look(id);
  const int shape = best / kWidths * kWidths;
  const int coarse = best;
  for (int off = 1; off < kStride; ++off) {
    look(std::max(coarse - off, shape));
    look(std::min(coarse + off, shape + kWidths - 1));
  }
  bits = static_cast<double>(least);
  return best;
}

// Finds how many low bits to write as they are, and the model of the rest.
void weigh(Candidate& candidate) {
  const std::vector<uint64_t>& residuals = candidate.residuals;
  double widths = 0;
  for (const uint64_t r : residuals) widths += width_of(r);
  const int mean = static_cast<int>(widths / static_cast<double>(residuals.size()));
  // A symbol of about 8 to 16 tells the shape; below that all bits are noise.
  const int first = std::max(0, mean - 4);
  for (int low = first; low <= first + 1; ++low) {
    Histogram histogram{};
    double far_bits = 0;
    for (const uint64_t r : residuals) {
      const uint64_t symbol = r >> low;
      ++histogram[std::min<uint64_t>(symbol, kEscape)];
      // The model counts one byte for an escape.
      if (symbol >= 128) far_bits += (width_of(symbol) - 1) / 7 * 8 - 8;
    }
    double bits = 0;
    const int model = best_model(histogram, bits);
    bits += far_bits + static_cast<double>(residuals.size()) * low;
    if (bits < candidate.cost_bits) {
      candidate.cost_bits = bits;
      candidate.low_bits = low;
      candidate.model = model;
    }
  }
}

class Encoder {
 public:
  Encoder(std::span<const int64_t> values, std::span<const int64_t> reference)
      : values_(values), reference_(reference) {}

  bool encode(std::string& out) {
    const size_t n = values_.size();
    const int64_t step = n > 1 ? minus(values_[1], values_[0]) : 0;
    bool line = true;
    for (size_t i = 1; i < n && line; ++i) line = minus(values_[i], values_[i - 1]) == step;
    if (line) {
      out.push_back(kLine);
      put_varint(out, zigzag(values_[0]));
      put_varint(out, zigzag(step));
      return false;
    }
    normalize();
    choose();
    write(out);
    return best_.prediction == kReferenceStep;
  }

 private:
  // levels_[i]: the distance of value i + 1 from the first, in units of factor_;
  // steps_[i]: from the value before it.
  void normalize() {
    const size_t n = values_.size();
    levels_.resize(n - 1);
    steps_.resize(n - 1);
    uint64_t factor = 0;
    for (size_t i = 1; i < n && factor != 1; ++i) {
      int64_t distance = 0;
      if (__builtin_sub_overflow(values_[i], values_[0], &distance)) factor = 1;
      const auto size = static_cast<uint64_t>(distance < 0 ? minus(0, distance) : distance);
      factor = std::gcd(factor, size);
    }
    factor_ = factor > INT64_MAX || factor == 0 ? 1 : static_cast<int64_t>(factor);
    for (size_t i = 1; i < n; ++i) {
      const int64_t distance = minus(values_[i], values_[0]);
      levels_[i - 1] = factor_ == 1 ? distance : distance / factor_;
      steps_[i - 1] = minus(levels_[i - 1], i == 1 ? 0 : levels_[i - 2]);
    }
  }

  void consider(Candidate&& candidate) {
    weigh(candidate);
    if (candidate.cost_bits < best_.cost_bits) best_ = std::move(candidate);
  }

  // Both signs around the median, and from the least upwards.
  // What changes now and then, and then by much: memory, sizes, settings.
  void consider_sparse() {
    std::vector<int64_t> changes;
    for (const int64_t step : steps_) {
      if (step != 0) changes.push_back(step);
    }
    const auto all = static_cast<double>(steps_.size());
    const double share = static_cast<double>(changes.size()) / all;
    if (changes.empty() || share > 0.95) return;
    Candidate candidate;
    candidate.prediction = kStep;
    candidate.sparse = true;
    candidate.bias = median_of(changes);
    for (const int64_t each : changes) {
      candidate.residuals.push_back(zigzag(minus(each, candidate.bias)));
    }
    weigh(candidate);
    // The mask; and a twentieth, as it takes a reader longer.
    const double mask = -all * (share * std::log2(share) + (1 - share) * std::log2(1 - share));
    candidate.cost_bits = 1.05 * (candidate.cost_bits + mask) + 32;
    if (candidate.cost_bits < best_.cost_bits) best_ = std::move(candidate);
  }

  void consider_plain(uint8_t prediction, std::span<const int64_t> sequence) {
    Candidate candidate;
    candidate.prediction = prediction;
    candidate.bias = median_of(sequence);
    candidate.residuals.reserve(sequence.size());
    for (const int64_t each : sequence) {
      candidate.residuals.push_back(zigzag(minus(each, candidate.bias)));
    }
    const int64_t least = *std::min_element(sequence.begin(), sequence.end());
    Candidate above;
    // From far below, every residual would be large.
    if (minus(candidate.bias, least) >= 0 && minus(candidate.bias, least) < 16) {
      above.prediction = prediction;
      above.one_sided = true;
      above.bias = least;
      for (const int64_t each : sequence) {
        above.residuals.push_back(static_cast<uint64_t>(minus(each, least)));
      }
      consider(std::move(above));
    }
    consider(std::move(candidate));
  }

  // A linear filter of order two, by the autocorrelation of the sequence around
  // its median; outliers are cut so that a counter's reset does not decide it.
  void consider_filter(uint8_t prediction, std::span<const int64_t> sequence) {
    const int64_t bias = median_of(sequence);
    std::vector<double> u(sequence.size());
    double spread = 0;
    for (size_t i = 0; i < u.size(); ++i) {
      u[i] = static_cast<double>(minus(sequence[i], bias));
      spread += std::min(std::abs(u[i]), 1e15);
    }
    const double cut = 8 * spread / static_cast<double>(u.size());
    for (double& each : u) each = std::clamp(each, -cut, cut);
    double r0 = 1e-9;
    double r1 = 0;
    double r2 = 0;
    for (size_t i = 2; i < u.size(); ++i) {
      r0 += u[i] * u[i];
      r1 += u[i] * u[i - 1];
      r2 += u[i] * u[i - 2];
    }
    const double determinant = r0 * r0 - r1 * r1;
    if (!(determinant > 0)) return;
    const double a1 = r1 * (r0 - r2) / determinant;
    const double a2 = (r0 * r2 - r1 * r1) / determinant;
    // A tenth of a bit is the least that pays for the slower decoding.
    const double left = (r0 - a1 * r1 - a2 * r2) / r0;
    if (!(left < 0.87) || prediction_cost(prediction, left) > best_.cost_bits) return;
    Candidate candidate;
    candidate.prediction = prediction;
    candidate.bias = bias;
    constexpr double kUnit = 1 << kFilterBits;
    candidate.c1 = static_cast<int8_t>(std::clamp(std::round(a1 * kUnit), -127.0, 127.0));
    candidate.c2 = static_cast<int8_t>(std::clamp(std::round(a2 * kUnit), -127.0, 127.0));
    int64_t u1 = 0;
    int64_t u2 = 0;
    for (const int64_t each : sequence) {
      const int64_t now = minus(each, bias);
      candidate.residuals.push_back(
          zigzag(minus(now, filtered(candidate.c1, u1, candidate.c2, u2))));
      u2 = u1;
      u1 = now;
    }
    consider(std::move(candidate));
  }

  double prediction_cost(uint8_t prediction, double left) const {
    const double plain = prediction == kLevelFilter ? level_bits_ : step_bits_;
    // Generous, as the distributions differ.
    return plain +
           (0.5 * std::log2(std::max(left, 1e-12)) - 0.1) * static_cast<double>(levels_.size());
  }

  void choose() {
    consider_plain(kStep, steps_);
    step_bits_ = best_.cost_bits;
    if (reference_.size() == values_.size() && values_.size() > 2) {
      std::vector<int64_t> off(steps_.size());
      for (size_t i = 0; i < off.size(); ++i) {
        const int64_t step = minus(values_[i + 1], values_[i]);
        off[i] = minus(step, minus(reference_[i + 1], reference_[i]));
      }
      // A reader has two columns to decode: it has to pay.
      const double before = best_.cost_bits;
      Candidate kept = best_;
      consider_plain(kReferenceStep, off);
      if (best_.cost_bits > 0.95 * before) best_ = std::move(kept);
    }
    if (levels_.size() < 16) return;
    const double before = best_.cost_bits;
    // Levels pay for what jumps about one; a cheap look tells.
    double level_width = 0;
    double step_width = 0;
    const int64_t level = median_of(levels_);
    for (size_t i = 0; i < levels_.size(); ++i) {
      level_width += width_of(zigzag(minus(levels_[i], level)));
      step_width += width_of(zigzag(steps_[i]));
    }
    level_bits_ = step_bits_ + level_width - step_width;
    if (level_bits_ < before) consider_plain(kLevel, levels_);
    consider_sparse();
    consider_filter(kLevelFilter, levels_);
    consider_filter(kStepFilter, steps_);
  }

  void write(std::string& out) {
    const bool factor = best_.prediction != kReferenceStep && factor_ != 1;
    const size_t count = best_.residuals.size();
    std::vector<uint8_t> models = models_of();
    uint8_t kind = best_.prediction;
    if (best_.one_sided) kind |= kOneSided;
    if (factor) kind |= kFactor;
    if (models.size() > 1) kind |= kManyModels;
    if (best_.sparse) kind |= kSparse;
    out.push_back(static_cast<char>(kind));
    put_varint(out, zigzag(values_[0]));
    if (factor) put_varint(out, static_cast<uint64_t>(factor_));
    put_varint(out, zigzag(best_.bias));
    if (best_.prediction == kLevelFilter || best_.prediction == kStepFilter) {
      out.push_back(static_cast<char>(best_.c1));
      out.push_back(static_cast<char>(best_.c2));
    }
    if (best_.sparse) put_mask(out);
    out.push_back(static_cast<char>(best_.low_bits));
    for (const uint8_t model : models) out.push_back(static_cast<char>(model));
    std::vector<uint8_t> symbols(count);
    std::string escapes;
    for (size_t i = 0; i < count; ++i) {
      const uint64_t symbol = best_.residuals[i] >> best_.low_bits;
      const Model& model = model_of(models[models.size() == 1 ? 0 : i / kModelSpan]);
      const bool room = symbol < kEscape && model.frequency[symbol] != 0;
      symbols[i] = room ? static_cast<uint8_t>(symbol) : kEscape;
      if (!room) put_varint(escapes, symbol);
    }
    encode_symbols(symbols, models, out);
    put_low_bits(out);
    out += escapes;
  }

  void put_mask(std::string& out) const {
    std::vector<uint8_t> mask;
    Histogram histogram{};
    for (const int64_t step : steps_) {
      mask.push_back(step == 0 ? 0 : 1);
      ++histogram[mask.back()];
    }
    // Of the frequent one the model makes 0.
    const bool inverse = histogram[1] > histogram[0];
    if (inverse) {
      std::swap(histogram[0], histogram[1]);
      for (uint8_t& bit : mask) bit ^= 1;
    }
    double bits = 0;
    const auto model = static_cast<uint8_t>(best_model(histogram, bits));
    out.push_back(static_cast<char>(model | (inverse ? 0x80 : 0)));
    encode_symbols(mask, {&model, 1}, out);
  }

  std::vector<uint8_t> models_of() const {
    const size_t count = best_.residuals.size();
    std::vector<uint8_t> many;
    double many_bits = 0;
    double one_bits = 0;
    for (size_t i = 0; i < count; i += kModelSpan) {
      Histogram histogram{};
      for (size_t k = i; k < std::min(i + kModelSpan, count); ++k) {
        ++histogram[std::min<uint64_t>(best_.residuals[k] >> best_.low_bits, kEscape)];
      }
      double bits = 0;
      many.push_back(static_cast<uint8_t>(best_model(histogram, bits)));
      many_bits += bits + 8;
      const Model& one = model_of(best_.model);
      for (uint32_t s = 0; s < kSymbols; ++s) {
        one_bits += static_cast<double>(static_cast<float>(histogram[s]) * one.bits[s]);
      }
    }
    if (many.size() > 1 && many_bits < one_bits + 8) return many;
    return {static_cast<uint8_t>(best_.model)};
  }

  void put_low_bits(std::string& out) const {
    const int low = best_.low_bits;
    if (low == 0) return;
    uint64_t waiting = 0;
    int bits = 0;
    for (uint64_t r : best_.residuals) {
      for (int left = low; left > 0; left -= 32, r >>= 32) {
        const int size = std::min(left, 32);
        waiting |= (r & ((uint64_t{1} << size) - 1)) << bits;
        for (bits += size; bits >= 8; bits -= 8, waiting >>= 8) {
          out.push_back(static_cast<char>(waiting));
        }
      }
    }
    if (bits > 0) out.push_back(static_cast<char>(waiting));
  }

  std::span<const int64_t> values_;
  std::span<const int64_t> reference_;
  std::vector<int64_t> levels_;
  std::vector<int64_t> steps_;
  int64_t factor_ = 1;
  double step_bits_ = 0;
  double level_bits_ = 0;
  Candidate best_;
};

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
  return Encoder(values, reference).encode(out);
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

#include "store/codec/int_encoder.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "base/bytes.h"
#include "store/codec/entropy.h"

namespace gatehouse::store {
namespace {

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

}  // namespace

bool encode_smallest(std::span<const int64_t> values, std::span<const int64_t> reference,
                     std::string& out) {
  return Encoder(values, reference).encode(out);
}

}  // namespace gatehouse::store

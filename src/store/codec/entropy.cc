#include "store/codec/entropy.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>
#include <memory>
#include <mutex>
#include <vector>

#include "base/bytes.h"

namespace gatehouse::store {
namespace {

constexpr uint32_t kTotal = uint32_t{1} << kModelBits;
constexpr uint32_t kStateMin = uint32_t{1} << 16;

using Weights = std::array<uint64_t, kSymbols>;

// The width of a shape in 1/4096: three steps an octave, from 1/64 to 20.
uint64_t width_of(int step) {
  static constexpr uint64_t kThirds[] = {64, 81, 102};
  return kThirds[step % 3] << (step / 3);
}
constexpr uint64_t kOne = 4096;

// 2^32 * a / (a + b).
uint64_t fraction(uint64_t a, uint64_t b) { return (a << 32) / (a + b); }
uint64_t times(uint64_t a, uint64_t fraction32) { return (a * fraction32) >> 32; }

// Each is so many times the one before: the distances of counts, and of Laplace.
void add_geometric(Weights& weights, uint64_t mean, uint64_t first) {
  const uint64_t ratio = fraction(mean, kOne);
  uint64_t weight = first;
  for (uint64_t& each : weights) {
    each += weight;
    weight = times(weight, ratio);
  }
}

// The logarithm falls with the square: sums of many small changes.
void add_normal(Weights& weights, uint64_t width, uint64_t first) {
  const uint64_t ratio = fraction(2 * width * width / kOne, kOne);
  const uint64_t ratio2 = times(ratio, ratio);
  uint64_t weight = first;
  uint64_t step = ratio;  // ratio^(2k + 1)
  for (uint64_t& each : weights) {
    each += weight;
    weight = times(weight, step);
    step = times(step, ratio2);
  }
}

std::unique_ptr<Model> make_model(int id) {
  constexpr uint64_t kUnit = uint64_t{1} << 30;
  Weights weights{};
  const uint64_t width = width_of(id % kWidths);
  switch (id / kWidths) {
    case 0: add_geometric(weights, width, kUnit); break;
    case 1: add_normal(weights, width, kUnit); break;
    default:
      // Mostly near, now and then far.
      add_geometric(weights, width / 2, kUnit);
      add_geometric(weights, width * 4, kUnit / 16);
  }
  weights[kEscape] = 0;
  uint64_t sum = 0;
  for (const uint64_t weight : weights) sum += weight;
  auto model = std::make_unique<Model>();
  uint32_t left = kTotal;
  for (uint32_t s = 0; s < kSymbols; ++s) {
    uint64_t share = (weights[s] * (kTotal - 8) + sum / 2) / sum;
    if (s == kEscape) share = 1;
    share = std::min<uint64_t>(share, left > 8 ? left - 8 : 0);
    model->frequency[s] = static_cast<uint16_t>(s == kEscape ? 1 : share);
    left -= model->frequency[s];
  }
  // What rounding left over, 1 to some dozen, is for escapes in the widest models too.
  model->frequency[0] = static_cast<uint16_t>(model->frequency[0] + left / 2);
  model->frequency[kEscape] = static_cast<uint16_t>(model->frequency[kEscape] + left - left / 2);
  uint32_t start = 0;
  for (uint32_t s = 0; s < kSymbols; ++s) {
    const uint32_t frequency = model->frequency[s];
    model->start[s] = static_cast<uint16_t>(start);
    model->bits[s] =
        frequency == 0 ? model->bits[0]
                       : static_cast<float>(kModelBits - std::log2(static_cast<double>(frequency)));
    for (uint32_t i = 0; i < frequency; ++i) model->slots[start + i] = s | frequency << 8 | i << 20;
    start += frequency;
  }
  // An escape's value follows as a varint, of one byte mostly.
  const float escaped = model->bits[kEscape] + 10;
  for (uint32_t s = 0; s < kSymbols; ++s) {
    if (model->frequency[s] == 0 || s == kEscape) model->bits[s] = escaped;
  }
  return model;
}

std::array<std::atomic<const Model*>, kModels> g_models{};

// More lanes are faster, and take two bytes each.
size_t lanes_for(size_t symbols) { return symbols >= 512 ? 4 : symbols >= 96 ? 2 : 1; }

// Reads words while there is room for the worst, then one by one.
template <size_t kLanes>
bool decode_lanes(std::string_view& in, std::span<const uint8_t> models,
                  std::span<uint8_t> symbols) {
  if (in.size() < 4 * kLanes) return false;
  const char* at = in.data();
  const char* const end = at + in.size();
  std::array<uint32_t, kLanes> states;
  for (uint32_t& state : states) {
    state = get_le<uint32_t>(at);
    at += 4;
    if (state < kStateMin) return false;
  }
  for (size_t block = 0, i = 0; i < symbols.size(); ++block) {
    const size_t stop = std::min(i + kModelSpan, symbols.size());
    const uint32_t* slots = model_of(models[models.size() == 1 ? 0 : block]).slots.data();
    for (; i + kLanes <= stop && end - at >= static_cast<ptrdiff_t>(2 * kLanes); i += kLanes) {
      for (size_t lane = 0; lane < kLanes; ++lane) {
        uint32_t x = states[lane];
        const uint32_t slot = slots[x & (kTotal - 1)];
        symbols[i + lane] = static_cast<uint8_t>(slot);
        x = (slot >> 8 & (kTotal - 1)) * (x >> kModelBits) + (slot >> 20);
        uint16_t word;
        std::memcpy(&word, at, 2);
        const bool low = x < kStateMin;
        states[lane] = low ? x << 16 | word : x;
        at += low ? 2 : 0;
      }
    }
    for (; i < stop; ++i) {
      uint32_t& x = states[i % kLanes];
      const uint32_t slot = slots[x & (kTotal - 1)];
      symbols[i] = static_cast<uint8_t>(slot);
      x = (slot >> 8 & (kTotal - 1)) * (x >> kModelBits) + (slot >> 20);
      if (x < kStateMin) {
        if (end - at < 2) return false;
        x = x << 16 | get_le<uint16_t>(at);
        at += 2;
      }
    }
  }
  in.remove_prefix(static_cast<size_t>(at - in.data()));
  return true;
}

}  // namespace

static_assert(std::endian::native == std::endian::little);

const Model& model_of(int id) {
  std::atomic<const Model*>& place = g_models[static_cast<size_t>(id)];
  const Model* model = place.load(std::memory_order_acquire);
  if (model != nullptr) return *model;
  // Kept for the life of the process, 17 KiB each.
  std::unique_ptr<Model> made = make_model(id);
  if (place.compare_exchange_strong(model, made.get(), std::memory_order_acq_rel)) {
    return *made.release();
  }
  return *model;
}

void encode_symbols(std::span<const uint8_t> symbols, std::span<const uint8_t> models,
                    std::string& out) {
  const size_t lanes = lanes_for(symbols.size());
  std::array<uint32_t, 4> states;
  states.fill(kStateMin);
  // The decoder reads forward what is written backward.
  std::vector<uint16_t> words;
  words.reserve(symbols.size() / 2);
  for (size_t i = symbols.size(); i-- > 0;) {
    const Model& model = model_of(models[models.size() == 1 ? 0 : i / kModelSpan]);
    const uint32_t frequency = model.frequency[symbols[i]];
    uint32_t& x = states[i % lanes];
    if (x >= (uint64_t{kStateMin} >> kModelBits << 16) * frequency) {
      words.push_back(static_cast<uint16_t>(x));
      x >>= 16;
    }
    x = (x / frequency << kModelBits) + x % frequency + model.start[symbols[i]];
  }
  for (size_t lane = 0; lane < lanes; ++lane) put_le<uint32_t>(out, states[lane]);
  for (size_t i = words.size(); i-- > 0;) put_le<uint16_t>(out, words[i]);
}

bool decode_symbols(std::string_view& in, std::span<const uint8_t> models,
                    std::span<uint8_t> symbols) {
  switch (lanes_for(symbols.size())) {
    case 1: return decode_lanes<1>(in, models, symbols);
    case 2: return decode_lanes<2>(in, models, symbols);
    default: return decode_lanes<4>(in, models, symbols);
  }
}

}  // namespace gatehouse::store

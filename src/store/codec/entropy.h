// Entropy coding of small symbols with fixed models: range asymmetric numeral
// systems (J. Duda, "Asymmetric numeral systems", arXiv:1311.2540; the table of
// slots after F. Giesen's "Interleaved entropy coders", arXiv:1402.3392).
//
// Residuals of a good prediction are always much the same shape, and differ in
// their width. So there are 96 models made ahead, three shapes of 32 widths, and a
// coded column names its model by a byte: no table travels with 1,000 symbols, and a
// reader builds none. The models are integer arithmetic alone, since a bit's
// difference between machines would be damage (docs/format/block.md §6).
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace gatehouse::store {

inline constexpr int kWidths = 32;
inline constexpr int kModels = 3 * kWidths;
inline constexpr uint32_t kSymbols = 64;
// Stands for every symbol that a model has no room for.
inline constexpr uint8_t kEscape = kSymbols - 1;
inline constexpr int kModelBits = 12;
// A model is chosen anew for so many symbols where that is smaller.
inline constexpr size_t kModelSpan = 256;

struct Model {
  std::array<uint16_t, kSymbols> frequency;  // sum 4096; 0: no room; kEscape always has some
  std::array<uint16_t, kSymbols> start;
  std::array<float, kSymbols> bits;  // what a symbol takes, an escape's bytes included
  // By slot: the symbol, frequency << 8, slot - start << 20.
  std::array<uint32_t, size_t{1} << kModelBits> slots;
};
// REQUIRES: 0 <= id < kModels. Made on its first use; any thread.
const Model& model_of(int id);

// Appends the symbols, `models` being one for all of them, or one for each kModelSpan.
// REQUIRES: every symbol has room in its model.
void encode_symbols(std::span<const uint8_t> symbols, std::span<const uint8_t> models,
                    std::string& out);
// Takes symbols.size() symbols from the front of `in`. False: they are not there.
bool decode_symbols(std::string_view& in, std::span<const uint8_t> models,
                    std::span<uint8_t> symbols);

}  // namespace gatehouse::store

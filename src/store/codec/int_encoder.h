// What the two halves of a column of whole numbers share, and the half that
// encodes: it tries the predictions that may pay and takes the smallest.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "store/codec/wrapping.h"

namespace gatehouse::store {

// The first byte of a column (docs/format/block.md §5).
enum Prediction : uint8_t {
  kLine = 0,          // every step is the same
  kLevel = 1,         // near one level
  kStep = 2,          // a step like the others
  kLevelFilter = 3,   // near what the last two distances from the level say
  kStepFilter = 4,    // the same of steps
  kReferenceStep = 5  // the reference's step
};
inline constexpr uint8_t kPredictionMask = 7;
inline constexpr uint8_t kOneSided = 8;     // residuals are not negative, and not zigzag
inline constexpr uint8_t kFactor = 16;      // all distances from the first value are its multiples
inline constexpr uint8_t kManyModels = 32;  // one a kModelSpan symbols
inline constexpr uint8_t kSparse = 64;      // steps of 0 are told by a mask, and have no residual

inline constexpr int kFilterBits = 6;

inline int64_t filtered(int64_t c1, int64_t u1, int64_t c2, int64_t u2) {
  return plus(times(c1, u1), times(c2, u2)) >> kFilterBits;
}

// As encode_ints().
bool encode_smallest(std::span<const int64_t> values, std::span<const int64_t> reference,
                     std::string& out);

}  // namespace gatehouse::store

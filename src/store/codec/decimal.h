// Doubles as whole multiples of a power of ten, where that gives the very bits
// back. A decimal number of up to 15 digits, once parsed to the nearest double, is
// what the division of two exact doubles rounds to; each caller checks it, so that
// no claim about rounding is relied on.
#pragma once

#include <bit>
#include <cstdint>

namespace gatehouse::store {

inline constexpr int kScaleMax = 12;
// Exact as doubles.
inline constexpr double kPowersOfTen[kScaleMax + 1] = {1e0, 1e1, 1e2, 1e3,  1e4,  1e5, 1e6,
                                                       1e7, 1e8, 1e9, 1e10, 1e11, 1e12};
// Every whole number up to it is a double.
inline constexpr double kWholeMax = 9007199254740992.0;  // 2^53

inline double from_whole(int64_t whole, int scale) {
  const double value = static_cast<double>(whole);
  return scale == 0 ? value : value / kPowersOfTen[scale];
}

// False: `value` is no multiple of 10^-scale, or too large.
inline bool to_whole(double value, int scale, int64_t& whole) {
  const double scaled = value * kPowersOfTen[scale];
  // Also false for NaN.
  if (!(scaled < kWholeMax && scaled > -kWholeMax)) return false;
  // Half away from zero; the cast drops the rest.
  whole = static_cast<int64_t>(scaled + (scaled < 0 ? -0.5 : 0.5));
  return std::bit_cast<uint64_t>(from_whole(whole, scale)) == std::bit_cast<uint64_t>(value);
}

}  // namespace gatehouse::store

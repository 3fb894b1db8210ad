// Randomness and identifiers.
#pragma once

#include <cstdint>
#include <string>

namespace gatehouse {

// `count` bytes from the kernel's generator. For secrets.
std::string random_bytes(size_t count);

// A fast generator for jitter, sampling and weights; never for secrets.
// xoshiro256** by Blackman and Vigna.
class Random {
 public:
  Random();                        // seeded from the kernel
  explicit Random(uint64_t seed);  // replays
  uint64_t next();
  double uniform();                // in [0, 1)
  uint64_t below(uint64_t bound);  // in [0, bound); REQUIRES: bound > 0

 private:
  uint64_t state_[4];
};

// The calling thread's generator.
Random& thread_random();

// A UUID of version 7 (RFC 9562 §5.7): ids made later sort later, to the
// millisecond. In 32 hexadecimal digits, no dashes.
std::string time_ordered_id(int64_t unix_ms);

}  // namespace gatehouse

#include "base/random.h"

#include <sys/random.h>

#include <cstdlib>
#include <cstring>

#include "base/bytes.h"

namespace gatehouse {

std::string random_bytes(size_t count) {
  std::string out(count, '\0');
  size_t have = 0;
  while (have < count) {
    const ssize_t got = getrandom(out.data() + have, count - have, 0);
    if (got < 0) std::abort();  // no kernel of ours fails here once it has booted
    have += static_cast<size_t>(got);
  }
  return out;
}

Random::Random() {
  const std::string seed = random_bytes(sizeof state_);
  std::memcpy(state_, seed.data(), sizeof state_);
}

Random::Random(uint64_t seed) {
  for (uint64_t& word : state_) {  // splitmix64
    seed += 0x9e3779b97f4a7c15;
    uint64_t mixed = seed;
    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111eb;
    word = mixed ^ mixed >> 31;
  }
}

uint64_t Random::next() {
  const auto rotate = [](uint64_t x, int k) { return x << k | x >> (64 - k); };
  const uint64_t result = rotate(state_[1] * 5, 7) * 9;
  const uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = rotate(state_[3], 45);
  return result;
}

double Random::uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

__extension__ using Wide = unsigned __int128;

uint64_t Random::below(uint64_t bound) {
  return static_cast<uint64_t>(static_cast<Wide>(next()) * bound >> 64);
}

Random& thread_random() {
  thread_local Random random;
  return random;
}

std::string time_ordered_id(int64_t unix_ms) {
  Random& random = thread_random();
  char bytes[16];
  const uint64_t high = static_cast<uint64_t>(unix_ms) << 16 | 0x7000 | (random.next() & 0x0fff);
  const uint64_t low = (random.next() >> 2) | 0x8000000000000000;
  for (int i = 0; i < 8; ++i) {
    bytes[i] = static_cast<char>(high >> (56 - 8 * i));
    bytes[8 + i] = static_cast<char>(low >> (56 - 8 * i));
  }
  return hex_encode(std::string_view(bytes, 16));
}

}  // namespace gatehouse

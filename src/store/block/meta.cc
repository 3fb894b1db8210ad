#include "store/block/meta.h"

#include <algorithm>

namespace gatehouse::store {
namespace {

constexpr std::string_view kAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr size_t kIdLength = 26;

}  // namespace

std::string new_block_id(int64_t now_ms, Random& random) {
  std::string id(kIdLength, '0');
  auto time = static_cast<uint64_t>(now_ms);
  for (size_t i = 10; i-- > 0; time >>= 5) id[i] = kAlphabet[time & 31];
  for (size_t i = 10; i < kIdLength; ++i) id[i] = kAlphabet[random.below(kAlphabet.size())];
  return id;
}

bool is_block_id(std::string_view text) {
  return text.size() == kIdLength && std::all_of(text.begin(), text.end(), [](char c) {
           return kAlphabet.find(c) != std::string_view::npos;
         });
}

}  // namespace gatehouse::store

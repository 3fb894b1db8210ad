#include "identity/virtual_key.h"

#include <sodium.h>

#include "base/bytes.h"
#include "base/random.h"

namespace gatehouse::identity {

namespace {

constexpr std::string_view kBase32 = "0123456789abcdefghjkmnpqrstvwxyz";
constexpr std::string_view kBase62 =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
constexpr int8_t kNoDigit = -1;

constexpr std::array<int8_t, 256> digits_of(std::string_view alphabet) {
  std::array<int8_t, 256> digits{};
  for (int8_t& digit : digits) digit = kNoDigit;
  for (size_t i = 0; i < alphabet.size(); ++i) {
    digits[static_cast<unsigned char>(alphabet[i])] = static_cast<int8_t>(i);
  }
  return digits;
}
constexpr auto kDigits32 = digits_of(kBase32);
constexpr auto kDigits62 = digits_of(kBase62);

bool all_of_base62(std::string_view text) {
  // No early end: how long this takes says nothing of a secret.
  int8_t worst = 0;
  for (char c : text) worst = static_cast<int8_t>(worst | kDigits62[static_cast<unsigned char>(c)]);
  return worst >= 0;
}

std::array<char, kKeyChecksumChars> checksum_of(std::string_view text) {
  std::array<char, kKeyChecksumChars> out{};
  uint32_t crc = crc32c(text);
  for (size_t i = out.size(); i-- > 0; crc /= 62) out[i] = kBase62[crc % 62];
  return out;
}

// `count` characters of the alphabet, evenly drawn: bytes past the greatest
// multiple of its size are thrown away.
std::string draw(std::string_view alphabet, size_t count) {
  const size_t fair = 256 / alphabet.size() * alphabet.size();
  std::string out;
  out.reserve(count);
  while (out.size() < count) {
    std::string bytes = random_bytes(count);
    for (char c : bytes) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte < fair && out.size() < count) out.push_back(alphabet[byte % alphabet.size()]);
    }
    wipe(bytes);
  }
  return out;
}

}  // namespace

bool valid_key_id(std::string_view id) {
  if (id.size() != kKeyIdChars) return false;
  for (char c : id) {
    if (kDigits32[static_cast<unsigned char>(c)] == kNoDigit) return false;
  }
  return true;
}

uint64_t key_number(std::string_view id) {
  uint64_t number = 0;
  for (char c : id) {
    number = number << 5 | static_cast<uint64_t>(kDigits32[static_cast<unsigned char>(c)]);
  }
  return number;
}

Result<VirtualKey> parse_virtual_key(std::string_view text) {
  if (!text.starts_with(kKeyPrefix)) {
    return invalid_argument("not a Gatehouse key: it does not begin with gh_");
  }
  if (text.size() != kKeyChars) {
    return invalid_argument(
        "the key does not have 66 characters: it was cut or something was added");
  }
  VirtualKey key;
  key.id = text.substr(kKeyPrefix.size(), kKeyIdChars);
  key.secret = text.substr(kKeyPrefix.size() + kKeyIdChars + 1, kKeySecretChars);
  const std::string_view covered = text.substr(0, kKeyChars - kKeyChecksumChars - 1);
  if (text[kKeyPrefix.size() + kKeyIdChars] != '_' || text[covered.size()] != '_' ||
      !valid_key_id(key.id) || !all_of_base62(key.secret)) {
    return invalid_argument("the key is not of the form gh_<id>_<secret>_<checksum>");
  }
  const auto checksum = checksum_of(covered);
  if (text.substr(covered.size() + 1) != std::string_view(checksum.data(), checksum.size())) {
    return invalid_argument("the key's checksum does not fit: a character was mistyped");
  }
  key.number = key_number(key.id);
  return key;
}

std::string new_key_id() { return draw(kBase32, kKeyIdChars); }

std::string new_key_text(std::string_view id) {
  std::string secret = draw(kBase62, kKeySecretChars);
  std::string text;
  text.reserve(kKeyChars);  // so that no copy of the secret is left behind by growth
  text.append(kKeyPrefix).append(id).append("_").append(secret);
  wipe(secret);
  const auto checksum = checksum_of(text);
  text.append("_").append(checksum.data(), checksum.size());
  return text;
}

Digest digest_of(std::string_view bytes) {
  Digest digest;
  // libsodium's, as OpenSSL 3.0's SHA256() looks its algorithm up under a lock
  // each time.
  crypto_hash_sha256(reinterpret_cast<unsigned char*>(digest.data()),
                     reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  return digest;
}

}  // namespace gatehouse::identity

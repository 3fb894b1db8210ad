// The text of a virtual key:
//
//   gh_<id>_<secret>_<checksum>
//   gh_4m2k8r0tq1vz_Zk3…(43 characters)…9aB_1Xw0Qe
//
//   id        12 characters of Crockford's base 32 in lower case (60 random
//             bits); public: it names the key in lists, logs and records
//   secret    43 characters of base 62, drawn evenly: 256.03 bits
//   checksum  CRC-32C of everything before its underscore, 6 digits of base 62,
//             so that a typo is told from a wrong key without a look-up, and a
//             secret scanner can be sure of a find (as GitHub's tokens have it)
//
// The length is always 66 and no part holds an underscore, so there is one way
// to read a key. Only SHA-256 of the secret is ever stored: with 256 random
// bits, a slow hash would add nothing but time.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace gatehouse::identity {

inline constexpr std::string_view kKeyPrefix = "gh_";
inline constexpr size_t kKeyIdChars = 12;
inline constexpr size_t kKeySecretChars = 43;
inline constexpr size_t kKeyChecksumChars = 6;
inline constexpr size_t kKeyChars =
    kKeyPrefix.size() + kKeyIdChars + 1 + kKeySecretChars + 1 + kKeyChecksumChars;

// The views point into the text that was parsed.
struct VirtualKey {
  std::string_view id;
  std::string_view secret;  // never logged, stored or echoed
  uint64_t number = 0;      // the id as an integer: see key_number
};

// kInvalidArgument where `text` is no key; the message says what is wrong with
// it and holds nothing of it.
Result<VirtualKey> parse_virtual_key(std::string_view text);

// The id's 60 bits. REQUIRES: valid_key_id(id).
uint64_t key_number(std::string_view id);
bool valid_key_id(std::string_view id);

// Ids and whole keys from the kernel's generator. A rotation keeps the id.
std::string new_key_id();
std::string new_key_text(std::string_view id);

using Digest = std::array<char, 32>;

// SHA-256 without an allocation or a look-up of the algorithm: for the hot path.
Digest digest_of(std::string_view bytes);

}  // namespace gatehouse::identity

#include "identity/virtual_key.h"

#include <gtest/gtest.h>

#include <set>

#include "base/bytes.h"

namespace gatehouse::identity {
namespace {

TEST(VirtualKey, RoundTrip) {
  const std::string id = new_key_id();
  const std::string text = new_key_text(id);
  ASSERT_EQ(text.size(), kKeyChars);
  const auto key = parse_virtual_key(text);
  ASSERT_TRUE(key.ok()) << key.status().to_string();
  EXPECT_EQ(key->id, id);
  EXPECT_EQ(key->secret, text.substr(16, 43));
  EXPECT_EQ(key->number, key_number(id));
}

TEST(VirtualKey, EveryChangeOfOneCharacterIsRefused) {
  const std::string text = new_key_text(new_key_id());
  for (size_t i = 0; i < text.size(); ++i) {
    for (int c = 0; c < 256; ++c) {
      if (static_cast<char>(c) == text[i]) continue;
      std::string changed = text;
      changed[i] = static_cast<char>(c);
      EXPECT_FALSE(parse_virtual_key(changed).ok()) << i << " " << c;
    }
  }
}

TEST(VirtualKey, EveryOtherLengthIsRefused) {
  const std::string text = new_key_text(new_key_id());
  for (size_t n = 0; n < text.size(); ++n) {
    EXPECT_FALSE(parse_virtual_key(std::string_view(text).substr(0, n)).ok());
  }
  EXPECT_FALSE(parse_virtual_key(text + "0").ok());
  EXPECT_FALSE(parse_virtual_key(" " + text).ok());
}

TEST(VirtualKey, ErrorsHoldNothingOfTheSecret) {
  std::string text = new_key_text(new_key_id());
  const std::string secret = text.substr(16, 43);
  text.back() = text.back() == 'a' ? 'b' : 'a';
  const auto key = parse_virtual_key(text);
  ASSERT_FALSE(key.ok());
  EXPECT_EQ(key.status().message().find(secret.substr(0, 8)), std::string::npos);
}

TEST(VirtualKey, SecretsDifferAndUseTheWholeAlphabet) {
  std::set<std::string> seen;
  std::set<char> letters;
  for (int i = 0; i < 500; ++i) {
    const std::string text = new_key_text("000000000000");
    const std::string secret = text.substr(16, 43);
    EXPECT_TRUE(seen.insert(secret).second);
    letters.insert(secret.begin(), secret.end());
  }
  EXPECT_EQ(letters.size(), 62u);
}

TEST(VirtualKey, DigestIsSha256) {
  const Digest digest = digest_of("abc");
  EXPECT_EQ(hex_encode({digest.data(), digest.size()}),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(std::string(digest.data(), digest.size()), sha256("abc"));
}

}  // namespace
}  // namespace gatehouse::identity

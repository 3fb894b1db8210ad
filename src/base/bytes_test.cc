#include "base/bytes.h"

#include <gtest/gtest.h>

namespace gatehouse {
namespace {

TEST(Crc32c, CheckValueWholeAndInParts) {
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);  // RFC 3720 B.4
  EXPECT_EQ(crc32c("6789", crc32c("12345")), 0xe3069283u);
  EXPECT_EQ(crc32c(""), 0u);
}

TEST(Base64, KnownAnswersBothWays) {
  // RFC 4648 section 10.
  const std::pair<const char*, const char*> cases[] = {{"", ""},
                                                       {"f", "Zg=="},
                                                       {"fo", "Zm8="},
                                                       {"foo", "Zm9v"},
                                                       {"foob", "Zm9vYg=="},
                                                       {"fooba", "Zm9vYmE="},
                                                       {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, encoded] : cases) {
    EXPECT_EQ(base64_encode(plain), encoded);
    EXPECT_EQ(base64_decode(encoded).value_or("refused"), plain);
  }
  EXPECT_EQ(base64url_encode("\xfb\xff"), "-_8");
  EXPECT_FALSE(base64_decode("Zg*=").ok());
  EXPECT_FALSE(base64_decode("Z").ok());
}

TEST(Varint, RoundTripsAndRefusesWhatIsTooLong) {
  for (const uint64_t value :
       {uint64_t{0}, uint64_t{127}, uint64_t{128}, uint64_t{1} << 35, UINT64_MAX}) {
    std::string bytes;
    put_varint(bytes, value);
    std::string_view in = bytes;
    uint64_t read = 0;
    EXPECT_TRUE(get_varint(in, read));
    EXPECT_EQ(read, value);
    EXPECT_TRUE(in.empty());
  }
  std::string_view endless("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11);
  uint64_t read = 0;
  EXPECT_FALSE(get_varint(endless, read));
}

TEST(Hex, RefusesHalfAByteAndLetters) {
  EXPECT_EQ(hex_decode("00ff7F").value_or("refused"), std::string("\0\xff\x7f", 3));
  EXPECT_FALSE(hex_decode("0").ok());
  EXPECT_FALSE(hex_decode("0g").ok());
}

}  // namespace
}  // namespace gatehouse

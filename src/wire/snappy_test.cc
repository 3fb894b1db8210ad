#include "wire/snappy.h"

#include <gtest/gtest.h>

#include <string>

namespace gatehouse::wire {
namespace {

using namespace std::literals;

TEST(Snappy, ReadsLiteralsAndCopies) {
  // Length 11; a literal of 3; a copy of 8 bytes from 3 back (1-byte offset form).
  std::string out = "left over";
  ASSERT_TRUE(snappy_decompress("\x0b\x08"
                                "abc\x11\x03"sv,
                                100, out)
                  .ok());
  EXPECT_EQ(out, "abcabcabcab");
}

TEST(Snappy, GivesBackWhatItTook) {
  std::string contents;
  for (int i = 0; i < 5000; ++i) contents += "series " + std::to_string(i % 37);
  std::string block, out;
  snappy_compress(contents, block);
  EXPECT_LT(block.size(), contents.size() / 2);
  ASSERT_TRUE(snappy_decompress(block, contents.size(), out).ok());
  EXPECT_EQ(out, contents);
  snappy_compress("", block);
  ASSERT_TRUE(snappy_decompress(block, 0, out).ok());
  EXPECT_EQ(out, "");
}

TEST(Snappy, RefusesAClaimAboveTheBound) {
  std::string out;
  const Status status = snappy_decompress("\xff\xff\xff\xff\x0f\x00\x00"sv, 32 << 20, out);
  EXPECT_EQ(status.code(), Code::kResourceExhausted);
  EXPECT_LT(out.capacity(), 1024u);
  // Within the bound, but more than seven bytes can give.
  EXPECT_EQ(snappy_decompress("\x80\x80\x80\x08\x00\x61\x61"sv, 32 << 20, out).code(),
            Code::kInvalidArgument);
  EXPECT_LT(out.capacity(), 1024u);
}

TEST(Snappy, RefusesWhatIsNoBlock) {
  std::string out;
  EXPECT_FALSE(snappy_decompress("", 100, out).ok());
  EXPECT_FALSE(snappy_decompress("\xff\xff"sv, 100, out).ok());
  EXPECT_FALSE(snappy_decompress("\x05\x10"
                                 "ab"sv,
                                 100, out)
                   .ok());                                           // cut short
  EXPECT_FALSE(snappy_decompress("\x04\x01\x09"sv, 100, out).ok());  // copies from before the start
}

}  // namespace
}  // namespace gatehouse::wire

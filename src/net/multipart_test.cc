#include "net/multipart.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace gatehouse::net {
namespace {

using State = MultipartScanner::State;

std::string part(const std::string& disposition, const std::string& value) {
  return "--b\r\nContent-Disposition: form-data; " + disposition + "\r\n\r\n" + value + "\r\n";
}

State feed(MultipartScanner& scanner, const std::string& body, std::size_t piece) {
  State state = State::kMore;
  for (std::size_t at = 0; at < body.size(); at += piece) {
    state = scanner.feed(std::string_view(body).substr(at, piece));
  }
  return state;
}

TEST(MultipartBoundary, FromContentType) {
  EXPECT_EQ(multipart_boundary("multipart/form-data; boundary=abc"), "abc");
  EXPECT_EQ(multipart_boundary("Multipart/Form-Data ;charset=utf-8; BOUNDARY=\"a b:c\""), "a b:c");
  for (const char* text :
       {"", "application/json", "multipart/form-data", "multipart/mixed; boundary=a",
        "multipart/form-datax; boundary=a",
        "multipart/form-data; boundary=", "multipart/form-data; boundary=a; boundary=b",
        "multipart/form-data; boundary=\"a\\\"b\"", "multipart/form-data; boundary=\"a \"",
        "multipart/form-data; boundary=\"a", "multipart/form-data; boundary=a b",
        "multipart/form-data; boundary=\"a*b\"", "multipart/form-data boundary=a"}) {
    EXPECT_EQ(multipart_boundary(text), std::nullopt) << text;
  }
  EXPECT_EQ(multipart_boundary("multipart/form-data; boundary=" + std::string(71, 'a')),
            std::nullopt);
}

TEST(MultipartScanner, FindsTheFieldHoweverTheBytesCome) {
  const std::string file =
      part("name=\"file\"; filename=\"C:\\a.wav\"",
           "RIFF\r\n--\r\n-b\r\n--\r\r\n--a\n--b\r\n" + std::string(500, '\r'));
  struct Case {
    std::string body;
    std::optional<std::string> value;
  };
  const std::vector<Case> cases = {
      {file + part("name=\"model\"", "whisper-1") + "--b--\r\n", "whisper-1"},
      {part("name=model", "a\r\n-b") + file + "--b--", "a\r\n-b"},
      {part("name=\"model\"", "") + "--b--\r\n", ""},
      {part("name=\"models\"", "x") + file + "--b--\r\n", std::nullopt},
      {part("name=\"model\"; filename=\"m\"", "\r\n--a\r") + "--b--\r\n", "\r\n--a\r"},
  };
  for (const Case& c : cases) {
    for (const std::size_t piece : {1, 2, 3, 11, 10000}) {
      MultipartScanner scanner("b", "model");
      EXPECT_EQ(feed(scanner, c.body, piece), State::kDone) << scanner.reason() << piece;
      ASSERT_EQ(scanner.value(), c.value) << c.body;
      if (!c.value) continue;
      EXPECT_EQ(c.body.substr(scanner.value_offset(), c.value->size()), *c.value);
    }
  }
}

TEST(MultipartScanner, KnowsTheValueBeforeTheEnd) {
  MultipartScanner scanner("b", "model");
  EXPECT_EQ(feed(scanner, part("name=\"model\"", "x") + "--b\r\nContent-", 1000), State::kMore);
  EXPECT_EQ(scanner.value(), "x");
}

TEST(MultipartScanner, Refuses) {
  const std::string model = part("name=\"model\"", "x");
  const std::vector<std::pair<const char*, std::string>> refused = {
      {"preamble", "hello\r\n" + model + "--b--\r\n"},
      {"line end before", "\r\n" + model + "--b--\r\n"},
      {"epilogue", model + "--b--\r\nmore"},
      {"other boundary", "--c\r\n"},
      {"boundary goes on", "--bc\r\n"},
      {"boundary goes on later", model + "--bc\r\n"},
      {"white space after the boundary", "--b \r\n"},
      {"bare LF after the boundary", "--b\n"},
      {"end first", "--b--\r\n"},
      {"one dash", model + "--b-\r\n"},
      {"field twice", model + model},
      {"no disposition", "--b\r\nX: y\r\n\r\n"},
      {"no headers", "--b\r\n\r\nx"},
      {"two dispositions",
       "--b\r\nContent-Disposition: form-data; name=a\r\nContent-Disposition: form-data; "
       "name=model\r\n\r\n"},
      {"no name", part("filename=x", "")},
      {"two names", part("name=a; name=model", "")},
      {"encoded name", part("name*=utf-8''model", "")},
      {"escape in the name", part("name=\"mo\\del\"", "")},
      {"escaped quote", part("filename=\"a\\\"; name=model", "")},
      {"open quote", part("name=\"model", "")},
      {"bytes after a parameter", part("name=\"model\"x", "")},
      {"no form-data", "--b\r\nContent-Disposition: attachment; name=model\r\n\r\n"},
      {"folded header", "--b\r\nContent-Disposition: form-data;\r\n name=model\r\n\r\n"},
      {"bare LF in headers", "--b\r\nContent-Disposition: form-data; name=model\n\r\n\r\n"},
      {"encoding",
       "--b\r\nContent-Disposition: form-data; name=model\r\n"
       "Content-Transfer-Encoding: base64\r\n\r\n"},
      {"value too long", part("name=model", std::string(513, 'x'))},
      {"part head too long", "--b\r\nX: " + std::string(4096, 'x')},
  };
  for (const auto& [what, body] : refused) {
    for (const std::size_t piece : {std::size_t{1}, body.size()}) {
      MultipartScanner scanner("b", "model");
      EXPECT_EQ(feed(scanner, body, piece), State::kRefused) << what;
      EXPECT_FALSE(scanner.reason().empty()) << what;
    }
  }
  std::string many;
  for (int i = 0; i < 257; ++i) many += part("name=a", "");
  MultipartScanner scanner("b", "model");
  EXPECT_EQ(feed(scanner, many, 1000), State::kRefused);
}

}  // namespace
}  // namespace gatehouse::net

#include "wire/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "wire/corpora_for_test.h"
#include "wire/json_edit.h"

namespace gatehouse::wire {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(JsonDocument, ReadsEveryType) {
  const auto document = JsonDocument::parse(
      R"({"s":"a\u00e9\n","i":-7,"u":18446744073709551615,"d":1.5,"t":true,"n":null,"a":[1,[2],{}]})");
  ASSERT_TRUE(document.ok());
  const JsonView root = document->root();
  EXPECT_TRUE(root.is_object());
  EXPECT_EQ(root.size(), 7u);
  EXPECT_EQ(root["s"].string(), "a\xC3\xA9\n");
  EXPECT_EQ(root["i"].integer(), -7);
  EXPECT_EQ(root["i"].unsigned_integer(), std::nullopt);
  EXPECT_EQ(root["i"].number(), -7.0);
  EXPECT_EQ(root["u"].unsigned_integer(), std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(root["u"].integer(), std::nullopt);
  EXPECT_EQ(root["d"].number(), 1.5);
  EXPECT_EQ(root["d"].integer(), std::nullopt);
  EXPECT_EQ(root["t"].boolean(), true);
  EXPECT_TRUE(root["n"].is_null());
  EXPECT_EQ(root["a"].size(), 3u);
  EXPECT_EQ(root["a"].at(1).at(0).integer(), 2);
  EXPECT_FALSE(root["a"].at(3).present());
}

TEST(JsonDocument, AnAbsentValueAnswersNothing) {
  const auto document = JsonDocument::parse("[1]");
  ASSERT_TRUE(document.ok());
  const JsonView absent = document->root()["x"]["y"].at(3);
  EXPECT_FALSE(absent.present());
  EXPECT_FALSE(absent.is_null());
  EXPECT_EQ(absent.string(), std::nullopt);
  EXPECT_EQ(absent.size(), 0u);
  for (auto [key, value] : absent.members()) FAIL() << key << value.present();
  EXPECT_FALSE(JsonDocument().root().present());
}

TEST(JsonDocument, IteratesInOrderAndKeepsDuplicates) {
  const auto document = JsonDocument::parse(R"({"b":1,"a":[3,4],"b":2})");
  ASSERT_TRUE(document.ok());
  std::vector<std::string> keys;
  for (auto [key, value] : document->root().members()) keys.emplace_back(key);
  EXPECT_THAT(keys, ElementsAre("b", "a", "b"));
  EXPECT_EQ(document->root()["b"].integer(), 1);
  std::vector<int64_t> items;
  for (JsonView item : document->root()["a"].items()) items.push_back(*item.integer());
  EXPECT_THAT(items, ElementsAre(3, 4));
}

TEST(JsonDocument, IsUsedAgain) {
  JsonDocument document;
  ASSERT_TRUE(document.read(R"({"a":1})").ok());
  ASSERT_TRUE(document.read(R"({"a":2})").ok());
  EXPECT_EQ(document.root()["a"].integer(), 2);
  EXPECT_FALSE(document.read("{").ok());
  EXPECT_FALSE(document.root().present());
  const std::string large =
      "[" + std::string(400'000, ' ') + "\"" + std::string(400'000, 'x') + "\"]";
  ASSERT_TRUE(document.read(large).ok());
  EXPECT_EQ(document.root().at(0).string()->size(), 400'000u);
}

TEST(JsonDocument, ApproximatesNumbersOutOfRange) {
  const auto document = JsonDocument::parse(
      R"({"1e999":"1e999 \" 1e999","a":[123456789012345678901234567890,-1e999,1e-999,1,-0.0,1e999]})");
  ASSERT_TRUE(document.ok()) << document.status().message();
  const JsonView a = document->root()["a"];
  EXPECT_EQ(document->root()["1e999"].string(), "1e999 \" 1e999");
  EXPECT_DOUBLE_EQ(*a.at(0).number(), 123456789012345678901234567890.0);
  EXPECT_EQ(a.at(1).number(), -std::numeric_limits<double>::max());
  EXPECT_EQ(a.at(2).number(), 0.0);
  EXPECT_EQ(a.at(3).integer(), 1);
  EXPECT_TRUE(std::signbit(*a.at(4).number()));
  EXPECT_EQ(a.at(5).number(), std::numeric_limits<double>::max());
}

TEST(JsonDocument, SaysWhatIsWrongAndWhere) {
  EXPECT_EQ(JsonDocument::parse("[1,]").status().message(),
            "invalid JSON at byte 3: a value is expected");
  EXPECT_THAT(JsonDocument::parse("").status().message(), HasSubstr("empty"));
  EXPECT_THAT(JsonDocument::parse("\xEF\xBB\xBF{}").status().message(), HasSubstr("byte 0"));
}

TEST(JsonDocument, BoundsDepth) {
  const auto nested = [](size_t depth) {
    return std::string(depth, '[') + "0" + std::string(depth, ']');
  };
  for (const std::string& text : {nested(kJsonDepthMax), "[" + nested(kJsonDepthMax - 1) + ",1]"}) {
    EXPECT_TRUE(JsonDocument::parse(text).ok());
    EXPECT_TRUE(validate_json(text).ok());
  }
  EXPECT_THAT(JsonDocument::parse(nested(kJsonDepthMax + 1)).status().message(),
              HasSubstr("nested deeper than 64"));
  EXPECT_FALSE(validate_json(nested(100'000)).ok());
  EXPECT_FALSE(JsonDocument::parse(std::string(100'000, '[')).ok());
}

TEST(JsonCorpus, BothReadersDoAsMarkedAndAgree) {
  const auto files = files_for_test(corpora_for_test("json"));
  if (files.empty()) GTEST_SKIP() << "no JSON corpus: set GATEHOUSE_CORPORA";
  size_t accepted = 0, refused = 0;
  for (const auto& path : files) {
    const std::string text = file_for_test(path);
    const char mark = path.filename().string()[0];
    const Status scanned = validate_json(text);
    const auto parsed = JsonDocument::parse(text);
    EXPECT_EQ(scanned.ok(), parsed.ok()) << path << scanned.message() << parsed.status().message();
    if (mark == 'y') {
      EXPECT_TRUE(scanned.ok()) << path << ": " << scanned.message();
    }
    if (mark == 'n') {
      EXPECT_FALSE(scanned.ok()) << path;
    }
    ++(scanned.ok() ? accepted : refused);
  }
  std::printf("JSON corpus: %zu files, %zu accepted, %zu refused\n", files.size(), accepted,
              refused);
}

TEST(JsonWriter, WritesCommasEscapesAndShortNumbers) {
  std::string out;
  JsonWriter writer(out);
  writer.begin_object()
      .member("a", "x\"\\\n\x01")
      .member("i", int64_t{-5})
      .member("u", std::numeric_limits<uint64_t>::max())
      .member("d", 0.1)
      .member("nan", std::nan(""))
      .member("b", true);
  writer.key("list").begin_array().integer(1).begin_object().end_object().null().end_array();
  writer.key("raw").raw("[2]").end_object();
  EXPECT_EQ(out,
            R"({"a":"x\"\\\n\u0001","i":-5,"u":18446744073709551615,"d":0.1,"nan":null,"b":true,)"
            R"("list":[1,{},null],"raw":[2]})");
  EXPECT_TRUE(validate_json(out).ok());
}

TEST(JsonEdit, FindsTopLevelMembersOnly) {
  const std::string json =
      " { \"messages\":[{\"model\":\"inner\"}], \"model\" : \"gpt\" ,\"n\":2,\"stream\":true } ";
  const std::string_view keys[] = {"model", "stream", "n", "absent"};
  JsonMember found[4];
  ASSERT_TRUE(find_top_level(json, keys, found).ok());
  EXPECT_EQ(found[0].value, "\"gpt\"");
  EXPECT_EQ(json_string(found[0].value), "gpt");
  EXPECT_EQ(json_boolean(found[1].value), true);
  EXPECT_EQ(json_integer(found[2].value), 2);
  EXPECT_FALSE(found[3].present());
  JsonMember all[2];
  EXPECT_EQ(*scan_top_level(json, all), 4u);
  EXPECT_EQ(all[0].key, "messages");
  EXPECT_EQ(all[0].value, "[{\"model\":\"inner\"}]");
}

TEST(JsonEdit, SeesThroughEscapedKeysAndRefusesDuplicates) {
  const std::string_view keys[] = {"model"};
  JsonMember found[1];
  ASSERT_TRUE(find_top_level(R"({"mod\u0065l":"a"})", keys, found).ok());
  EXPECT_EQ(found[0].value, "\"a\"");
  const Status twice = find_top_level(R"({"model":"a","\u006dodel":"b"})", keys, found);
  EXPECT_THAT(twice.message(), HasSubstr("\"model\" occurs twice"));
  // Others may repeat: they are not ours to judge.
  EXPECT_TRUE(find_top_level(R"({"x":1,"x":2})", keys, found).ok());
}

TEST(JsonEdit, ValidatesBehindWhatItFinds) {
  const std::string_view keys[] = {"model"};
  JsonMember found[1];
  EXPECT_FALSE(find_top_level(R"({"model":"a",})", keys, found).ok());
  EXPECT_FALSE(find_top_level(R"({"model":"a"} x)", keys, found).ok());
  EXPECT_FALSE(find_top_level("{\"model\":\"a\",\"b\":\"\xC0\x80\"}", keys, found).ok());
  EXPECT_THAT(find_top_level("[1]", keys, found).message(), HasSubstr("object is expected"));
}

TEST(JsonEdit, UnescapesStrings) {
  EXPECT_EQ(json_string(R"("a\"\\\/\b\f\n\r\t\u00e9\u20AC\ud83d\ude00")"),
            "a\"\\/\b\f\n\r\t\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
  EXPECT_EQ(json_string(R"("\ud83d")"), std::nullopt);
  EXPECT_EQ(json_string("12"), std::nullopt);
  EXPECT_EQ(json_integer("1.5"), std::nullopt);
  EXPECT_EQ(json_integer("99999999999999999999"), std::nullopt);
}

JsonMember member_of(std::string_view json, std::string_view key) {
  const std::string_view keys[] = {key};
  JsonMember found[1];
  EXPECT_TRUE(find_top_level(json, keys, found).ok()) << json;
  return found[0];
}

TEST(JsonEdit, ChangesNothingElse) {
  const std::string json = "{ \"a\" :1e2 , \"model\":\"x\",\n\"z\": [ ] }";
  const auto apply = [&](const JsonSplice& splice) { return apply_splices(json, {&splice, 1}); };
  EXPECT_EQ(apply(replace_value(member_of(json, "model"), "\"y\"")),
            "{ \"a\" :1e2 , \"model\":\"y\",\n\"z\": [ ] }");
  EXPECT_EQ(apply(insert_member(json, "s", "{}")),
            "{\"s\":{}, \"a\" :1e2 , \"model\":\"x\",\n\"z\": [ ] }");
  EXPECT_EQ(apply(remove_member(json, member_of(json, "a"))), "{ \"model\":\"x\",\n\"z\": [ ] }");
  EXPECT_EQ(apply(remove_member(json, member_of(json, "model"))), "{ \"a\" :1e2 , \"z\": [ ] }");
  EXPECT_EQ(apply(remove_member(json, member_of(json, "z"))), "{ \"a\" :1e2 , \"model\":\"x\" }");
  const JsonSplice two[] = {insert_member(json, "s", "1"),
                            replace_value(member_of(json, "model"), "null")};
  EXPECT_EQ(apply_splices(json, two), "{\"s\":1, \"a\" :1e2 , \"model\":null,\n\"z\": [ ] }");
}

TEST(JsonEdit, EmptyAndSingleMemberObjects) {
  const std::string empty = " { } ";
  const JsonSplice insert = insert_member(empty, "k\"", "1");
  EXPECT_EQ(apply_splices(empty, {&insert, 1}), " {\"k\\\"\":1 } ");
  const std::string one = "{ \"k\": 1 }";
  const JsonSplice remove = remove_member(one, member_of(one, "k"));
  EXPECT_EQ(apply_splices(one, {&remove, 1}), "{  }");
}

// Strings of every length around the 16-byte step, with what ends or breaks
// them at every place.
TEST(JsonEdit, StringsAroundTheVectorWidth) {
  for (size_t length = 0; length < 50; ++length) {
    const std::string body(length, 'x');
    EXPECT_TRUE(validate_json("\"" + body + "\"").ok());
    EXPECT_FALSE(validate_json("\"" + body).ok());
    for (size_t at = 0; at < length; ++at) {
      std::string bad = "\"" + body + "\"";
      bad[at + 1] = '\x1F';
      EXPECT_FALSE(validate_json(bad).ok());
      bad[at + 1] = '\xFF';
      EXPECT_FALSE(validate_json(bad).ok());
      bad[at + 1] = '\x7F';
      EXPECT_TRUE(validate_json(bad).ok());
    }
  }
}

}  // namespace
}  // namespace gatehouse::wire

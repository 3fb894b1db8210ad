#include "wire/yaml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "wire/corpora_for_test.h"
#include "wire/json.h"

namespace gatehouse::wire {
namespace {

using ::testing::HasSubstr;

const YamlNode& root_of(const YamlStream& stream) { return *stream.documents().at(0); }

TEST(Yaml, KnowsWhereEverythingIs) {
  const auto stream = parse_yaml("a: 1\nlist:\n  - x\n  - {k: v}\n");
  ASSERT_TRUE(stream.ok());
  const YamlNode& root = root_of(*stream);
  EXPECT_EQ(root.get("a")->mark, (YamlMark{1, 4}));
  EXPECT_EQ(root.entries[1].key->mark, (YamlMark{2, 1}));
  EXPECT_EQ(root.get("list")->items[1]->mark, (YamlMark{4, 5}));
  EXPECT_EQ(root.get("list")->items[1]->get("k")->mark, (YamlMark{4, 9}));
}

TEST(Yaml, ResolvesTheCoreSchema) {
  const auto stream = parse_yaml(
      "[~, null, '', true, 'true', yes, 12, -7, +3, 0o17, 0xff, 1.5, .5, 1e3, .inf, -.INF, .nan, "
      "'12', !!str 12, !!int '12', 1_000, 0x, 1.2.3, +-1]");
  ASSERT_TRUE(stream.ok()) << stream.status().message();
  const auto& items = root_of(*stream).items;
  EXPECT_TRUE(items[0]->is_null() && items[1]->is_null());
  EXPECT_TRUE(items[2]->is_string());
  EXPECT_EQ(items[3]->boolean(), true);
  EXPECT_TRUE(items[4]->is_string() && items[5]->is_string());
  const int64_t integers[] = {12, -7, 3, 15, 255};
  for (size_t i = 0; i < 5; ++i) EXPECT_EQ(items[6 + i]->integer(), integers[i]);
  EXPECT_EQ(items[11]->number(), 1.5);
  EXPECT_EQ(items[11]->integer(), std::nullopt);
  EXPECT_EQ(items[12]->number(), 0.5);
  EXPECT_EQ(items[13]->number(), 1000.0);
  EXPECT_TRUE(std::isinf(*items[14]->number()) && *items[15]->number() < 0);
  EXPECT_TRUE(std::isnan(*items[16]->number()));
  EXPECT_TRUE(items[17]->is_string() && items[18]->is_string());
  EXPECT_EQ(items[19]->integer(), 12);
  for (size_t i = 20; i < items.size(); ++i) EXPECT_TRUE(items[i]->is_string()) << i;
}

TEST(Yaml, ReadsManyDocumentsAndNone) {
  EXPECT_EQ(parse_yaml("a\n---\nb\n...\n---\n")->documents().size(), 3u);
  EXPECT_TRUE(parse_yaml("# nothing\n")->documents().empty());
}

TEST(Yaml, ErrorsNameThePlace) {
  YamlOptions options;
  options.name = "gatehouse.yaml";
  EXPECT_THAT(parse_yaml("a: [1\nb: 2\n", options).status().message(),
              HasSubstr("gatehouse.yaml:2:"));
  EXPECT_EQ(parse_yaml("a: 1\nb: 2\na: 3\n", options).status().message(),
            "gatehouse.yaml:3:1: the key \"a\" occurs twice; it is first on line 1");
  EXPECT_FALSE(parse_yaml("{[a]: 1, [a]: 2}").ok());
  EXPECT_TRUE(parse_yaml("{1: a, '1': b}").ok());
  EXPECT_THAT(parse_yaml("a: *x\n", options).status().message(),
              HasSubstr(":1:4: the alias *x has no anchor"));
}

TEST(Yaml, MergesWithoutOverriding) {
  const auto stream = parse_yaml(
      "base: &b {x: 1, y: 2}\nmore: &m {y: 3, z: 4}\n"
      "one:\n  <<: *b\n  y: 9\nboth:\n  <<: [*b, *m]\nquoted: {'<<': 1}\n");
  ASSERT_TRUE(stream.ok()) << stream.status().message();
  const YamlNode& root = root_of(*stream);
  EXPECT_EQ(root.get("one")->get("x")->integer(), 1);
  EXPECT_EQ(root.get("one")->get("y")->integer(), 9);
  EXPECT_EQ(root.get("one")->entries.size(), 2u);
  EXPECT_EQ(root.get("both")->get("y")->integer(), 2);
  EXPECT_EQ(root.get("both")->get("z")->integer(), 4);
  EXPECT_EQ(root.get("quoted")->get("<<")->integer(), 1);
  EXPECT_THAT(parse_yaml("<<: 1\n").status().message(), HasSubstr("<< takes a mapping"));
}

TEST(Yaml, BoundsAliasesDepthAndSize) {
  std::string laughs = "a0: &a0 x\n";
  for (int i = 1; i < 30; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    laughs += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before;
    for (int k = 0; k < 8; ++k) laughs += ", " + before;
    laughs += "]\n";
  }
  EXPECT_THAT(parse_yaml(laughs).status().message(), HasSubstr("too many values"));
  EXPECT_THAT(parse_yaml("&a [*a]").status().message(), HasSubstr("within its own anchor"));
  EXPECT_THAT(parse_yaml(std::string(65, '[') + std::string(65, ']')).status().message(),
              HasSubstr("nested too deeply"));
  EXPECT_TRUE(parse_yaml(std::string(64, '[') + std::string(64, ']')).ok());
  EXPECT_FALSE(parse_yaml(std::string(100'000, '[')).ok());
  YamlOptions small;
  small.bytes_max = 10;
  EXPECT_FALSE(parse_yaml("a: 0123456789", small).ok());
}

TEST(Yaml, IsAsStrictAsYaml12) {
  for (const char* bad :
       {"[a, b]#c", "[a,#c\nb]", "a: >#c\n  x", "a: \"b\nc\"", "a: [b,\nc]", "[-]",
        "a #c\n%YAML 1.2\n---\n", "%YAML 1.2#c\n---\n", "%FOO\nbare", "%YAML 2.0\n---\n"}) {
    EXPECT_FALSE(parse_yaml(bad).ok()) << bad;
  }
  for (const char* good : {"[a, b] #c", "a: [\n  b\n]", "a: \"b\n c\"", "\"a\nb\"", "- #c\n  a",
                           "%FOO bar\n---\na", "%YAML 1.2 #c\n---\na", "a\n...\nb: 1\n", "...\n",
                           "\xEF\xBB\xBF\"\xC3\xA9\" # \xC3\xA9\n", "a: 'x#y'"}) {
    EXPECT_TRUE(parse_yaml(good).ok()) << good << parse_yaml(good).status().message();
  }
  EXPECT_EQ(parse_yaml("a\n...\n# c\nb\n")->documents().size(), 2u);
  EXPECT_EQ(parse_yaml("a: |+\n  x\n   ")->documents()[0]->get("a")->value, "x\n \n");
}

// ---- The public suite ----

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
}

// The suite writes what is hard to see as visible characters.
std::string unmask(std::string text) {
  replace_all(text, "\u2423", " ");
  while (text.find("\u2014\u00bb") != std::string::npos) {
    replace_all(text, "\u2014\u00bb", "\u00bb");
  }
  replace_all(text, "\u00bb", "\t");
  replace_all(text, "\u21d4", "\xEF\xBB\xBF");
  replace_all(text, "\u2190", "\r");
  replace_all(text, "\u21b5", "");
  if (text.ends_with("\u220e\n")) text.resize(text.size() - 4);
  return text;
}

void write_json(const YamlNode& node, JsonWriter& out) {
  if (node.is_mapping()) {
    out.begin_object();
    for (const auto& [key, value] : node.entries) {
      out.key(key->value);
      write_json(*value, out);
    }
    out.end_object();
  } else if (node.is_sequence()) {
    out.begin_array();
    for (const YamlNode* item : node.items) write_json(*item, out);
    out.end_array();
  } else if (node.is_null()) {
    out.null();
  } else if (const auto boolean = node.boolean()) {
    out.boolean(*boolean);
  } else if (const auto number = node.number()) {
    out.number(*number);
  } else {
    out.string(node.value);
  }
}

void write_canonical(JsonView view, JsonWriter& out) {
  if (view.is_object()) {
    out.begin_object();
    std::multimap<std::string, JsonView> members;  // in no order of their own
    for (auto [key, value] : view.members()) members.emplace(key, value);
    for (const auto& [key, value] : members) {
      out.key(key);
      write_canonical(value, out);
    }
    out.end_object();
  } else if (view.is_array()) {
    out.begin_array();
    for (JsonView item : view.items()) write_canonical(item, out);
    out.end_array();
  } else if (view.is_null()) {
    out.null();
  } else if (const auto boolean = view.boolean()) {
    out.boolean(*boolean);
  } else if (const auto number = view.number()) {
    out.number(*number);
  } else {
    out.string(*view.string());
  }
}

// The values of a text that holds several one after the other, one a line.
std::string canonical_json(const std::string& text) {
  std::string out;
  int depth = 0;
  bool quoted = false;
  size_t begin = 0;
  const auto flush = [&](size_t end) {
    const auto document = JsonDocument::parse(text.substr(begin, end - begin));
    begin = end;
    if (!document.ok()) return;  // white space only
    JsonWriter writer(out);
    write_canonical(document->root(), writer);
    out += '\n';
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      if (c == '"') quoted = false;
      continue;
    }
    if (c == '"') quoted = true;
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
    if (c == '\n' && depth == 0) flush(i);
  }
  flush(text.size());
  return out;
}

// One event a line as the suite's "tree" has it, without document markers,
// flow markers and anchors' names.
void write_tree(const YamlNode& node, std::string& out) {
  const std::string tag = node.tag.empty() ? "" : " <" + node.tag + ">";
  if (node.is_scalar()) {
    out += "=VAL" + tag + " " + ":'\"|>"[static_cast<size_t>(node.style)];
    for (const char c : node.value) {
      switch (c) {
        case '\n': out += "\\n"; break;
        case '\t': out += "\\t"; break;
        case '\r': out += "\\r"; break;
        case '\b': out += "\\b"; break;
        case '\\': out += "\\\\"; break;
        default: out += c;
      }
    }
    out += '\n';
    return;
  }
  out += (node.is_mapping() ? "+MAP" : "+SEQ") + tag + "\n";
  for (const YamlNode* item : node.items) write_tree(*item, out);
  for (const auto& [key, value] : node.entries) {
    write_tree(*key, out);
    write_tree(*value, out);
  }
  out += node.is_mapping() ? "-MAP\n" : "-SEQ\n";
}

std::string normal_tree(const std::string& tree) {
  std::string out;
  size_t begin = 0;
  while (begin < tree.size()) {
    const size_t end = std::min(tree.find('\n', begin), tree.size());
    std::string line = unmask(tree.substr(begin, end - begin));
    begin = end + 1;
    line.erase(0, line.find_first_not_of(' '));
    const std::string kind = line.substr(0, 4);
    if (kind != "=VAL" && kind != "+MAP" && kind != "-MAP" && kind != "+SEQ" && kind != "-SEQ") {
      continue;
    }
    if (kind == "+MAP" && line.starts_with("+MAP {}")) line.erase(4, 3);
    if (kind == "+SEQ" && line.starts_with("+SEQ []")) line.erase(4, 3);
    if (line.starts_with(kind + " &")) line.erase(4, line.find(' ', 5) - 4);
    if (line.ends_with(' ') && kind != "=VAL") line.pop_back();
    out += line + "\n";
  }
  return out;
}

struct SuiteCase {
  std::string id, yaml;
  bool fail = false;
  std::optional<std::string> json, tree;
};

std::vector<SuiteCase> suite_cases() {
  std::vector<SuiteCase> cases;
  for (const auto& path : files_for_test(corpora_for_test("yaml"))) {
    const auto file = parse_yaml(file_for_test(path));
    EXPECT_TRUE(file.ok()) << path << file.status().message();
    if (!file.ok()) continue;
    SuiteCase current;  // a later case takes over what it does not state
    int index = 0;
    // Marked "skip": what the suite does not want readers to support.
    if (root_of(*file).items.at(0)->get("skip") != nullptr) continue;
    for (const YamlNode* given : root_of(*file).items) {
      current.id = path.stem().string() + "/" + std::to_string(index++);
      current.fail = given->get("fail") != nullptr;
      if (const YamlNode* node = given->get("yaml")) current.yaml = unmask(node->value);
      const auto take = [&](const char* key, std::optional<std::string>& into) {
        if (const YamlNode* node = given->get(key)) {
          into = node->is_null() ? std::nullopt : std::optional(node->value);
        }
      };
      take("json", current.json);
      take("tree", current.tree);
      cases.push_back(current);
    }
  }
  return cases;
}

// "": as marked.
std::string judge(const SuiteCase& given) {
  YamlOptions options;
  options.merge_keys = false;   // no part of YAML 1.2
  options.unique_keys = false;  // the suite judges the syntax
  const auto stream = parse_yaml(given.yaml, options);
  if (given.fail) return stream.ok() ? "accepted" : "";
  if (!stream.ok()) return "refused: " + stream.status().message();
  if (given.json) {
    std::string written;
    for (const YamlNode* document : stream->documents()) {
      JsonWriter writer(written);
      write_json(*document, writer);
      written += '\n';
    }
    written = canonical_json(written);
    const std::string expected = canonical_json(*given.json);
    if (written != expected) return "read as " + written + " not " + expected;
  }
  if (given.tree && given.tree->find("=ALI") == std::string::npos) {
    std::string tree;
    for (const YamlNode* document : stream->documents()) write_tree(*document, tree);
    const std::string expected = normal_tree(*given.tree);
    if (tree != expected) return "tree\n" + tree + "not\n" + expected;
  }
  return "";
}

TEST(YamlSuite, CasesDoAsMarked) {
  const auto cases = suite_cases();
  if (cases.empty()) GTEST_SKIP() << "no YAML corpus: set GATEHOUSE_CORPORA";
  size_t deviating = 0;
  for (const SuiteCase& given : cases) {
    const std::string verdict = judge(given);
    EXPECT_EQ(verdict, "") << given.id << "\n" << given.yaml;
    if (!verdict.empty()) ++deviating;
  }
  std::printf("YAML suite: %zu cases, %zu as marked\n", cases.size(), cases.size() - deviating);
}

}  // namespace
}  // namespace gatehouse::wire

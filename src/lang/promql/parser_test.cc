#include "lang/promql/parser.h"

#include <gtest/gtest.h>

#include "lang/promql/duration.h"
#include "lang/promql/literal.h"
#include "lang/promql/printer.h"

namespace gatehouse::promql {
namespace {

ParseOptions everything() {
  ParseOptions options;
  options.experimental_functions = true;
  return options;
}

// The query printed again, or why it is none.
std::string printed(std::string_view query) {
  const auto expr = parse(query, everything());
  return expr.ok() ? to_text(**expr) : expr.status().message();
}

TEST(PromqlParser, PrintsWhatItRead) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"1", "1"},
      {"0x1F", "31"},
      {"017", "15"},
      {"1_000.5", "1000.5"},
      {"-1e-3", "-0.001"},
      {"+Inf", "+Inf"},
      {"nAn", "NaN"},
      {"-inf ^ a", "-Inf ^ a"},
      {"5m30s", "5m30s"},
      {"-90s", "-1m30s"},
      {"'it\\'s'", "\"it's\""},
      {"`raw \\n`", "\"raw \\\\n\""},
      {"\"\\x41\\u00e9\\101\"", "\"AéA\""},
      {"foo", "foo"},
      {"foo{b='1',a!~\"x|y\" , }", "foo{a!~\"x|y\",b=\"1\"}"},
      {"{\"foo.bar\", \"a label\"=\"x\"}", "{\"a label\"=\"x\",__name__=\"foo.bar\"}"},
      {"foo[90]", "foo[1m30s]"},
      {"foo[5m] offset -1h @ end()", "foo[5m] @ end() offset -1h"},
      {"foo @ 1609746000.12", "foo @ 1609746000.120"},
      {"foo @ -0.5", "foo @ -0.500"},
      {"foo[1m] smoothed", "foo[1m] smoothed"},
      {"foo anchored offset 1m", "foo anchored offset 1m"},
      {"foo[step() * 2 + 1m]", "foo[step() * 2 + 1m]"},
      {"foo[MIN_OF(step(), 1h):range() / 10]", "foo[min_of(step(), 1h):range() / 10]"},
      {"foo offset -(2 ^ step())", "foo offset -(2 ^ step())"},
      {"foo offset 100 + 2", "foo offset 1m40s + 2"},
      {"rate(foo[5m:])[1h:30s] @ start() offset 1d", "rate(foo[5m:])[1h:30s] @ start() offset 1d"},
      {"sum(foo) by (a, \"b c\")", "sum by (a, \"b c\") (foo)"},
      {"topk without () (3, foo)", "topk without () (3, foo)"},
      {"quantile(.5, foo)", "quantile(0.5, foo)"},
      {"a + on() group_left(b,) c", "a + on () group_left (b) c"},
      {"a >= bool ignoring(x) c", "a >= bool ignoring (x) c"},
      {"a + fill(-1.5) c", "a + fill (-1.5) c"},
      {"a + on(x) fill_right(2) fill_left(1) c", "a + on (x) fill_left (1) fill_right (2) c"},
      {"a </ 1 >/ 2", "a </ 1 >/ 2"},
      {"a AND b unless c OR d", "a and b unless c or d"},
      {"-a ^ 2", "-a ^ 2"},
      {"sum + by * without", "sum + by * without"},
      {"fill + start / step", "fill + start / step"},
      {"offset offset 5m", "offset offset 5m"},
      {"start() + end()", "start() + end()"},
      {"info(foo, {})", "info(foo, {})"},
      {"# one\nfoo # two\n", "foo"},
  };
  for (const auto& [query, text] : cases) {
    EXPECT_EQ(printed(query), text) << query;
    EXPECT_EQ(printed(text), text) << query;
  }
}

TEST(PromqlParser, OperatorsBindAsTheyShould) {
  const auto shape = [](std::string_view query) {
    // Every operator with its operands in parentheses.
    struct Shape {
      static std::string of(const Expr& expr) {
        if (expr.kind == Expr::Kind::kUnary) {
          return "(-" + of(*as<UnaryExpr>(expr).inner) + ")";
        }
        if (expr.kind != Expr::Kind::kBinary) return to_text(expr);
        const auto& binary = as<BinaryExpr>(expr);
        return "(" + of(*binary.left) + std::string(name(binary.op)) + of(*binary.right) + ")";
      }
    };
    const auto expr = parse(query, everything());
    return expr.ok() ? Shape::of(**expr) : expr.status().message();
  };
  EXPECT_EQ(shape("a + b * c ^ d ^ e"), "(a+(b*(c^(d^e))))");
  EXPECT_EQ(shape("a - b - c"), "((a-b)-c)");
  EXPECT_EQ(shape("a or b and c unless d"), "(aor((bandc)unlessd))");
  EXPECT_EQ(shape("a == b + 1"), "(a==(b+1))");
  EXPECT_EQ(shape("-a ^ b"), "(-(a^b))");
  EXPECT_EQ(shape("-a * b"), "((-a)*b)");
  EXPECT_EQ(shape("1 - -1"), "(1--1)");
  EXPECT_EQ(shape("a atan2 b / c"), "((aatan2b)/c)");
  EXPECT_EQ(shape("a offset -2 ^ 2"), "(a offset -2s^2)");
}

TEST(PromqlParser, ErrorsAreThoseOfPrometheus) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"", "unknown position: parse error: no expression found in input"},
      {"# only", "1:1: parse error: no expression found in input"},
      {"1 +", "1:4: parse error: unexpected end of input"},
      {"*1", "1:1: parse error: unexpected <op:*>"},
      {"(1))", "1:5: parse error: unexpected right parenthesis ')'"},
      {"((1)", "1:5: parse error: unclosed left parenthesis"},
      {"foo[5m", "1:7: parse error: unclosed left bracket"},
      {"foo bar", "1:5: parse error: unexpected identifier \"bar\""},
      {"foo\n  bar", "2:3: parse error: unexpected identifier \"bar\""},
      {"1 and 1", "1:1: parse error: set operator \"and\" not allowed in binary scalar expression"},
      {"1 == 1", "1:3: parse error: comparisons between scalars must use BOOL modifier"},
      {"a + bool b", "1:3: parse error: bool modifier can only be used on comparison operators"},
      {"a and on(x) group_left b", "1:1: parse error: no grouping allowed for \"and\" operation"},
      {"a + on(b) group_left(b) c",
       "1:3: parse error: label \"b\" must not occur in ON and GROUP clause at once"},
      {"a + on(b) 1", "1:1: parse error: vector matching only allowed between instant vectors"},
      {"{}", "1:1: parse error: vector selector must contain at least one non-empty matcher"},
      {"{a=~\".*\"}",
       "1:1: parse error: vector selector must contain at least one non-empty matcher"},
      {"{a=b}", "1:4: parse error: unexpected identifier \"b\" in label matching, expected string"},
      {"{a}",
       "1:3: parse error: unexpected \"}\" in label matching, expected label matching operator"},
      {"{a=\"b\" c}",
       "1:8: parse error: unexpected identifier \"c\" in label matching, expected "
       "\",\" or \"}\""},
      {"{1}", "1:2: parse error: unexpected character inside braces: '1'"},
      {"{a=\"b\"", "1:7: parse error: unexpected end of input inside braces"},
      {"foo{__name__=\"bar\"}",
       "1:1: parse error: metric name must not be set twice: \"foo\" or \"bar\""},
      {"foo[]",
       "1:5: parse error: unexpected \"]\" in subquery or range selector, expected "
       "number, duration, step(), or range()"},
      {"foo[0m]", "1:5: parse error: duration must be greater than 0"},
      {"foo[5m30m]", "1:5: parse error: not a valid duration string: \"5m30m\""},
      {"(foo)[5m]", "1:6: parse error: ranges only allowed for vector selectors"},
      {"foo offset 1m[5m]", "1:14: parse error: no offset modifiers allowed before range"},
      {"foo offset 1m offset 2m", "1:1: parse error: offset may not be set multiple times"},
      {"foo offset x",
       "1:12: parse error: unexpected identifier \"x\" in offset, expected number, "
       "duration, step(), or range()"},
      {"foo @ 1 @ 2", "1:1: parse error: @ <timestamp> may not be set multiple times"},
      {"foo @ Inf", "1:1: parse error: timestamp out of bounds for @ modifier: +Inf"},
      {"1 offset 1m",
       "1:1: parse error: offset modifier must be preceded by an instant vector "
       "selector or range vector selector or a subquery"},
      {"sum(foo[5m])",
       "1:5: parse error: expected type instant vector in aggregation expression, got range "
       "vector"},
      {"sum()", "1:1: parse error: no arguments for aggregate expression provided"},
      {"topk(foo)",
       "1:1: parse error: wrong number of arguments for aggregate expression "
       "provided, expected 2, got 1"},
      {"sum by a (foo)",
       "1:8: parse error: unexpected identifier \"a\" in grouping opts, expected \"(\""},
      {"sum(1 2)", "1:7: parse error: unexpected number \"2\" in aggregation"},
      {"rate(foo)",
       "1:6: parse error: expected type range vector in call to function \"rate\", got instant "
       "vector"},
      {"nope(foo)", "1:1: parse error: unknown function with name \"nope\""},
      {"time(1)", "1:1: parse error: expected 0 argument(s) in call to \"time\", got 1"},
      {"round()", "1:1: parse error: expected at least 1 argument(s) in call to \"round\", got 0"},
      {"hour(a, b)", "1:1: parse error: expected at most 1 argument(s) in call to \"hour\", got 2"},
      {"nope(1) )", "1:1: parse error: unknown function with name \"nope\""},
      {"abs(, a)", "1:5: parse error: unexpected \",\""},
      {"{a=~\"(\"}", "1:2: parse error: error parsing regexp: missing closing ): `(`"},
      {"a * on (b) group_left * c",
       "1:23: parse error: unexpected <op:*> in grouping opts, expected \"(\""},
      {"abs(a,)", "1:6: parse error: trailing commas not allowed in function call args"},
      {"-\"x\"",
       "1:1: parse error: unary expression only allowed on expressions of type scalar or instant "
       "vector, got \"string\""},
      {"\"x\" + 1",
       "1:1: parse error: binary expression must contain only scalar and instant vector types"},
      {"foo[5m][5m:]",
       "1:1: parse error: subquery is only allowed on instant vector, got matrix instead"},
      {"\"a\\q\"", "1:1: parse error: unknown escape sequence U+0071 'q'"},
      {"\"a", "1:1: parse error: unterminated quoted string"},
      {"1e999",
       "1:1: parse error: error parsing number: strconv.ParseFloat: parsing \"1e999\": "
       "value out of range"},
      {"5x", "1:1: parse error: bad number or duration syntax: \"5\""},
      {"a =~ b", "1:3: parse error: unexpected character after '=': '~'"},
      {"foo[1m] anchored smoothed",
       "1:1: parse error: anchored and smoothed modifiers cannot be used together"},
      {"info(a, b)",
       "1:9: parse error: expected label selectors only, got vector selector instead"},
  };
  for (const auto& [query, message] : cases) EXPECT_EQ(printed(query), message) << query;
}

TEST(PromqlParser, OptionsForbid) {
  const ParseOptions plain;
  EXPECT_EQ(parse("limitk(1, a)", plain).status().message(),
            "1:1: parse error: limitk() is experimental and must be enabled with "
            "--enable-feature=promql-experimental-functions");
  EXPECT_EQ(parse("info(a)", plain).status().message(),
            "1:1: parse error: function \"info\" is not enabled");
  ParseOptions none;
  none.duration_expressions = none.extended_range_selectors = none.fill_modifiers = false;
  EXPECT_TRUE(parse("foo[5m] offset -1m", none).ok());
  EXPECT_FALSE(parse("foo[5m + 1m]", none).ok());
  EXPECT_FALSE(parse("foo[5m] anchored", none).ok());
  EXPECT_FALSE(parse("a + fill(1) b", none).ok());
}

TEST(PromqlParser, NestingAndLengthAreBounded) {
  const auto repeated = [](std::string_view part, int times) {
    std::string out;
    for (int i = 0; i < times; ++i) out += part;
    return out;
  };
  for (const std::string_view part :
       {"(", "-", "sum(", "foo[(", "foo[-", "abs(", "1+", "1^", "a[5m:"}) {
    const auto deep = parse(repeated(part, 100'000), everything());
    EXPECT_FALSE(deep.ok()) << part;
  }
  EXPECT_TRUE(parse(repeated("(", 200) + "1" + repeated(")", 200)).ok());
  EXPECT_TRUE(parse(repeated("1+", 400) + "1").ok());
  EXPECT_NE(parse(repeated("1+", 600) + "1").status().message().find("nested"), std::string::npos);
  EXPECT_FALSE(parse("a" + repeated("[5m:]", 600)).ok());
  EXPECT_FALSE(parse("foo[1" + repeated("+1", 600) + "]").ok());
  EXPECT_FALSE(parse(std::string(kQueryBytesMax + 1, ' ')).ok());
}

TEST(PromqlParser, PositionsPointAtTheText) {
  const std::string_view query = "a + sum by (x) (rate(b{c=\"d\"}[5m] offset 1m)) > 2";
  const auto expr = parse(query);
  ASSERT_TRUE(expr.ok());
  const auto text = [query](const Expr& each) {
    return query.substr(each.position.begin, each.position.end - each.position.begin);
  };
  const auto& compared = as<BinaryExpr>(**expr);
  EXPECT_EQ(text(compared), query);
  const auto& sum = as<AggregateExpr>(*as<BinaryExpr>(*compared.left).right);
  EXPECT_EQ(text(sum), "sum by (x) (rate(b{c=\"d\"}[5m] offset 1m))");
  const auto& rate = as<CallExpr>(*sum.inner);
  EXPECT_EQ(text(rate), "rate(b{c=\"d\"}[5m] offset 1m)");
  EXPECT_EQ(text(*rate.arguments[0]), "b{c=\"d\"}[5m] offset 1m");
  EXPECT_EQ(line_and_column("a\nbc", 3), "2:2");
}

TEST(PromqlParser, SelectorsMetricsAndDurationsAlone) {
  const auto matchers = parse_selector("up{job=~\"a.*\"}");
  ASSERT_TRUE(matchers.ok());
  EXPECT_EQ(matchers->size(), 2U);
  EXPECT_FALSE(parse_selector("{a=\"\"}").ok());
  EXPECT_FALSE(parse_selector("up[5m]").ok());
  const auto labels = parse_metric("m{b=\"2\", \"c d\"='3',}");
  ASSERT_TRUE(labels.ok());
  EXPECT_EQ(labels->get("__name__"), "m");
  EXPECT_EQ(labels->get("c d"), "3");
  EXPECT_EQ(parse_metric("{\"m.n\"}")->get("__name__"), "m.n");
  EXPECT_FALSE(parse_metric("m{b!=\"2\"}").ok());
  EXPECT_EQ(*parse_duration_ms("1h30m"), 5'400'000);
  EXPECT_EQ(*parse_duration_ms("1.5"), 1500);
  EXPECT_EQ(*parse_duration_ms("300ms"), 300);
  EXPECT_FALSE(parse_duration_ms("1m1h").ok());
  EXPECT_FALSE(parse_duration_ms("NaN").ok());
}

TEST(PromqlDuration, ResolvesWithStepAndRange) {
  const auto range_ms = [](std::string_view duration, DurationContext context) {
    auto expr = parse("foo[" + std::string(duration) + "]");
    if (!expr.ok()) return expr.status().message();
    const Status status = resolve_durations(**expr, context);
    return status.ok() ? std::to_string(as<MatrixSelector>(**expr).range.ms) : status.message();
  };
  EXPECT_EQ(range_ms("step() + 1ms", {10'000, 0}), "10001");
  EXPECT_EQ(range_ms("max_of(range(), 1m) / 2", {0, 40'000}), "30000");
  EXPECT_EQ(range_ms("1h30m % 1h", {}), "1800000");
  EXPECT_EQ(range_ms("2 ^ 3 ^ 1", {}), "8000");
  EXPECT_EQ(range_ms("1m / (1 - 1)", {}), "division by zero");
  EXPECT_EQ(range_ms("1m % 0", {}), "modulo by zero");
  EXPECT_EQ(range_ms("1m - 2m", {}), "duration must be greater than 0");
  EXPECT_EQ(range_ms("9 ^ 99", {}), "duration is out of range");
}

TEST(PromqlPrinter, SplitsLongLines) {
  const auto pretty = [](std::string_view query) {
    const auto expr = parse(query);
    return expr.ok() ? to_pretty_text(**expr) : expr.status().message();
  };
  EXPECT_EQ(pretty("sum(rate(foo[5m]))"), "sum(rate(foo[5m]))");
  EXPECT_EQ(
      pretty("sum by (job) (rate(requests_total{code=\"500\",handler=\"/a/long/path\"}[5m])) / "
             "sum by (job) (rate(requests_total{handler=\"/a/long/path\"}[5m]))"),
      "  sum by (job) (rate(requests_total{code=\"500\",handler=\"/a/long/path\"}[5m]))\n"
      "/\n"
      "  sum by (job) (rate(requests_total{handler=\"/a/long/path\"}[5m]))");
  EXPECT_EQ(pretty("histogram_quantile(0.99, sum by (le) (rate(a_metric_with_quite_a_long_name_"
                   "bucket{environment=\"production\"}[5m])))"),
            "histogram_quantile(\n"
            "  0.99,\n"
            "  sum by (le) (rate(a_metric_with_quite_a_long_name_bucket{environment=\"production\"}"
            "[5m]))\n"
            ")");
}

TEST(PromqlLiteral, QuotesAndNumbers) {
  EXPECT_EQ(quote(std::string_view("a\"\\\n\x01\xff\0", 7)), R"("a\"\\\n\x01\xff\x00")");
  EXPECT_EQ(quote("é\u00a0"), "\"é\\u00a0\"");
  EXPECT_EQ(*unquote(R"('\'\x00')"), std::string("'\0", 2));
  EXPECT_FALSE(unquote("\"a").ok());
  EXPECT_EQ(format_number(1e21), "1000000000000000000000");
  EXPECT_EQ(format_number_short(1e21), "1e+21");
  EXPECT_EQ(format_unit_duration(90'061'001), "1d1h1m1s1ms");
  EXPECT_EQ(format_unit_duration(7LL * 86'400'000), "1w");
  EXPECT_EQ(format_unit_duration(INT64_MIN).substr(0, 1), "-");
  EXPECT_EQ(*parse_number("08"), 8);
  EXPECT_EQ(*parse_number("0b101"), 5);
  EXPECT_EQ(*parse_number("1e-999"), 0);
  EXPECT_FALSE(parse_number("1__0").ok());
  EXPECT_FALSE(parse_number("").ok());
}

}  // namespace
}  // namespace gatehouse::promql

// Matchers as Alertmanager writes them, in both of its grammars: the older ("classic":
// foo="bar", foo=~bar) and UTF-8, where a name or value is quoted or holds none of
// {}!=~,\"'` and white space. After prometheus.io/docs/alerting/latest/configuration/#matcher;
// what both read alike is one; where they differ the classic meaning counts, with a
// notice, as Alertmanager's fallback mode does.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/matcher.h"

namespace gatehouse::alerts {

using Matchers = std::vector<model::Matcher>;

// One matcher: severity=~"warning|critical". kInvalidArgument: what is wrong, and where.
// `notice`, if given, is set where the two grammars disagree.
Result<model::Matcher> parse_matcher(std::string_view text, std::string* notice = nullptr);
// "{a="b", c!="d"}" or the same without braces.
Result<Matchers> parse_matchers(std::string_view text, std::string* notice = nullptr);

// The two grammars, each by itself. The classic one splits at commas outside quotes and
// reads NAME OP VALUE; the newer one gives places as "0:COLUMN".
Result<Matchers> parse_classic_matchers(std::string_view text);
Result<model::Matcher> parse_classic_matcher(std::string_view text);
Result<Matchers> parse_utf8_matchers(std::string_view text);

bool matches_all(const Matchers& matchers, const model::Labels& labels);

// As Alertmanager writes one, name="value", and several: {a="b",c!="d"}. Part of the keys
// of groups, so that it must not change.
std::string matcher_text(const model::Matcher& matcher);
std::string matchers_text(const Matchers& matchers);
// By name, value and operator: Alertmanager's order within a route or silence.
void sort_matchers(Matchers& matchers);

// As Go's %q writes a string.
std::string go_quoted(std::string_view text);

}  // namespace gatehouse::alerts

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

bool matches_all(const Matchers& matchers, const model::Labels& labels);

}  // namespace gatehouse::alerts

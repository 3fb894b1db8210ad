#include "alerts/routing_config.h"

#include <algorithm>
#include <string_view>

#include "base/text.h"

namespace gatehouse::alerts {

namespace {

using wire::ConfigFields;
using wire::ConfigLog;
using wire::YamlNode;

// Routes within routes; the YAML reader's own bound is 64 levels, two of them a route.
constexpr int kRouteDepthMax = 32;

bool classic_label_name(std::string_view name) {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  return !name.empty() && letter(name[0]) && std::all_of(name.begin(), name.end(), [&](char c) {
    return letter(c) || (c >= '0' && c <= '9');
  });
}

bool label_name(std::string_view name) { return !name.empty() && valid_utf8(name); }

// matchers: a list of texts, each of one matcher or several.
void read_matcher_list(ConfigFields& fields, std::string_view key, Matchers& out) {
  const YamlNode* list = fields.take(key);
  if (list == nullptr) return;
  if (!list->is_sequence()) {
    fields.log().problem(list->mark, std::string(key) + ": a list of matchers is expected");
    return;
  }
  for (const YamlNode* item : list->items) {
    if (!item->is_scalar()) {
      fields.log().problem(item->mark, std::string(key) + ": a matcher in quotes is expected");
      continue;
    }
    std::string notice;
    auto matchers = parse_matchers(item->value, &notice);
    if (!matchers.ok()) {
      fields.log().problem(item->mark, matchers.status().message());
      continue;
    }
    if (!notice.empty()) fields.log().notice(item->mark, notice);
    out.insert(out.end(), matchers->begin(), matchers->end());
  }
}

// match and match_re, and the same for both sides of an inhibition: a mapping of names.
void read_matcher_map(ConfigFields& fields, std::string_view key, model::Matcher::Op op,
                      Matchers& out) {
  const YamlNode* node = fields.take(key);
  if (node == nullptr) return;
  if (!node->is_mapping()) {
    fields.log().problem(node->mark, std::string(key) + ": a mapping of strings is expected");
    return;
  }
  for (const wire::YamlEntry& entry : node->entries) {
    if (!entry.key->is_scalar() || !entry.value->is_scalar()) {
      fields.log().problem(entry.key->mark,
                           std::string(key) + ": a mapping of strings is expected");
      continue;
    }
    if (!classic_label_name(entry.key->value)) {
      fields.log().problem(entry.key->mark, "invalid label name " + go_quoted(entry.key->value));
      continue;
    }
    if (op == model::Matcher::Op::kRegex && entry.value->is_null()) {
      fields.log().problem(entry.value->mark,
                           "invalid regexp value for " + go_quoted(entry.key->value));
      continue;
    }
    auto matcher = model::Matcher::create(op, entry.key->value,
                                          entry.value->is_null() ? "" : entry.value->value);
    if (matcher.ok()) {
      out.push_back(std::move(*matcher));
    } else {
      fields.log().problem(entry.value->mark, matcher.status().message());
    }
  }
}

void read_group_by(ConfigFields& fields, Route& route) {
  std::vector<std::string> names;
  if (!fields.texts("group_by", names)) return;
  const wire::YamlMark mark = fields.node().get("group_by")->mark;
  std::vector<std::string> labels;
  bool all = false;
  for (std::string& name : names) {
    if (name == "...") {
      all = true;
    } else if (!label_name(name)) {
      fields.log().problem(mark, "invalid label name " + go_quoted(name) + " in group_by list");
    } else if (std::find(labels.begin(), labels.end(), name) != labels.end()) {
      fields.log().problem(mark, "duplicated label " + go_quoted(name) + " in group_by");
    } else {
      labels.push_back(std::move(name));
    }
  }
  if (all && !labels.empty()) {
    fields.log().problem(mark,
                         "cannot have wildcard group_by (`...`) and other labels at the same time");
  }
  // An empty list says nothing.
  if (!labels.empty()) {
    route.group_by = std::move(labels);
    route.group_by_all = false;
  } else if (all) {
    route.group_by_all = true;
  }
}

void read_interval_names(ConfigFields& fields, std::string_view key, const RouteNames& names,
                         std::vector<std::string>& out) {
  out.clear();
  if (!fields.texts(key, out)) return;
  for (const std::string& name : out) {
    if (names.time_intervals.contains(name)) continue;
    fields.log().problem(fields.node().get(key)->mark,
                         "undefined time interval " + go_quoted(name) + " used in route");
  }
}

void read_own(ConfigFields& fields, const RouteNames& names, bool root, Route& route) {
  ConfigLog& log = fields.log();
  const YamlNode& node = fields.node();
  if (fields.text("receiver", route.receiver) && !route.receiver.empty() &&
      !names.receivers.contains(route.receiver)) {
    log.problem(node.get("receiver")->mark,
                "undefined receiver " + go_quoted(route.receiver) + " used in route");
  }
  if (root && route.receiver.empty()) {
    log.problem(node.mark, "root route must specify a default receiver");
  }
  read_group_by(fields, route);
  fields.duration("group_wait", route.group_wait_ms);
  for (const auto& [key, out] : {std::pair{"group_interval", &route.group_interval_ms},
                                 std::pair{"repeat_interval", &route.repeat_interval_ms}}) {
    if (fields.duration(key, *out) && *out == 0) {
      log.problem(node.get(key)->mark, std::string(key) + " cannot be zero");
    }
  }
  read_matcher_map(fields, "match", model::Matcher::Op::kEqual, route.matchers);
  read_matcher_map(fields, "match_re", model::Matcher::Op::kRegex, route.matchers);
  read_matcher_list(fields, "matchers", route.matchers);
  sort_matchers(route.matchers);
  fields.boolean("continue", route.go_on);
  read_interval_names(fields, "mute_time_intervals", names, route.mute_time_intervals);
  read_interval_names(fields, "active_time_intervals", names, route.active_time_intervals);
  if (!root) return;
  if (!route.matchers.empty()) log.problem(node.mark, "root route must not have any matchers");
  if (!route.mute_time_intervals.empty()) {
    log.problem(node.mark, "root route must not have any mute time intervals");
  }
  if (!route.active_time_intervals.empty()) {
    log.problem(node.mark, "root route must not have any active time intervals");
  }
  if (route.go_on) log.problem(node.mark, "cannot have continue in root route");
}

void read_route(ConfigLog& log, const YamlNode& node, const RouteNames& names, const Route* parent,
                size_t place, int depth, Route& route) {
  if (parent != nullptr) {
    route.receiver = parent->receiver;
    route.group_by = parent->group_by;
    route.group_by_all = parent->group_by_all;
    route.group_wait_ms = parent->group_wait_ms;
    route.group_interval_ms = parent->group_interval_ms;
    route.repeat_interval_ms = parent->repeat_interval_ms;
  }
  ConfigFields fields(log, node, "route");
  read_own(fields, names, parent == nullptr, route);
  const std::string own = matchers_text(route.matchers);
  route.key = parent == nullptr ? own : parent->key + "/" + own;
  route.id = parent == nullptr ? own : parent->id + "/" + own + "/" + std::to_string(place);
  const YamlNode* children = fields.take("routes");
  fields.done();
  if (children == nullptr) return;
  if (!children->is_sequence()) {
    log.problem(children->mark, "routes: a list is expected");
    return;
  }
  if (depth == kRouteDepthMax) {
    log.problem(children->mark, "routes lie too deep within routes");
    return;
  }
  for (size_t i = 0; i < children->items.size(); ++i) {
    auto child = std::make_unique<Route>();
    read_route(log, *children->items[i], names, &route, i, depth + 1, *child);
    route.routes.push_back(std::move(child));
  }
}

}  // namespace

std::unique_ptr<Route> read_route_tree(ConfigLog& log, const YamlNode& node,
                                       const RouteNames& names) {
  auto root = std::make_unique<Route>();
  read_route(log, node, names, nullptr, 0, 0, *root);
  return root;
}

InhibitRule read_inhibit_rule(ConfigLog& log, const YamlNode& node) {
  using Op = model::Matcher::Op;
  InhibitRule rule;
  ConfigFields fields(log, node, "inhibit_rule");
  fields.text("name", rule.name);
  read_matcher_map(fields, "source_match", Op::kEqual, rule.source);
  read_matcher_map(fields, "source_match_re", Op::kRegex, rule.source);
  read_matcher_list(fields, "source_matchers", rule.source);
  read_matcher_map(fields, "target_match", Op::kEqual, rule.target);
  read_matcher_map(fields, "target_match_re", Op::kRegex, rule.target);
  read_matcher_list(fields, "target_matchers", rule.target);
  fields.texts("equal", rule.equal);
  for (const std::string& name : rule.equal) {
    if (!label_name(name)) {
      log.problem(node.get("equal")->mark,
                  "invalid label name " + go_quoted(name) + " in equal list");
    }
  }
  fields.done();
  return rule;
}

void read_named_time_intervals(ConfigLog& log, const YamlNode& list, bool old_name,
                               std::map<std::string, NamedTimeIntervals>& out) {
  const std::string what = old_name ? "mute time interval" : "time interval";
  if (!list.is_sequence()) {
    log.problem(list.mark, what + "s: a list is expected");
    return;
  }
  for (const YamlNode* item : list.items) {
    ConfigFields fields(log, *item, old_name ? "mute_time_interval" : "time_interval");
    NamedTimeIntervals named;
    fields.text("name", named.name);
    if (named.name.empty()) log.problem(item->mark, "missing name in " + what);
    if (const YamlNode* intervals = fields.take("time_intervals")) {
      if (!intervals->is_sequence()) {
        log.problem(intervals->mark, "time_intervals: a list is expected");
      }
      for (const YamlNode* each : intervals->items) {
        named.intervals.push_back(read_time_interval(log, *each));
      }
    }
    fields.done();
    const std::string name = named.name;
    if (!out.emplace(name, std::move(named)).second) {
      log.problem(item->mark, what + " " + go_quoted(name) + " is not unique");
    }
  }
}

}  // namespace gatehouse::alerts

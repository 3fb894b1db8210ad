#include "alerts/config.h"

#include <utility>

#include "alerts/routing_config.h"
#include "alerts/shown_config.h"
#include "base/files.h"

namespace gatehouse::alerts {

namespace {

using wire::ConfigFields;
using wire::ConfigLog;
using wire::YamlNode;

constexpr size_t kConfigBytesMax = 16 << 20;
// Alertmanager's own templates are 60 KiB; a file of 1 MiB is no template.
constexpr size_t kTemplateBytesMax = 1 << 20;

const YamlNode* take_list(ConfigFields& fields, std::string_view key) {
  const YamlNode* list = fields.take(key);
  if (list == nullptr || list->is_sequence()) return list;
  fields.log().problem(list->mark, std::string(key) + ": a list is expected");
  return nullptr;
}

Receiver read_receiver(ConfigLog& log, const YamlNode& node, const Globals& globals) {
  Receiver out;
  ConfigFields fields(log, node, "receiver");
  fields.text("name", out.name);
  if (out.name.empty()) log.problem(node.mark, "missing name in receiver");
  for (const IntegrationKind& kind : integration_kinds()) {
    const YamlNode* list = take_list(fields, kind.key);
    if (list == nullptr) continue;
    int index = 0;
    for (const YamlNode* item : list->items) {
      ConfigFields entry(log, *item, kind.key.substr(0, kind.key.size() - 1));
      auto integration = kind.read(entry, globals);
      entry.done();
      if (integration == nullptr) continue;
      integration->index = index++;
      out.integrations.push_back(std::move(integration));
    }
  }
  fields.done();
  return out;
}

void read_receivers(ConfigLog& log, const YamlNode& list, const Globals& globals,
                    AlertmanagerConfig& out) {
  for (const YamlNode* item : list.items) {
    Receiver receiver = read_receiver(log, *item, globals);
    std::string name = receiver.name;
    if (name.empty()) continue;
    if (!out.receivers.emplace(name, std::move(receiver)).second) {
      log.problem(item->mark, "notification config name " + go_quoted(name) + " is not unique");
      continue;
    }
    out.receiver_names.push_back(std::move(name));
  }
}

// The template files' texts; which they are is decided by patterns.
void read_templates(ConfigLog& log, const YamlNode* mark_of, AlertmanagerConfig& out) {
  std::vector<std::pair<std::string, std::string>> texts;
  for (const std::string& pattern : out.template_files) {
    for (const std::string& path : files_matching(pattern)) {
      auto text = read_file(path, kTemplateBytesMax);
      if (!text.ok()) {
        log.problem(mark_of->mark, "templates: " + text.status().message());
        continue;
      }
      out.files.push_back(path);
      texts.emplace_back(path, std::move(*text));
    }
  }
  auto templates = NotificationTemplates::create(texts);
  if (templates.ok()) {
    out.templates = std::move(*templates);
  } else {
    log.problem(mark_of->mark, "templates: " + templates.status().message());
  }
}

void read_root(ConfigLog& log, const YamlNode& root, AlertmanagerConfig& out) {
  ConfigFields fields(log, root, "config");
  const YamlNode* global = fields.take("global");
  const Globals globals = read_globals(log, global, &out.resolve_timeout_ms);
  if (const YamlNode* list = take_list(fields, "receivers")) {
    read_receivers(log, *list, globals, out);
  }
  if (const YamlNode* list = fields.take("mute_time_intervals")) {
    read_named_time_intervals(log, *list, true, out.time_intervals);
  }
  if (const YamlNode* list = fields.take("time_intervals")) {
    read_named_time_intervals(log, *list, false, out.time_intervals);
  }
  RouteNames names;
  for (const auto& [name, receiver] : out.receivers) names.receivers.insert(name);
  for (const auto& [name, intervals] : out.time_intervals) names.time_intervals.insert(name);
  if (const YamlNode* route = fields.take("route")) {
    out.route = read_route_tree(log, *route, names);
  } else {
    log.problem(root.mark, "no route provided in config");
  }
  if (const YamlNode* list = take_list(fields, "inhibit_rules")) {
    for (const YamlNode* item : list->items) {
      out.inhibit_rules.push_back(read_inhibit_rule(log, *item));
    }
  }
  fields.texts("templates", out.template_files);
  for (std::string& file : out.template_files) file = wire::resolve_path(log.file, file);
  const YamlNode* templates = root.get("templates");
  fields.ignore("tracing", "there are no traces");
  fields.done();
  read_templates(log, templates != nullptr ? templates : &root, out);
}

}  // namespace

Result<std::shared_ptr<const AlertmanagerConfig>> read_alertmanager_config(
    std::string_view text, const std::string& name) {
  wire::YamlOptions options;
  options.name = name;
  ASSIGN_OR_RETURN(const wire::YamlStream yaml, wire::parse_yaml(text, options));
  auto config = std::make_shared<AlertmanagerConfig>();
  ConfigLog log{name, {}, {}};
  if (yaml.documents().empty() || yaml.documents().front()->is_null()) {
    log.problem({}, "no route provided in config");
  } else {
    if (yaml.documents().size() > 1) {
      log.problem(yaml.documents()[1]->mark, "one document is expected");
    }
    read_root(log, *yaml.documents().front(), *config);
    config->original = shown_config(*yaml.documents().front());
  }
  config->notices = std::move(log.notices);
  if (log.problems.empty()) return std::shared_ptr<const AlertmanagerConfig>(std::move(config));
  std::string all;
  for (const std::string& line : log.problems) all += (all.empty() ? "" : "\n") + line;
  return invalid_argument(std::move(all));
}

Result<std::shared_ptr<const AlertmanagerConfig>> load_alertmanager_config(
    const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, read_file(path, kConfigBytesMax));
  return read_alertmanager_config(text, path);
}

}  // namespace gatehouse::alerts

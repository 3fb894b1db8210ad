// What templates see of a notification, after prometheus.io/docs/alerting/latest/notifications:
// Data, Alert, KV and Pairs as Objects of lang/gotemplate. An Object shares what it shows with
// the values made of it; nothing refers to the Notification afterwards.
#include <algorithm>
#include <set>

#include "alerts/templates.h"
#include "base/text.h"
#include "wire/json.h"

namespace gatehouse::alerts {

namespace {

using gotemplate::List;
using gotemplate::Map;
using gotemplate::Object;
using gotemplate::Value;
using Pair = std::pair<std::string, std::string>;
using Pairs = std::vector<Pair>;  // sorted by name
using Arguments = std::span<const Value>;
using Member = std::optional<Result<Value>>;

// No end is known: Go's zero time, for which lang/gotemplate takes 0.
const gotemplate::Time kNoTime;

Result<Value> no_arguments(std::string_view name, Arguments arguments, Value value) {
  if (arguments.empty()) return value;
  return invalid_argument("wrong number of args for " + std::string(name) + ": want 0 got " +
                          std::to_string(arguments.size()));
}

template <typename T, typename... Parts>
Value object(Parts&&... parts) {
  return Value(std::shared_ptr<const Object>(std::make_shared<T>(std::forward<Parts>(parts)...)));
}

class PairObject final : public Object {
 public:
  explicit PairObject(Pair pair) : pair_(std::move(pair)) {}
  Member member(std::string_view name, Arguments arguments) const override {
    if (name == "Name") return no_arguments(name, arguments, pair_.first);
    if (name == "Value") return no_arguments(name, arguments, pair_.second);
    return std::nullopt;
  }
  std::string text() const override { return "{" + pair_.first + " " + pair_.second + "}"; }

 private:
  Pair pair_;
};

Value list_of(const Pairs& pairs, std::string Pair::*part) {
  List list;
  for (const Pair& pair : pairs) list.push_back(pair.*part);
  return list;
}

class PairsObject final : public Object {
 public:
  explicit PairsObject(Pairs pairs) : pairs_(std::move(pairs)) {
    for (const Pair& pair : pairs_) list_.push_back(object<PairObject>(pair));
  }
  Member member(std::string_view name, Arguments arguments) const override {
    if (name == "Names") return no_arguments(name, arguments, list_of(pairs_, &Pair::first));
    if (name == "Values") return no_arguments(name, arguments, list_of(pairs_, &Pair::second));
    if (name == "String") return no_arguments(name, arguments, text());
    return std::nullopt;
  }
  std::string text() const override {
    std::string out;
    for (const auto& [name, value] : pairs_) {
      out += (out.empty() ? "" : ", ") + name + "=" + value;
    }
    return out;
  }
  const List* list() const override { return &list_; }

 private:
  Pairs pairs_;
  List list_;
};

// Names of a list that a template gives: of strings, or of what prints as one.
std::set<std::string, std::less<>> names_in(const Value& value) {
  std::set<std::string, std::less<>> names;
  const List* list = nullptr;
  if (const auto* plain = value.as<std::shared_ptr<const List>>()) list = plain->get();
  if (const auto* shared = value.as<std::shared_ptr<const Object>>()) list = (*shared)->list();
  if (list == nullptr) return names;
  for (const Value& item : *list) names.insert(item.text());
  return names;
}

class KvObject final : public Object {
 public:
  explicit KvObject(Pairs pairs) : pairs_(std::move(pairs)) {
    for (const auto& [name, value] : pairs_) map_.emplace(name, value);
  }
  Member member(std::string_view name, Arguments arguments) const override {
    if (name == "SortedPairs") return no_arguments(name, arguments, sorted_pairs());
    if (name == "Names") return no_arguments(name, arguments, list_of(in_order(), &Pair::first));
    if (name == "Values") return no_arguments(name, arguments, list_of(in_order(), &Pair::second));
    if (name == "String") return no_arguments(name, arguments, PairsObject(in_order()).text());
    if (name == "Remove") return remove(arguments);
    // A map's key; one that is not there is the empty string ("missingkey=zero").
    const auto found = map_.find(name);
    return no_arguments(name, arguments, found == map_.end() ? Value("") : found->second);
  }
  std::string text() const override {
    std::string out = "map[";
    for (const auto& [name, value] : pairs_) {
      out += (out.size() == 4 ? "" : " ") + name + ":" + value;
    }
    return out + "]";
  }
  const Map* map() const override { return &map_; }

 private:
  // The alert's name leads, then by name.
  Pairs in_order() const {
    Pairs out = pairs_;
    std::stable_partition(out.begin(), out.end(),
                          [](const Pair& pair) { return pair.first == "alertname"; });
    return out;
  }
  Value sorted_pairs() const { return object<PairsObject>(in_order()); }
  Result<Value> remove(Arguments arguments) const {
    if (arguments.size() != 1) {
      return invalid_argument("wrong number of args for Remove: want 1 got " +
                              std::to_string(arguments.size()));
    }
    const auto names = names_in(arguments[0]);
    Pairs left;
    for (const Pair& pair : pairs_) {
      if (!names.contains(pair.first)) left.push_back(pair);
    }
    return object<KvObject>(std::move(left));
  }

  Pairs pairs_;
  Map map_;
};

// An Object of fields alone.
class Fields final : public Object {
 public:
  explicit Fields(std::vector<std::pair<std::string, Value>> fields) : fields_(std::move(fields)) {}
  Member member(std::string_view name, Arguments arguments) const override {
    for (const auto& [field, value] : fields_) {
      if (field == name) return no_arguments(name, arguments, value);
    }
    return std::nullopt;
  }
  std::string text() const override {
    std::string out = "{";
    for (const auto& [name, value] : fields_) out += (out.size() == 1 ? "" : " ") + value.text();
    return out + "}";
  }

 private:
  std::vector<std::pair<std::string, Value>> fields_;
};

struct ShownAlert {
  bool resolved = false;
  Value value;
};

class AlertsObject final : public Object {
 public:
  explicit AlertsObject(std::vector<ShownAlert> alerts) : alerts_(std::move(alerts)) {
    for (const ShownAlert& alert : alerts_) list_.push_back(alert.value);
  }
  Member member(std::string_view name, Arguments arguments) const override {
    if (name == "Firing") return no_arguments(name, arguments, those(false));
    if (name == "Resolved") return no_arguments(name, arguments, those(true));
    return std::nullopt;
  }
  std::string text() const override { return Value(list_).text(); }
  const List* list() const override { return &list_; }

 private:
  Value those(bool resolved) const {
    std::vector<ShownAlert> out;
    for (const ShownAlert& alert : alerts_) {
      if (alert.resolved == resolved) out.push_back(alert);
    }
    return object<AlertsObject>(std::move(out));
  }

  std::vector<ShownAlert> alerts_;
  List list_;
};

struct AlertFields {
  bool resolved = false;
  Pairs labels, annotations;
  gotemplate::Time starts_at, ends_at;
  std::string generator_url, fingerprint;
};

ShownAlert shown(AlertFields fields) {
  std::vector<std::pair<std::string, Value>> members = {
      {"Status", fields.resolved ? "resolved" : "firing"},
      {"Labels", object<KvObject>(std::move(fields.labels))},
      {"Annotations", object<KvObject>(std::move(fields.annotations))},
      {"StartsAt", std::move(fields.starts_at)},
      {"EndsAt", std::move(fields.ends_at)},
      {"GeneratorURL", std::move(fields.generator_url)},
      {"Fingerprint", std::move(fields.fingerprint)},
  };
  return {fields.resolved, object<Fields>(std::move(members))};
}

gotemplate::Time time_of(int64_t unix_ms) { return {unix_ms * 1'000'000, {}}; }

// The pairs that all have.
template <typename Get>
Pairs in_all(const Notification& notification, const Get& get) {
  Pairs out;
  bool first = true;
  for (const NotifiedAlert& each : notification.alerts) {
    const Pairs& mine = get(each);
    if (first) out = mine;
    first = false;
    std::erase_if(out, [&](const Pair& pair) {
      return std::find(mine.begin(), mine.end(), pair) == mine.end();
    });
  }
  std::sort(out.begin(), out.end());
  return out;
}

Pairs pairs_in(const wire::JsonView& view) {
  Pairs out;
  for (const auto& [name, value] : view.members()) {
    out.emplace_back(name, value.string().value_or(""));
  }
  std::sort(out.begin(), out.end());
  return out;
}

gotemplate::Time time_in(const wire::JsonView& view) {
  const auto text = view.string();
  const auto ns = text ? parse_time_ns(*text) : std::nullopt;
  if (!ns) return kNoTime;
  return {*ns, {}};
}

}  // namespace

std::vector<Pair> common_labels(const Notification& notification) {
  return in_all(notification, [](const NotifiedAlert& each) -> const Pairs& {
    return each.alert.labels.pairs();
  });
}

std::vector<Pair> common_annotations(const Notification& notification) {
  return in_all(notification,
                [](const NotifiedAlert& each) -> const Pairs& { return each.alert.annotations; });
}

std::string template_receiver_name(std::string_view receiver) {
  std::string out;
  for (const char c : receiver.substr(0, receiver.find('/'))) {
    if (std::string_view("\\.+*?()|[]{}^$").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

std::string go_json_time(int64_t unix_ms) {
  std::string text = format_time(unix_ms * 1'000'000);  // "...:05.670Z"
  text.pop_back();
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text + "Z";
}

gotemplate::Value template_data(const Notification& notification) {
  std::vector<ShownAlert> alerts;
  for (const NotifiedAlert& each : notification.alerts) {
    AlertFields fields;
    fields.resolved = each.resolved;
    fields.labels = each.alert.labels.pairs();
    fields.annotations = each.alert.annotations;
    std::sort(fields.annotations.begin(), fields.annotations.end());
    fields.starts_at = time_of(each.alert.starts_at_ms);
    const bool ended = each.resolved && each.alert.ends_at_ms != 0;
    fields.ends_at = ended ? time_of(each.alert.ends_at_ms) : kNoTime;
    fields.generator_url = each.alert.generator_url;
    fields.fingerprint = fingerprint_text(each.fingerprint);
    alerts.push_back(shown(std::move(fields)));
  }
  std::vector<std::pair<std::string, Value>> members = {
      {"Receiver", template_receiver_name(notification.receiver)},
      {"Status", notification.firing() ? "firing" : "resolved"},
      {"Alerts", object<AlertsObject>(std::move(alerts))},
      {"GroupLabels", object<KvObject>(notification.group_labels.pairs())},
      {"CommonLabels", object<KvObject>(common_labels(notification))},
      {"CommonAnnotations", object<KvObject>(common_annotations(notification))},
      {"ExternalURL", notification.external_url},
      {"GroupKey", notification.group_key},
  };
  return object<Fields>(std::move(members));
}

Result<gotemplate::Value> template_data_from_json(std::string_view json) {
  ASSIGN_OR_RETURN(const wire::JsonDocument document, wire::JsonDocument::parse(json));
  const wire::JsonView root = document.root();
  if (!root.is_object()) return invalid_argument("an object is expected");
  std::vector<ShownAlert> alerts;
  for (const wire::JsonView item : root["alerts"].items()) {
    AlertFields fields;
    fields.resolved = item["status"].string().value_or("") == "resolved";
    fields.labels = pairs_in(item["labels"]);
    fields.annotations = pairs_in(item["annotations"]);
    fields.starts_at = time_in(item["startsAt"]);
    fields.ends_at = time_in(item["endsAt"]);
    fields.generator_url = item["generatorURL"].string().value_or("");
    fields.fingerprint = item["fingerprint"].string().value_or("");
    alerts.push_back(shown(std::move(fields)));
  }
  const auto text = [&root](std::string_view key) {
    return Value(root[key].string().value_or(""));
  };
  std::vector<std::pair<std::string, Value>> members = {
      {"Receiver", text("receiver")},
      {"Status", text("status")},
      {"Alerts", object<AlertsObject>(std::move(alerts))},
      {"GroupLabels", object<KvObject>(pairs_in(root["groupLabels"]))},
      {"CommonLabels", object<KvObject>(pairs_in(root["commonLabels"]))},
      {"CommonAnnotations", object<KvObject>(pairs_in(root["commonAnnotations"]))},
      {"ExternalURL", text("externalURL")},
      {"GroupKey", text("groupKey")},
  };
  return object<Fields>(std::move(members));
}

}  // namespace gatehouse::alerts

#include "rules/alert_history.h"

#include <array>
#include <cstdio>
#include <deque>

#include "base/log.h"
#include "wire/json.h"

namespace gatehouse::rules {

namespace {

// A write of the log stays far below its bound of 16 MiB: labels and a summary of 4 KiB each.
constexpr size_t kBatch = 500;

std::string as_json(const model::Labels& labels) {
  std::string out;
  wire::JsonWriter json(out);
  json.begin_object();
  for (const auto& [name, value] : labels.pairs()) json.member(name, value);
  json.end_object();
  return out;
}

std::string hexadecimal(uint64_t hash) {
  std::array<char, 17> text{};
  std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(hash));
  return {text.data(), 16};
}

std::string_view summary_of(const std::vector<std::pair<std::string, std::string>>& annotations) {
  for (const auto& [name, value] : annotations) {
    if (name == "summary") return value;
  }
  return {};
}

Severity severity_of(std::string_view kind) {
  return kind == "firing" || kind == "vanished" ? Severity::kWarning : Severity::kInfo;
}

}  // namespace

struct AlertHistory::Entry {
  std::string_view kind;
  const model::Labels* labels;
  std::string_view summary;
  double value;
  int64_t active_at_ms;
};

void AlertHistory::write(const RuleGroup& group, int64_t time_ms,
                         std::span<const AlertChange> changes) {
  std::vector<Entry> entries;
  for (const AlertChange& change : changes) {
    entries.push_back({name(change.kind), &change.labels, summary_of(change.annotations),
                       change.value, change.active_at_ms});
  }
  append(group, time_ms, entries);
}

void AlertHistory::write_removed(const RuleGroup& group, int64_t time_ms,
                                 std::span<const ActiveAlert> alerts) {
  std::vector<Entry> entries;
  for (const ActiveAlert& alert : alerts) {
    if (alert.state == AlertState::kInactive) continue;  // its end is written down
    entries.push_back(
        {"removed", &alert.labels, summary_of(alert.annotations), alert.value, alert.active_at_ms});
  }
  append(group, time_ms, entries);
}

void AlertHistory::append(const RuleGroup& group, int64_t time_ms, std::span<const Entry> entries) {
  if (entries.empty()) return;
  Status written;
  const auto stream = records_.stream(model::Labels{{"stream", "alerts"}});
  if (!stream.ok()) written = stream.status();
  while (!entries.empty() && written.ok()) {
    const auto part = entries.first(std::min(kBatch, entries.size()));
    entries = entries.subspan(part.size());
    std::deque<std::string> texts;  // addresses stay
    std::deque<std::array<model::Attribute, 10>> attributes;
    std::vector<model::StreamRecord> batch;
    const auto keep = [&texts](std::string text) {
      return std::string_view(texts.emplace_back(std::move(text)));
    };
    for (const Entry& entry : part) {
      attributes.push_back(
          {{{"kind", entry.kind},
            {"source", std::string_view("rules")},
            {"alertname", entry.labels->get("alertname")},
            {"fingerprint", keep(hexadecimal(model::alert_fingerprint(*entry.labels)))},
            {"labels", keep(as_json(*entry.labels))},
            {"value", entry.value},
            {"starts_at_ms", entry.active_at_ms},
            {"group", std::string_view(group.name)},
            {"file", std::string_view(group.file)},
            {"summary", entry.summary}}});
      model::Record record;
      record.time_ns = time_ms * 1'000'000;
      record.severity = severity_of(entry.kind);
      record.body = keep(std::string(entry.kind) + ": " + entry.labels->to_string());
      record.attributes = attributes.back();
      batch.push_back({*stream, record});
    }
    const auto appended = records_.append(batch);
    if (!appended.ok()) written = appended.status();
  }
  const bool failing = !written.ok();
  if (failing_.exchange(failing) == failing || !failing) return;
  log_error("changes of alerts are not written down", {{"reason", written.message()}});
}

}  // namespace gatehouse::rules

#include "alerts/attempt.h"

#include <algorithm>

#include "base/loop.h"

namespace gatehouse::alerts {

namespace {

// All templates of one notification together: a page of text takes a millisecond.
constexpr int64_t kTemplatesMs = 5'000;
// Alerts in a plain body: who reads it looks into the console for more.
constexpr size_t kPlainAlertsMax = 20;
// Bytes of one label's or annotation's value in it.
constexpr size_t kPlainValueBytesMax = 500;
// Shorter ones would blank out words of a message, and are no secrets.
constexpr size_t kSecretBytesMin = 4;

constexpr std::string_view kEllipsis = "…";  // one character, three bytes

bool continues(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

void append_pairs(std::string& out, const std::vector<std::pair<std::string, std::string>>& pairs) {
  for (const auto& [name, value] : pairs) {
    std::string shown = value;
    truncate_bytes(shown, kPlainValueBytesMax);
    out += " - " + name + " = " + shown + "\n";
  }
}

std::string html_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&#34;"; break;
      default: out += c;
    }
  }
  return out;
}

}  // namespace

bool truncate_characters(std::string& text, size_t most) {
  if (text.size() <= most) return false;  // no more characters than bytes
  size_t count = 0, keep = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (continues(text[i])) continue;
    // Room for the mark of the cut, where there is room for anything.
    if (count == (most > 3 ? most - 1 : most)) keep = i;
    if (++count > most) break;
  }
  if (count <= most) return false;
  text.resize(keep);
  if (most > 3) text += kEllipsis;
  return true;
}

bool truncate_bytes(std::string& text, size_t most) {
  if (text.size() <= most) return false;
  size_t keep = most > kEllipsis.size() ? most - kEllipsis.size() : most;
  while (keep > 0 && continues(text[keep])) --keep;
  text.resize(keep);
  if (most > kEllipsis.size()) text += kEllipsis;
  return true;
}

std::string plain_subject(const Notification& notification) {
  const auto firing = std::count_if(notification.alerts.begin(), notification.alerts.end(),
                                    [](const NotifiedAlert& alert) { return !alert.resolved; });
  std::string out = firing > 0 ? "[FIRING:" + std::to_string(firing) + "]" : "[RESOLVED]";
  for (const auto& [name, value] : notification.group_labels.pairs()) out += " " + value;
  return out;
}

std::string plain_body(const Notification& notification) {
  std::string out = plain_subject(notification) + "\n\n";
  size_t shown = 0;
  for (const NotifiedAlert& each : notification.alerts) {
    if (shown++ == kPlainAlertsMax) {
      out += "and " + std::to_string(notification.alerts.size() - kPlainAlertsMax) + " more\n";
      break;
    }
    out += each.resolved ? "Resolved:\n" : "Firing:\n";
    append_pairs(out, each.alert.labels.pairs());
    if (!each.alert.annotations.empty()) out += "Annotations:\n";
    append_pairs(out, each.alert.annotations);
    if (!each.alert.generator_url.empty()) out += "Source: " + each.alert.generator_url + "\n";
    out += "\n";
  }
  return out;
}

Attempt::Attempt(const NotificationTemplates& templates, const Notification& notification,
                 int64_t deadline_steady_ms, int64_t wall_ns)
    : templates_(templates),
      notification_(notification),
      template_deadline_ms_(std::min(deadline_steady_ms, steady_ms() + kTemplatesMs)),
      wall_ns_(wall_ns) {}

const gotemplate::Value& Attempt::data() {
  if (!has_data_) {
    data_ = template_data(notification_);
    has_data_ = true;
  }
  return data_;
}

std::string Attempt::fallback(const Status& why, Plain plain) {
  note_failure(why);
  if (plain == Plain::kSubject) return plain_subject(notification_);
  return plain == Plain::kBody ? plain_body(notification_) : std::string();
}

std::string Attempt::text(std::string_view source, Plain plain) {
  if (source.find("{{") == std::string_view::npos) return std::string(source);
  Result<std::string> made = templates_.text(source, data(), template_deadline_ms_);
  return made.ok() ? std::move(*made) : fallback(made.status(), plain);
}

std::string Attempt::html(std::string_view source, Plain plain) {
  if (source.find("{{") == std::string_view::npos) return std::string(source);
  Result<std::string> made = templates_.html(source, data(), template_deadline_ms_);
  return made.ok() ? std::move(*made) : html_escaped(fallback(made.status(), plain));
}

Result<std::string> Attempt::secret(const model::SecretText& secret) {
  ASSIGN_OR_RETURN(std::string text, secret.read());
  remember_secret(text);
  return text;
}

void Attempt::remember_secret(std::string_view text) {
  if (text.size() >= kSecretBytesMin) secrets_.emplace_back(text);
}

std::string Attempt::redacted(std::string text) const {
  for (const std::string& secret : secrets_) {
    for (size_t at = text.find(secret); at != std::string::npos; at = text.find(secret, at)) {
      text.replace(at, secret.size(), "<secret>");
      at += 8;
    }
  }
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return text;
}

}  // namespace gatehouse::alerts

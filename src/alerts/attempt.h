// Attempt: what an integration words one notification with: templates and their plain
// fallbacks, secrets as they are read, and what earlier replies of the same attempt said.
//
// Belongs to one delivery; used on the Pool, where files may block and templates may take
// their time.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "alerts/notification.h"
#include "alerts/templates.h"
#include "base/result.h"
#include "model/secret_text.h"

namespace gatehouse::alerts {

// What stands in for a template that failed.
enum class Plain {
  kNothing,
  kSubject,  // "[FIRING:2] HighLatency (page)"
  kBody,     // the alerts, their labels and annotations
};

class Attempt {
 public:
  Attempt(const NotificationTemplates& templates, const Notification& notification,
          int64_t deadline_steady_ms, int64_t wall_ns);

  const Notification& notification() const { return notification_; }
  int64_t wall_ns() const { return wall_ns_; }  // of its begin
  const gotemplate::Value& data();
  const NotificationTemplates& templates() const { return templates_; }

  // What the template makes of the notification. Where it fails or goes over its bounds,
  // `plain` is given and failure() says why: a notification goes out either way.
  std::string text(std::string_view source, Plain plain = Plain::kNothing);
  // The same by html/template; the plain text is escaped.
  std::string html(std::string_view source, Plain plain = Plain::kNothing);
  // The first template that failed, or ok.
  const Status& failure() const { return failure_; }
  int failures() const { return failures_; }
  void note_failure(const Status& status) {
    if (failure_.ok()) failure_ = status;
    if (!status.ok()) ++failures_;
  }

  // Reads a secret, and remembers it so that no error shows it.
  Result<std::string> secret(const model::SecretText& secret);
  void remember_secret(std::string_view text);
  // `text` without the secrets that were read, and without what escapes a line.
  std::string redacted(std::string text) const;

  int step = 0;  // of a conversation of several requests
  std::map<std::string, std::string, std::less<>> kept;

  // The moment by which templates end (steady).
  int64_t template_deadline_ms() const { return template_deadline_ms_; }

 private:
  std::string fallback(const Status& why, Plain plain);

  const NotificationTemplates& templates_;
  const Notification& notification_;
  int64_t template_deadline_ms_, wall_ns_;
  gotemplate::Value data_;
  bool has_data_ = false;
  Status failure_;
  int failures_ = 0;
  std::vector<std::string> secrets_;
};

// Wording without templates.
std::string plain_subject(const Notification& notification);
std::string plain_body(const Notification& notification);

// At most `most` characters (bytes), cut at a character's boundary and ending in "…" where cut, as
// Alertmanager cuts them. True where something was cut.
bool truncate_characters(std::string& text, size_t most);
bool truncate_bytes(std::string& text, size_t most);

}  // namespace gatehouse::alerts

// Silences: listed, made, changed and expired as Alertmanager does; and, beyond it, what one
// would hide, and the question whether that much is meant.
#include <algorithm>

#include "api/alertmanager/alert_json.h"
#include "api/alertmanager/alertmanager.h"
#include "base/text.h"
#include "wire/json.h"

namespace gatehouse::api {

namespace {

using alerts::Silence;
using wire::JsonWriter;

// Enough to see what is meant; the counts stand beside them.
constexpr size_t kPreviewShown = 100;

// By matchers of the same name, operator and value.
bool has_all(const Silence& silence, const alerts::Matchers& wanted) {
  return std::all_of(wanted.begin(), wanted.end(), [&silence](const model::Matcher& one) {
    return std::any_of(
        silence.matchers.begin(), silence.matchers.end(), [&one](const model::Matcher& own) {
          return own.op() == one.op() && own.name() == one.name() && own.value() == one.value();
        });
  });
}

bool same_matchers(const Silence& a, const Silence& b) {
  return a.matchers.size() == b.matchers.size() && has_all(a, b.matchers);
}

// Active ones, the next to end first; pending ones, the next to begin first; expired ones,
// the last to end first.
void sort_silences(std::vector<Silence>& silences, int64_t now_ms) {
  const auto rank = [now_ms](const Silence& silence) {
    switch (silence.state_at(now_ms)) {
      case Silence::State::kActive: return std::pair(1, silence.ends_at_ms);
      case Silence::State::kPending: return std::pair(2, silence.starts_at_ms);
      case Silence::State::kExpired: break;
    }
    return std::pair(3, -silence.ends_at_ms);
  };
  std::stable_sort(silences.begin(), silences.end(),
                   [&rank](const Silence& a, const Silence& b) { return rank(a) < rank(b); });
}

// As go-openapi's format "uuid" has it: with or without its hyphens.
bool is_uuid(std::string_view text) {
  const auto hexadecimal = [](char c) {
    c = ascii_lower(c);
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  };
  std::string digits;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool place = text.size() == 36 && (i == 8 || i == 13 || i == 18 || i == 23);
    if (place && text[i] == '-') continue;
    if (!hexadecimal(text[i])) return false;
    digits += text[i];
  }
  return digits.size() == 32;
}

AlertAnswer bad_id(std::string_view id) {
  return openapi_refusal(422, 601,
                         "silenceID in path must be of type uuid: " + alerts::go_quoted(id));
}

AlertAnswer answer_of(std::string body) {
  AlertAnswer answer;
  answer.body = std::move(body) + "\n";
  return answer;
}

AlertAnswer refusal_of(const Status& status) {
  if (status.code() == Code::kInvalidArgument) {
    return alert_refusal(400, "silence invalid: " + status.message());
  }
  return alert_refusal(status.code() == Code::kNotFound ? 404 : 500, status.message());
}

// What Alertmanager's handler checks before it asks the silences.
std::optional<AlertAnswer> wrong_times(const Silence& silence, int64_t now_ms) {
  if (silence.starts_at_ms >= silence.ends_at_ms) {
    return alert_refusal(400, "Failed to create silence: start time must be before end time");
  }
  if (silence.ends_at_ms < now_ms && !silence.recurrence) {
    return alert_refusal(400, "Failed to create silence: end time can't be in the past");
  }
  return std::nullopt;
}

std::string percent(double share) {
  return std::to_string(static_cast<int>(share * 100 + 0.5)) + " %";
}

}  // namespace

Task<AlertAnswer> Alertmanager::get_silences(Asked& asked) {
  const auto matchers = read_filter_matchers(asked.parameters);
  if (!matchers.ok()) co_return alert_refusal(400, matchers.status().message());
  const auto work = [this, &matchers] {
    const int64_t now = now_ms();
    std::vector<Silence> silences = parts_.engine.silences().list();
    std::erase_if(silences, [&](const Silence& each) { return !has_all(each, *matchers); });
    sort_silences(silences, now);
    std::string body;
    JsonWriter json(body);
    json.begin_array();
    for (const Silence& silence : silences) write_silence(json, silence, now);
    json.end_array();
    return body;
  };
  co_return answer_of(co_await parts_.pool.run(asked.exchange.loop(), work));
}

Task<AlertAnswer> Alertmanager::get_silence(Asked& asked) {
  if (!is_uuid(asked.capture)) co_return bad_id(asked.capture);
  const auto silence = parts_.engine.silences().get(asked.capture);
  if (!silence) {
    AlertAnswer answer;
    answer.status = 404;
    co_return answer;
  }
  std::string body;
  JsonWriter json(body);
  write_silence(json, *silence, now_ms());
  co_return answer_of(std::move(body));
}

AlertAnswer Alertmanager::preview(const Silence& silence) {
  const std::vector<alerts::AlertView> hidden = parts_.engine.would_silence(silence.matchers);
  const size_t live = parts_.engine.live_alerts();
  const double share = parts_.silence_share ? parts_.silence_share() : 1.0;
  std::string body;
  JsonWriter json(body);
  json.begin_object().member("live", static_cast<uint64_t>(live));
  json.member("hidden", static_cast<uint64_t>(hidden.size()));
  json.member("needsConfirmation", alerts::needs_confirmation(hidden.size(), live, share));
  json.key("alerts").begin_array();
  for (size_t i = 0; i < std::min(hidden.size(), kPreviewShown); ++i) write_alert(json, hidden[i]);
  json.end_array().end_object();
  return answer_of(std::move(body));
}

std::optional<AlertAnswer> Alertmanager::refuse_too_much(const Asked& asked,
                                                         const Silence& silence) {
  if (!parts_.silence_share || asked.flag("confirm", false)) return std::nullopt;
  // What a person types where they cannot change the URL, as with amtool.
  if (silence.comment.starts_with("CONFIRM")) return std::nullopt;
  // To prolong one hides nothing that is not hidden.
  if (!silence.id.empty()) {
    const auto before = parts_.engine.silences().get(silence.id);
    if (before && same_matchers(*before, silence)) return std::nullopt;
  }
  const double share = parts_.silence_share();
  const size_t live = parts_.engine.live_alerts();
  const size_t hidden = parts_.engine.would_silence(silence.matchers).size();
  if (!alerts::needs_confirmation(hidden, live, share)) return std::nullopt;
  return openapi_refusal(409, 409,
                         "this silence would hide " + std::to_string(hidden) + " of " +
                             std::to_string(live) + " live alerts, more than " + percent(share) +
                             " (alerts.silence_confirmation): narrow it, or confirm it with "
                             "?confirm=true or a comment that "
                             "begins with CONFIRM");
}

Task<AlertAnswer> Alertmanager::post_silence(Asked& asked) {
  wire::JsonDocument document;
  std::optional<AlertAnswer> refused = co_await read_json(asked, "silence", document);
  if (refused) co_return std::move(*refused);
  const std::string named =
      asked.visitor.principal == nullptr ? std::string() : asked.visitor.principal->name;
  Silence silence;
  if (const auto problem = read_silence(document.root(), named, silence)) {
    if (problem->code == 400 && problem->message.starts_with("silence invalid")) {
      co_return alert_refusal(400, problem->message);
    }
    co_return openapi_refusal(problem->status(), problem->code, problem->message);
  }
  const auto work = [&]() -> AlertAnswer {
    if (asked.flag("preview", false)) return preview(silence);
    if (auto wrong = wrong_times(silence, now_ms())) return std::move(*wrong);
    if (auto too_much = refuse_too_much(asked, silence)) return std::move(*too_much);
    const std::string id = silence.id;
    const std::string by =
        asked.visitor.principal == nullptr ? silence.created_by : asked.visitor.principal->id;
    const std::string matchers = alerts::matchers_text(silence.matchers);
    const std::string comment = silence.comment;
    const auto made = parts_.engine.silences().set(std::move(silence), by);
    if (!made.ok()) return refusal_of(made.status());
    const Status written = audit(asked, id.empty() ? "silence.create" : "silence.change", *made,
                                 {{"matchers", matchers}, {"comment", comment}});
    if (!written.ok())
      return alert_refusal(500, "the change was not audited: " + written.message());
    std::string body;
    JsonWriter(body).begin_object().member("silenceID", *made).end_object();
    return answer_of(std::move(body));
  };
  co_return co_await parts_.pool.run(asked.exchange.loop(), work);
}

Task<AlertAnswer> Alertmanager::delete_silence(Asked& asked) {
  if (!is_uuid(asked.capture)) co_return bad_id(asked.capture);
  const auto work = [&]() -> AlertAnswer {
    const std::string by =
        asked.visitor.principal == nullptr ? std::string() : asked.visitor.principal->id;
    const Status expired = parts_.engine.silences().expire(asked.capture, by);
    if (expired.code() == Code::kNotFound) {
      AlertAnswer answer;
      answer.status = 404;
      return answer;
    }
    if (!expired.ok()) return alert_refusal(500, expired.message());
    const Status written = audit(asked, "silence.expire", asked.capture, {});
    if (!written.ok())
      return alert_refusal(500, "the change was not audited: " + written.message());
    return {};
  };
  co_return co_await parts_.pool.run(asked.exchange.loop(), work);
}

}  // namespace gatehouse::api

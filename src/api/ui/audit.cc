// The audit log, newest first. docs/api.md §7.
#include <array>

#include "api/ui/console.h"

namespace gatehouse::api {

namespace {

using wire::JsonWriter;

void write_entry(JsonWriter& json, const identity::AuditEntry& entry) {
  json.begin_object();
  json.member("sequence", entry.sequence);
  json.member("at_ms", entry.time_ns / 1'000'000);
  text_or_null(json, "actor", entry.actor);
  json.member("actor_kind", identity::name(entry.actor_kind));
  json.member("action", entry.action);
  text_or_null(json, "target", entry.object);
  json.member("outcome", entry.outcome);
  text_or_null(json, "address", entry.address);
  json.key("details").begin_object();
  for (const auto& [name, value] : entry.details) json.member(name, value);
  // An entry can stand for many refusals of one kind.
  if (entry.count > 1) json.member("count", std::to_string(entry.count));
  json.end_object().end_object();
}

Result<std::string> read_entries(const model::Reader& reader, const Page& page) {
  const model::Selector selector{{model::Matcher(
      model::Matcher::Op::kEqual, "stream", std::string(identity::audit_labels().get("stream")))}};
  std::string out;
  JsonWriter json(out);
  json.begin_object().key("entries").begin_array();
  size_t written = 0;
  Cursor next;
  bool more = false;
  const Status read =
      reader.read(selector, page.cursor.range(), model::Order::kNewestFirst,
                  [&](const model::Labels&, const model::Record& record, model::Position position) {
                    if (position >= page.cursor.position) return true;
                    const auto entry = identity::audit_entry(record);
                    if (!entry.ok()) return true;  // `gatehouse audit verify` tells of it
                    more = written == page.limit;
                    if (more) return false;
                    write_entry(json, *entry);
                    next = Cursor::before(position, record.time_ns);
                    ++written;
                    return true;
                  });
  if (!read.ok()) return read;
  json.end_array();
  text_or_null(json, "next_before", more ? next.text() : std::string());
  json.end_object();
  return out;
}

}  // namespace

Task<Answer> Console::get_audit(Visit& visit) {
  static constexpr std::array<std::string_view, 2> kKnown = {"limit", "before"};
  const auto parameters = Parameters::read(visit.exchange.request().query, kKnown);
  if (!parameters.ok()) co_return invalid_parameter(parameters.status().message());
  const auto page = read_page(*parameters);
  if (!page.ok()) co_return invalid_parameter(page.status().message());
  const auto read = [&] { return read_entries(parts_.audit_records, *page); };
  Result<std::string> body = co_await parts_.pool.run(visit.worker.loop, read);
  if (!body.ok()) {
    co_return retry_later(503, "overloaded",
                          "The audit log cannot be read: " + body.status().message() + ".", 1);
  }
  co_return ok(std::move(*body));
}

}  // namespace gatehouse::api

// `gatehouse records`: what the record log holds, one JSON object a line. It opens
// the log as the server does, recovery included, so that what it prints is what a
// restart would find; the server must not be running on the same data.
#include <array>
#include <cstdio>

#include "app/commands.h"
#include "app/config_file.h"
#include "app/stores.h"
#include "base/text.h"
#include "store/record_log.h"
#include "wire/json.h"

namespace gatehouse::app {

namespace {

constexpr const char* kHelp =
    "usage: gatehouse records [--stream calls|audit|alerts] [--config FILE] [--data DIR]\n\n"
    "Prints the records that are kept, oldest first, one JSON object a line. The server must\n"
    "not be running on the same data.\n";

int fail(const std::string& why, const char* help = "") {
  std::fprintf(stderr, "gatehouse records: %s\n%s%s", why.c_str(), *help != 0 ? "\n" : "", help);
  return *help != 0 ? kExitUsage : kExitFailed;
}

void write_value(wire::JsonWriter& json, const model::Value& value) {
  if (const auto* text = std::get_if<std::string_view>(&value)) {
    json.string(*text);
  } else if (const auto* whole = std::get_if<int64_t>(&value)) {
    json.integer(*whole);
  } else if (const auto* number = std::get_if<double>(&value)) {
    json.number(*number);
  } else {
    json.boolean(std::get<bool>(value));
  }
}

std::string to_line(const model::Labels& labels, const model::Record& record,
                    model::Position position) {
  std::string line;
  wire::JsonWriter json(line);
  json.begin_object();
  json.member("stream", labels.get("stream")).member("position", uint64_t{position});
  json.member("time", format_time(record.time_ns));
  if (!record.body.empty()) json.member("body", record.body);
  json.key("attributes").begin_object();
  for (const model::Attribute& attribute : record.attributes) {
    json.key(attribute.name);
    write_value(json, attribute.value);
  }
  json.end_object().end_object();
  line += '\n';
  return line;
}

}  // namespace

int records_command(std::span<const std::string_view> words) {
  constexpr std::array<std::string_view, 3> kOptions = {"config", "data", "stream"};
  constexpr std::array<std::string_view, 1> kFlags = {"help"};
  Arguments arguments;
  std::string error;
  if (!Arguments::parse(words, kOptions, kFlags, arguments, error)) return fail(error, kHelp);
  if (arguments.has("help")) return std::fputs(kHelp, stdout), kExitOk;
  if (!arguments.rest().empty()) return fail("it takes options only", kHelp);
  const ConfigFile file = read_config_file(arguments);
  if (!file.loaded.config) return fail(file.loaded.problems.front());

  store::RecordLogOptions options;
  options.directory = record_log_path(file.loaded.config->storage);
  options.background = false;
  auto records = store::RecordLog::open(options);
  if (!records.ok()) return fail(records.status().message());
  model::Selector selector;
  if (arguments.has("stream")) {
    selector.matchers.emplace_back(model::Matcher::Op::kEqual, "stream", arguments.get("stream"));
  }
  bool written = true;
  const Status read = (*records)->read(
      selector, {}, model::Order::kOldestFirst,
      [&](const model::Labels& labels, const model::Record& record, model::Position position) {
        const std::string line = to_line(labels, record, position);
        written = std::fwrite(line.data(), 1, line.size(), stdout) == line.size();
        return written;
      });
  if (!read.ok()) return fail(read.message());
  if (!written || std::fflush(stdout) != 0) return fail("the output cannot be written");
  return kExitOk;
}

}  // namespace gatehouse::app

#include "app/config.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "app/config_table.h"

namespace gatehouse::app {

namespace {

// Thousands of models stay below it; what is larger is some other file.
constexpr size_t kFileBytesMax = 4 << 20;

LoadedConfig failed(std::string problem) {
  LoadedConfig loaded;
  loaded.problems.push_back(std::move(problem));
  return loaded;
}

void write_reference(const ObjectType& type, const std::string& path, std::string& out) {
  out += "| key | type | default | meaning |\n|---|---|---|---|\n";
  const auto defaults = type.make();
  for (const Field& field : type.fields) {
    std::string shown = field.default_text;
    if (shown.empty()) shown = field.type->show(field.value_of(defaults.get()));
    out += "| `" + field.name + "` | " + field.type->label() + " | ";
    if (field.required) {
      out += "required";
    } else if (!field.default_text.empty()) {
      out += shown;
    } else if (!shown.empty()) {
      out += "`" + shown + "`";
    }
    out += " | " + field.description + " |\n";
  }
  out += '\n';
  for (const Field& field : type.fields) {
    const ObjectType* inner = field.type->object();
    if (inner == nullptr) continue;
    const bool list = field.type->label().starts_with("list");
    const std::string own = path + field.name + (list ? "[]" : "");
    out += "## `" + own + "`\n\n" + field.description + "\n\n";
    write_reference(*inner, own + ".", out);
  }
}

}  // namespace

LoadedConfig parse_config(std::string_view text, std::string_view name,
                          const Environment& environment) {
  wire::YamlOptions options;
  options.name = name;
  options.unique_keys = false;  // found below, all of them rather than the first
  options.bytes_max = kFileBytesMax;
  const auto stream = wire::parse_yaml(text, options);
  if (!stream.ok()) return failed(stream.status().message());
  ConfigReader reader(name, environment);
  const auto& documents = stream->documents();
  if (documents.size() > 1) {
    reader.problem(documents[1]->mark, "a second document begins here",
                   "keep the configuration in one");
  }
  Config config;
  const wire::YamlNode empty;
  config_table().read(reader, documents.empty() ? empty : *documents[0], "", &config);
  reader.check_references();
  const bool clean = reader.clean();
  LoadedConfig loaded = std::move(reader).finish();
  if (clean) loaded.config = std::move(config);
  return loaded;
}

LoadedConfig load_config(const std::string& path, const Environment& environment) {
  std::ifstream in(path, std::ios::binary);
  errno = 0;
  std::string text(kFileBytesMax + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!in.is_open() || in.bad() || (in.gcount() == 0 && errno != 0)) {
    return failed(path + ": cannot be read: " + std::strerror(errno != 0 ? errno : ENOENT));
  }
  text.resize(static_cast<size_t>(in.gcount()));
  return parse_config(text, path, environment);
}

std::vector<std::string> changed_keys(const Config& a, const Config& b) {
  std::vector<std::string> out;
  for (const Field& field : config_table().fields) {
    void* x = field.value_of(const_cast<Config*>(&a));
    void* y = field.value_of(const_cast<Config*>(&b));
    if (field.type->equal(x, y)) continue;
    // A section is its own struct or the whole Config; its fields tell more.
    const auto* section = dynamic_cast<const ObjectType*>(field.type.get());
    if (section == nullptr) {
      out.push_back(field.name);
      continue;
    }
    for (const Field& inner : section->fields) {
      if (!inner.type->equal(inner.value_of(x), inner.value_of(y))) {
        out.push_back(field.name + "." + inner.name);
      }
    }
  }
  return out;
}

std::string config_schema() {
  std::string out;
  wire::JsonWriter writer(out);
  writer.begin_object()
      .member("$schema", "https://json-schema.org/draft/2020-12/schema")
      .member("title", "gatehouse.yaml")
      .member("description", "The configuration of Gatehouse. Every key has a default.");
  config_table().schema(writer);
  writer.end_object();
  out += '\n';
  return out;
}

std::string config_reference() {
  std::string out;
  write_reference(config_table(), "", out);
  out.pop_back();  // of the two newlines at the end
  return out;
}

}  // namespace gatehouse::app

// The scanner and simdjson agree on what is JSON; edits keep a text valid and do
// what they say.
#include "wire/json.h"

#include <cstdlib>
#include <string>

#include "wire/json_edit.h"

using namespace gatehouse;        // NOLINT: a program of one file
using namespace gatehouse::wire;  // NOLINT

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

size_t visit(JsonView view) {
  size_t seen = 1;
  if (view.is_string()) seen += view.string()->size();
  for (auto [key, value] : view.members()) seen += key.size() + visit(value);
  for (JsonView item : view.items()) seen += visit(item);
  return seen;
}

void edit(const std::string& json, const JsonMember& member, std::string_view key) {
  JsonMember again[1];
  const std::string_view keys[] = {key};
  const JsonSplice replaced = replace_value(member, "[true]");
  std::string text = apply_splices(json, {&replaced, 1});
  require(find_top_level(text, keys, again).ok() && again[0].value == "[true]");
  const JsonSplice removed = remove_member(json, member);
  text = apply_splices(json, {&removed, 1});
  require(find_top_level(text, keys, again).ok() && !again[0].present());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string json(reinterpret_cast<const char*>(bytes), size);
  const bool valid = validate_json(json).ok();
  const auto document = JsonDocument::parse(json);
  require(document.ok() == valid);
  if (valid) require(visit(document->root()) > 0);

  const std::string_view keys[] = {"model", "n"};
  JsonMember found[2];
  JsonMember all[8];
  const auto members = scan_top_level(json, all);
  const Status status = find_top_level(json, keys, found);
  if (!members.ok()) {
    require(!status.ok());
    require(!valid || !document->root().is_object());
    return 0;
  }
  require(valid && document->root().size() == *members);
  if (!status.ok()) return 0;  // a duplicate
  for (size_t i = 0; i < 2; ++i) {
    require(found[i].present() == document->root()[keys[i]].present());
    if (found[i].present()) edit(json, found[i], keys[i]);
  }
  const JsonSplice inserted = insert_member(json, "inserted", "0");
  require(*scan_top_level(apply_splices(json, {&inserted, 1}), all) == *members + 1);
  return 0;
}

#include "wire/otlp_value.h"

#include "base/bytes.h"
#include "base/text.h"
#include "wire/float_text.h"
#include "wire/label_check.h"

namespace gatehouse::wire {

namespace {

// JSON of a value inside an array or a map. Strings that are not UTF-8 are left
// empty: JSON cannot hold them.
void write_json(std::string_view message, JsonWriter& writer, ProtoReader& outer, int depth) {
  ProtoReader reader(message);
  bool written = false;
  while (reader.next()) {
    if (written || depth > kOtlpValueDepthMax) {
      reader.skip();
      continue;
    }
    written = true;
    if (reader.is(1, ProtoType::kBytes)) {
      const std::string_view text = reader.bytes();
      writer.string(is_utf8(text) ? text : "");
    } else if (reader.is(2, ProtoType::kVarint)) {
      writer.boolean(reader.varint() != 0);
    } else if (reader.is(3, ProtoType::kVarint)) {
      writer.integer(reader.int64());
    } else if (reader.is(4, ProtoType::kFixed64)) {
      writer.number(reader.float64());
    } else if (reader.is(5, ProtoType::kBytes)) {
      writer.begin_array();
      ProtoReader items(reader.bytes());
      while (items.next()) {
        if (items.is(1, ProtoType::kBytes)) {
          write_json(items.bytes(), writer, items, depth + 1);
        } else {
          items.skip();
        }
      }
      if (!items.ok()) reader.fail();
      writer.end_array();
    } else if (reader.is(6, ProtoType::kBytes)) {
      writer.begin_object();
      ProtoReader members(reader.bytes());
      while (members.next()) {
        if (!members.is(1, ProtoType::kBytes)) {
          members.skip();
          continue;
        }
        std::string_view key;
        std::string_view value;
        ProtoReader pair(members.bytes());
        while (pair.next()) {
          if (pair.is(1, ProtoType::kBytes)) {
            key = pair.bytes();
          } else if (pair.is(2, ProtoType::kBytes)) {
            value = pair.bytes();
          } else {
            pair.skip();
          }
        }
        if (!pair.ok()) members.fail();
        writer.key(is_utf8(key) ? key : "");
        write_json(value, writer, members, depth + 1);
      }
      if (!members.ok()) reader.fail();
      writer.end_object();
    } else if (reader.is(7, ProtoType::kBytes)) {
      writer.string(base64_encode(reader.bytes()));
    } else {
      written = false;
      reader.skip();
    }
  }
  if (!written) writer.null();
  if (!reader.ok()) outer.fail();
}

void write_json(JsonView value, JsonWriter& writer, int depth) {
  if (depth > kOtlpValueDepthMax) {
    writer.null();
    return;
  }
  if (const auto text = value["stringValue"].string()) {
    writer.string(*text);
  } else if (const auto flag = value["boolValue"].boolean()) {
    writer.boolean(*flag);
  } else if (const JsonView integer = value["intValue"]; integer.present()) {
    const auto text_form = integer.string();
    writer.raw(text_form && parse_uint(text_form->substr(text_form->starts_with('-')))
                   ? std::string(*text_form)
                   : std::to_string(integer.integer().value_or(0)));
  } else if (const auto number = value["doubleValue"].number()) {
    writer.number(*number);
  } else if (const JsonView array = value["arrayValue"]; array.present()) {
    writer.begin_array();
    for (const JsonView item : array["values"].items()) write_json(item, writer, depth + 1);
    writer.end_array();
  } else if (const JsonView map = value["kvlistValue"]; map.present()) {
    writer.begin_object();
    for (const JsonView pair : map["values"].items()) {
      writer.key(pair["key"].string().value_or(""));
      write_json(pair["value"], writer, depth + 1);
    }
    writer.end_object();
  } else if (const auto bytes = value["bytesValue"].string()) {
    writer.string(*bytes);
  } else {
    writer.null();
  }
}

}  // namespace

std::string_view otlp_value(std::string_view message, std::string& room, ProtoReader& outer) {
  room.clear();
  std::string_view text = "";
  ProtoReader reader(message);
  while (reader.next()) {
    if (reader.is(1, ProtoType::kBytes)) {
      text = reader.bytes();
    } else if (reader.is(2, ProtoType::kVarint)) {
      text = reader.varint() != 0 ? "true" : "false";
    } else if (reader.is(3, ProtoType::kVarint)) {
      text = room = std::to_string(reader.int64());
    } else if (reader.is(4, ProtoType::kFixed64)) {
      room.clear();
      append_float(room, reader.float64());
      text = room;
    } else if (reader.is(7, ProtoType::kBytes)) {
      text = room = base64_encode(reader.bytes());
    } else if (reader.is(5, ProtoType::kBytes) || reader.is(6, ProtoType::kBytes)) {
      reader.skip();
      room.clear();
      JsonWriter writer(room);
      write_json(message, writer, reader, 0);
      text = room;
    } else {
      reader.skip();
    }
  }
  if (!reader.ok()) outer.fail();
  return text;
}

std::string_view otlp_value(JsonView value, std::string& room) {
  room.clear();
  if (const auto text = value["stringValue"].string()) return *text;
  if (const auto text = value["intValue"].string()) return *text;
  if (const auto number = value["doubleValue"].number()) {
    append_float(room, *number);
    return room;
  }
  if (const auto text = value["bytesValue"].string()) return *text;
  JsonWriter writer(room);
  write_json(value, writer, 0);
  return room == "null" ? std::string_view("") : std::string_view(room);
}

}  // namespace gatehouse::wire

#include "wire/yaml_strict.h"

#include <yaml.h>

#include <algorithm>

namespace gatehouse::wire {

namespace {

bool is_blank(char c) { return c == ' ' || c == '\t'; }
bool is_break(char c) { return c == '\n' || c == '\r'; }

// Whether the line is "---" or "..." alone, or with a space and more.
bool is_marker(std::string_view line, std::string_view marker) {
  return line.starts_with(marker) && (line.size() == 3 || is_blank(line[3]) || line[3] == '\r');
}

bool is_utf16(std::string_view text) {
  return text.starts_with("\xFE\xFF") || text.starts_with("\xFF\xFE");
}

// Goes through the lines before and between documents; see prepare_yaml.
class Preparer {
 public:
  explicit Preparer(std::string& text) : text_(text) {}

  // "" or what is wrong with the line [begin, end) of the text.
  std::string line(size_t begin, size_t end) {
    const std::string_view line(text_.data() + begin, end - begin);
    if (!prologue_) {
      if (is_marker(line, "...")) {
        prologue_ = true;
        end_marker_ = begin;
      }
      return "";
    }
    const size_t content = line.find_first_not_of(" \t\r");
    if (content == std::string_view::npos || line[content] == '#') return "";
    if (line[0] == '%') return directive(begin, line);
    if (is_marker(line, "---")) {
      leave();
      return "";
    }
    if (is_marker(line, "...")) {
      // The end of a document that never began.
      if (!directives_) text_[begin] = '#';
      return "";
    }
    if (unknown_) return "a directive is followed by a document that begins with ---";
    // A bare document: libyaml knows only the first, so that the marker before
    // any other becomes the start of this one.
    if (end_marker_ != std::string::npos) text_.replace(end_marker_, 3, "---");
    leave();
    return "";
  }

 private:
  void leave() {
    prologue_ = directives_ = unknown_ = false;
    end_marker_ = std::string::npos;
  }

  std::string directive(size_t begin, std::string_view line) {
    directives_ = true;
    const std::string_view name = line.substr(1, line.find_first_of(" \t\r") - 1);
    if (name == "TAG") return "";
    if (name != "YAML") {
      unknown_ = true;
      text_[begin] = '#';  // ignored, as YAML 1.2.2 §6.8.1 has it
      return "";
    }
    const size_t from = line.find_first_not_of(" \t", 5);
    if (from == std::string_view::npos) return "";
    const std::string_view version = line.substr(from, line.find_first_of(" \t\r", from) - from);
    if (version.find('#') != std::string_view::npos) {
      return "a comment is separated from what is before it by a space";
    }
    const size_t rest = line.find_first_not_of(" \t\r", from + version.size());
    if (rest != std::string_view::npos && line[rest] != '#') return "";
    // Any 1.x is read as 1.2; libyaml takes only up to 1.2 and nothing behind it.
    if (!version.starts_with("1.") || line.size() < from + 3) return "";
    text_.replace(begin + from, 3, "1.1");
    std::fill(text_.begin() + static_cast<std::ptrdiff_t>(begin + from + 3),
              text_.begin() + static_cast<std::ptrdiff_t>(begin + line.size()), ' ');
    return "";
  }

  std::string& text_;
  bool prologue_ = true;     // no document is open
  bool directives_ = false;  // since the last document
  bool unknown_ = false;     // one of them was made a comment
  size_t end_marker_ = std::string::npos;
};

}  // namespace

YamlPrepared prepare_yaml(std::string_view given) {
  YamlPrepared prepared;
  if (is_utf16(given)) {
    prepared.text = given;
    return prepared;
  }
  if (given.starts_with("\xEF\xBB\xBF")) given.remove_prefix(3);
  prepared.text = given;
  std::string& text = prepared.text;
  Preparer preparer(text);
  size_t begin = 0;
  for (size_t number = 0; begin < text.size(); ++number) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    prepared.error = preparer.line(begin, end);
    if (!prepared.error.empty()) {
      prepared.error_line = number;
      return prepared;
    }
    // libyaml forgets a last line of spaces that has no end.
    if (end == text.size() && text.find_first_not_of(" \t", begin) == std::string::npos) {
      text += '\n';
      break;
    }
    begin = end + 1;
  }
  return prepared;
}

YamlStrictness::YamlStrictness(std::string_view text) : text_(text), skip_(is_utf16(text)) {
  const auto is_ascii = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
  if (skip_ || std::all_of(text.begin(), text.end(), is_ascii)) return;
  for (size_t i = 0; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) bytes_.push_back(i);
  }
}

size_t YamlStrictness::byte_at(size_t character) const {
  if (bytes_.empty()) return std::min(character, text_.size());
  return character < bytes_.size() ? bytes_[character] : text_.size();
}

const char* YamlStrictness::check(const yaml_event_t& event) {
  if (skip_) return nullptr;
  const size_t begin = byte_at(event.start_mark.index);
  const size_t end = byte_at(event.end_mark.index);
  switch (event.type) {
    case YAML_STREAM_START_EVENT: return nullptr;
    case YAML_DOCUMENT_START_EVENT: {
      const auto& start = event.data.document_start;
      const bool directives = start.version_directive != nullptr ||
                              start.tag_directives.start != start.tag_directives.end;
      position_ = std::max(position_, end);
      if (directives && !ended_explicitly_) return "a directive follows a document without ...";
      return nullptr;
    }
    case YAML_DOCUMENT_END_EVENT: ended_explicitly_ = event.data.document_end.implicit == 0; break;
    default: break;
  }
  const char* wrong = begin > position_ ? check_gap(position_, begin) : nullptr;
  position_ = std::max(position_, end);
  if (wrong != nullptr) return wrong;
  if (event.type == YAML_SCALAR_EVENT) return check_scalar(event, begin, end);
  return check_collection(event, begin, end);
}

// Between two events lie indicators, white space and comments alone.
const char* YamlStrictness::check_gap(size_t begin, size_t end) const {
  for (size_t i = begin; i < end; ++i) {
    if (text_[i] != '#') continue;
    if (i > 0 && !is_blank(text_[i - 1]) && !is_break(text_[i - 1])) {
      return "a comment is separated from what is before it by a space";
    }
    while (i < end && !is_break(text_[i])) ++i;
  }
  return nullptr;
}

const char* YamlStrictness::check_scalar(const yaml_event_t& event, size_t begin,
                                         size_t end) const {
  const auto& scalar = event.data.scalar;
  switch (scalar.style) {
    case YAML_PLAIN_SCALAR_STYLE:
      if (scalar.length == 1 && scalar.value[0] == '-') return "\"-\" is no value";
      return nullptr;
    case YAML_SINGLE_QUOTED_SCALAR_STYLE:
    case YAML_DOUBLE_QUOTED_SCALAR_STYLE:
      return in_flow() ? nullptr : check_indentation(begin, end, column());
    default: break;
  }
  // A block scalar's header, behind its anchor and tag.
  for (size_t i = begin; i < end && !is_break(text_[i]); ++i) {
    const bool starts = i == begin || is_blank(text_[i - 1]);
    if (!starts || (text_[i] != '|' && text_[i] != '>')) continue;
    while (i < end && !is_blank(text_[i]) && !is_break(text_[i])) {
      if (text_[i++] == '#') return "a comment is separated from what is before it by a space";
    }
    return nullptr;
  }
  return nullptr;
}

// The lines after the first are indented more than the block around them, but
// for one that begins with the closing bracket: YAML 1.2 refuses that too, and
// so many files have it that every reader accepts it.
const char* YamlStrictness::check_indentation(size_t begin, size_t end, int column) const {
  if (column < 0) return nullptr;
  for (size_t i = text_.find('\n', begin); i < end; i = text_.find('\n', i)) {
    const size_t line = ++i;
    while (i < end && text_[i] == ' ') ++i;
    if (i - line > static_cast<size_t>(column)) continue;
    while (i < end && is_blank(text_[i])) ++i;
    if (i >= end || is_break(text_[i]) || text_[i] == '#') continue;
    if (text_[i] == ']' || text_[i] == '}') continue;
    return "a line within is indented less than what it belongs to";
  }
  return nullptr;
}

const char* YamlStrictness::check_collection(const yaml_event_t& event, size_t begin, size_t end) {
  const bool sequence = event.type == YAML_SEQUENCE_START_EVENT;
  if (sequence || event.type == YAML_MAPPING_START_EVENT) {
    const bool flow =
        in_flow() || (sequence ? event.data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE
                               : event.data.mapping_start.style == YAML_FLOW_MAPPING_STYLE);
    stack_.push_back({flow ? column() : static_cast<int>(event.start_mark.column), flow, begin});
    return nullptr;
  }
  if (event.type != YAML_SEQUENCE_END_EVENT && event.type != YAML_MAPPING_END_EVENT) return nullptr;
  const Frame frame = stack_.back();
  stack_.pop_back();
  if (!frame.flow || in_flow()) return nullptr;
  return check_indentation(frame.begin, end, frame.column);
}

}  // namespace gatehouse::wire

// libyaml 0.2.5 follows YAML 1.1. What can be brought to 1.2 around it is here:
// a text is prepared so that it accepts what it should (unknown directives, bare
// documents after "..."), and its events are checked for what it should have
// refused (comments that touch a token, lines indented too little).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

typedef struct yaml_event_s yaml_event_t;

namespace gatehouse::wire {

struct YamlPrepared {
  std::string text;  // as many lines as were given, each as long as it was
  // Where preparing it found an error: its line from 0, and what is wrong.
  std::optional<size_t> error_line;
  std::string error;
};
YamlPrepared prepare_yaml(std::string_view text);

class YamlStrictness {
 public:
  // `text` outlives this.
  explicit YamlStrictness(std::string_view text);

  // What is wrong with the event, or null.
  const char* check(const yaml_event_t& event);

 private:
  struct Frame {
    int column;  // of the innermost block collection; -1: none
    bool flow;
    size_t begin;
  };

  size_t byte_at(size_t character) const;
  int column() const { return stack_.empty() ? -1 : stack_.back().column; }
  bool in_flow() const { return !stack_.empty() && stack_.back().flow; }
  const char* check_gap(size_t begin, size_t end) const;
  const char* check_scalar(const yaml_event_t& event, size_t begin, size_t end) const;
  const char* check_indentation(size_t begin, size_t end, int column) const;
  const char* check_collection(const yaml_event_t& event, size_t begin, size_t end);

  std::string_view text_;
  std::vector<size_t> bytes_;  // of each character; empty: the text is ASCII
  bool skip_ = false;          // UTF-16: libyaml's word alone
  std::vector<Frame> stack_;
  size_t position_ = 0;  // behind the last event
  bool ended_explicitly_ = true;
};

}  // namespace gatehouse::wire

#include "model/matcher.h"

#include <re2/re2.h>

#include <algorithm>
#include <utility>

namespace gatehouse::model {

class Pattern {
 public:
  explicit Pattern(const std::string& text) : re(text, options()) {}
  // RE2's own bound on a compiled pattern, a quarter of its default: a query holds
  // a handful of patterns, and one of 2 MiB already has tens of thousands of states.
  static RE2::Options options() {
    RE2::Options chosen;
    chosen.set_log_errors(false);
    chosen.set_dot_nl(true);  // as Prometheus compiles them: (?s)
    chosen.set_max_mem(2 << 20);
    return chosen;
  }
  RE2 re;
};

namespace {

constexpr std::string_view kMeta = R"(\.+*?()|[]{}^$)";

// "a|b|c" without any other operator: its alternatives.
std::vector<std::string> alternatives_of(std::string_view pattern) {
  std::vector<std::string> found;
  std::string current;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '\\') {
      // An escaped punctuation mark stands for itself; other escapes mean more.
      if (i + 1 == pattern.size() || kMeta.find(pattern[i + 1]) == std::string_view::npos) {
        return {};
      }
      current += pattern[++i];
    } else if (c == '|') {
      found.push_back(std::move(current));
      current.clear();
    } else if (kMeta.find(c) != std::string_view::npos) {
      return {};
    } else {
      current += c;
    }
  }
  found.push_back(std::move(current));
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

// The literal that a pattern without alternatives at its top begins with.
std::string prefix_of(std::string_view pattern) {
  if (pattern.find('|') != std::string_view::npos) return {};
  std::string prefix;
  for (const char c : pattern) {
    if (kMeta.find(c) != std::string_view::npos) {
      // What a repetition follows may be absent.
      if ((c == '?' || c == '*' || c == '{') && !prefix.empty()) {
        while (!prefix.empty() && (static_cast<unsigned char>(prefix.back()) & 0xC0) == 0x80) {
          prefix.pop_back();
        }
        if (!prefix.empty()) prefix.pop_back();
      }
      break;
    }
    prefix += c;
  }
  return prefix;
}

bool is_identifier(std::string_view name) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\t': out += "\\t"; break;
      case '\r': out += "\\r"; break;
      default: out += c;
    }
  }
  return out + '"';
}

}  // namespace

Matcher::Matcher(Op matcher_op, std::string label, std::string wanted)
    : op_(matcher_op), name_(std::move(label)), value_(std::move(wanted)) {
  matches_empty_ = (op_ == Op::kEqual) == value_.empty();
}

Result<Matcher> Matcher::create(Op op, std::string name, std::string value) {
  Matcher matcher(op, std::move(name), std::move(value));
  if (op == Op::kEqual || op == Op::kNotEqual) return matcher;
  auto pattern = std::make_shared<Pattern>(matcher.value_);
  if (!pattern->re.ok()) {
    return invalid_argument("the pattern " + quoted(matcher.value_) +
                            " cannot be compiled: " + pattern->re.error());
  }
  matcher.pattern_ = std::move(pattern);
  if (op == Op::kRegex) matcher.literals_ = alternatives_of(matcher.value_);
  matcher.prefix_ = prefix_of(matcher.value_);
  matcher.matches_empty_ = matcher.matches("");
  return matcher;
}

bool Matcher::matches(std::string_view value) const {
  switch (op_) {
    case Op::kEqual: return value == value_;
    case Op::kNotEqual: return value != value_;
    default: break;
  }
  const bool positive = op_ == Op::kRegex;
  if (!prefix_.empty() && !value.starts_with(prefix_)) return !positive;
  if (!literals_.empty()) {
    return std::binary_search(literals_.begin(), literals_.end(), value);
  }
  return RE2::FullMatch(re2::StringPiece(value.data(), value.size()), pattern_->re) == positive;
}

std::string Matcher::to_string() const {
  static constexpr std::string_view kOps[] = {"=", "!=", "=~", "!~"};
  return (is_identifier(name_) ? name_ : quoted(name_)) + std::string(kOps[static_cast<int>(op_)]) +
         quoted(value_);
}

}  // namespace gatehouse::model

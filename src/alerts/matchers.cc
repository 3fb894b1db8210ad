#include "alerts/matchers.h"

#include <algorithm>
#include <tuple>

#include "base/text.h"

namespace gatehouse::alerts {

namespace {

using model::Matcher;

Result<Matcher> make_matcher(Matcher::Op op, std::string name, std::string value) {
  return Matcher::create(op, std::move(name), std::move(value));
}

// What the classic grammar's \s stands for.
bool classic_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r'; }

std::string_view classic_trim(std::string_view text) {
  while (!text.empty() && classic_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && classic_space(text.back())) text.remove_suffix(1);
  return text;
}

bool name_begin(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':';
}

// The value behind the operator: with or without quotes, with its escapes.
Result<std::string> classic_value(std::string_view raw) {
  const std::string_view whole = raw;
  bool open = raw.starts_with('"');
  if (open) raw.remove_prefix(1);
  if (!valid_utf8(raw)) {
    return invalid_argument("matcher value not valid UTF-8: " + std::string(whole));
  }
  std::string value;
  for (size_t i = 0; i < raw.size(); ++i) {
    const char c = raw[i];
    if (c == '\\' && i + 1 < raw.size()) {
      const char next = raw[++i];
      if (next == 'n') {
        value += '\n';
      } else {
        if (next != '"' && next != '\\') value += '\\';
        value += next;
      }
    } else if (c == '"') {
      if (!open || i + 1 < raw.size()) {
        return invalid_argument("matcher value contains unescaped double quote: " +
                                std::string(whole));
      }
      open = false;
    } else {
      value += c;
    }
  }
  if (open) {
    return invalid_argument("matcher value contains unescaped double quote: " + std::string(whole));
  }
  return value;
}

// The parts between commas outside of quotes.
std::vector<std::string_view> classic_parts(std::string_view text) {
  if (text.starts_with('{')) text.remove_prefix(1);
  if (text.ends_with('}')) text.remove_suffix(1);
  std::vector<std::string_view> parts;
  bool quoted = false;
  bool escaped = false;
  size_t begin = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == ',' && !quoted) {
      parts.push_back(text.substr(begin, i - begin));
      begin = i + 1;
    } else if (c == '"') {
      if (!escaped) quoted = !quoted;
      escaped = false;
    } else if (c == '\\') {
      escaped = !escaped;
    } else {
      escaped = false;
    }
  }
  // Behind the last comma there may be nothing.
  if (const std::string_view last = text.substr(begin); !classic_trim(last).empty()) {
    parts.push_back(last);
  }
  return parts;
}

bool same(const Matchers& a, const Matchers& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.op() == y.op() && x.name() == y.name() && x.value() == y.value();
  });
}

std::string joined(const Matchers& matchers) {
  std::string out;
  for (const Matcher& matcher : matchers) out += (out.empty() ? "" : ",") + matcher_text(matcher);
  return out;
}

// What the classic and the newer reader found, as Alertmanager's fallback mode decides.
template <typename T>
Result<T> decide(std::string_view text, Result<T> newer, Result<T> classic, bool agree,
                 const std::string& suggestion, std::string* notice) {
  if (!newer.ok()) {
    if (classic.ok() && notice != nullptr) {
      *notice = "the matchers " + go_quoted(text) + " are not valid in the UTF-8 grammar (" +
                newer.status().message() + "); they are read as " + suggestion;
    }
    return classic;
  }
  if (classic.ok() && !agree) {
    if (notice != nullptr) {
      *notice = "the two grammars of matchers read " + go_quoted(text) +
                " differently; it counts as " + suggestion;
    }
    return classic;
  }
  return newer;
}

void append_hex(std::string& out, unsigned value, int digits) {
  static constexpr char kDigits[] = "0123456789abcdef";
  for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) out += kDigits[(value >> shift) & 15];
}

// What a reader of the name without quotes could not read back.
bool reserved(std::string_view name) {
  return name.find_first_of("{}!=~,\\\"'` \t\n\v\f\r") != std::string_view::npos ||
         name.find("\xc2\x85") != std::string_view::npos ||
         name.find("\xc2\xa0") != std::string_view::npos;
}

}  // namespace

Result<Matcher> parse_classic_matcher(std::string_view text) {
  const auto bad = [text] { return invalid_argument("bad matcher format: " + std::string(text)); };
  std::string_view rest = classic_trim(text);
  if (rest.empty() || !name_begin(rest[0])) return bad();
  size_t end = 1;
  while (end < rest.size() && (name_begin(rest[end]) || (rest[end] >= '0' && rest[end] <= '9'))) {
    ++end;
  }
  std::string name(rest.substr(0, end));
  rest = classic_trim(rest.substr(end));
  Matcher::Op op = Matcher::Op::kEqual;
  if (rest.starts_with("=~")) {
    op = Matcher::Op::kRegex;
  } else if (rest.starts_with("!=")) {
    op = Matcher::Op::kNotEqual;
  } else if (rest.starts_with("!~")) {
    op = Matcher::Op::kNotRegex;
  } else if (!rest.starts_with('=')) {
    return bad();
  }
  rest.remove_prefix(op == Matcher::Op::kEqual ? 1 : 2);
  ASSIGN_OR_RETURN(std::string value, classic_value(classic_trim(rest)));
  return make_matcher(op, std::move(name), std::move(value));
}

Result<Matchers> parse_classic_matchers(std::string_view text) {
  Matchers out;
  for (const std::string_view part : classic_parts(text)) {
    ASSIGN_OR_RETURN(Matcher matcher, parse_classic_matcher(part));
    out.push_back(std::move(matcher));
  }
  return out;
}

Result<Matcher> parse_matcher(std::string_view text, std::string* notice) {
  if (text.starts_with('{') || text.ends_with('}')) {
    return invalid_argument("unexpected open or close brace: " + std::string(text));
  }
  auto several = parse_utf8_matchers(text);
  Result<Matcher> newer = internal_error("");
  if (!several.ok()) {
    newer = several.status();
  } else if (several->empty()) {
    newer = invalid_argument("no matchers");
  } else if (several->size() > 1) {
    newer = invalid_argument("expected 1 matcher, found " + std::to_string(several->size()));
  } else {
    newer = several->front();
  }
  auto classic = parse_classic_matcher(text);
  const bool agree = newer.ok() && classic.ok() && same({*newer}, {*classic});
  const std::string suggestion = classic.ok() ? matcher_text(*classic) : "";
  return decide(text, std::move(newer), std::move(classic), agree, suggestion, notice);
}

Result<Matchers> parse_matchers(std::string_view text, std::string* notice) {
  auto newer = parse_utf8_matchers(text);
  auto classic = parse_classic_matchers(text);
  const bool agree = newer.ok() && classic.ok() && same(*newer, *classic);
  const std::string suggestion = classic.ok() ? joined(*classic) : "";
  return decide(text, std::move(newer), std::move(classic), agree, suggestion, notice);
}

bool matches_all(const Matchers& matchers, const model::Labels& labels) {
  return std::all_of(matchers.begin(), matchers.end(), [&labels](const Matcher& matcher) {
    return matcher.matches(labels.get(matcher.name()));
  });
}

std::string matcher_text(const Matcher& matcher) {
  static constexpr std::string_view kOps[] = {"=", "!=", "=~", "!~"};
  const std::string op(kOps[static_cast<int>(matcher.op())]);
  if (reserved(matcher.name())) {
    return go_quoted(matcher.name()) + op + go_quoted(matcher.value());
  }
  std::string out = matcher.name() + op + '"';
  for (const char c : matcher.value()) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::string matchers_text(const Matchers& matchers) { return "{" + joined(matchers) + "}"; }

void sort_matchers(Matchers& matchers) {
  // Alertmanager counts =, !=, =~, !~: the order of Op.
  std::stable_sort(matchers.begin(), matchers.end(), [](const Matcher& a, const Matcher& b) {
    return std::tie(a.name(), a.value()) != std::tie(b.name(), b.value())
               ? std::tie(a.name(), a.value()) < std::tie(b.name(), b.value())
               : a.op() < b.op();
  });
}

std::string go_quoted(std::string_view text) {
  std::string out = "\"";
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (const size_t at = std::string_view("\a\b\t\n\v\f\r").find(c);
               at != std::string_view::npos) {
      out += '\\';
      out += "abtnvfr"[at];
    } else if (byte < 0x20 || byte == 0x7f) {
      out += "\\x";
      append_hex(out, byte, 2);
    } else if (byte < 0x80) {
      out += c;
    } else {
      const size_t length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
      if (!valid_utf8(text.substr(i, length)) || i + length > text.size()) {
        out += "\\x";
        append_hex(out, byte, 2);
        continue;
      }
      out += text.substr(i, length);
      i += length - 1;
    }
  }
  return out + '"';
}

}  // namespace gatehouse::alerts

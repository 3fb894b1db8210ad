#include "lang/gotemplate/text_functions.h"

#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "lang/gotemplate/builtins.h"
#include "lang/gotemplate/format.h"
#include "lang/gotemplate/number.h"
#include "lang/gotemplate/quote.h"

namespace gatehouse::gotemplate {
namespace {

using Arguments = std::span<const Value>;

// Upper and lower case of the scripts that have them next to each other: Latin, Greek,
// Cyrillic, Armenian. What is not here has no case.
char32_t upper(char32_t code) {
  if (code < 0x80) return code >= 'a' && code <= 'z' ? code - 32 : code;
  if (code == 0xB5) return 0x39C;
  if (code == 0xFF) return 0x178;
  if (code >= 0xE0 && code <= 0xFE && code != 0xF7) return code - 32;
  const bool odd = (code & 1) != 0;
  if ((code >= 0x100 && code <= 0x137 && code != 0x131) || (code >= 0x14A && code <= 0x177)) {
    return odd ? code - 1 : code;
  }
  if (code == 0x131) return 'I';
  if ((code >= 0x139 && code <= 0x148) || (code >= 0x179 && code <= 0x17E)) {
    return odd ? code : code - 1;
  }
  if (code == 0x17F) return 'S';
  if (code == 0x3AC) return 0x386;
  if (code >= 0x3AD && code <= 0x3AF) return code - 37;
  if (code == 0x3C2) return 0x3A3;
  if (code >= 0x3B1 && code <= 0x3CB) return code - 32;
  if (code == 0x3CC) return 0x38C;
  if (code == 0x3CD || code == 0x3CE) return code - 63;
  if (code >= 0x430 && code <= 0x44F) return code - 32;
  if (code >= 0x450 && code <= 0x45F) return code - 80;
  if ((code >= 0x460 && code <= 0x481) || (code >= 0x48A && code <= 0x4BF) ||
      (code >= 0x4D0 && code <= 0x52F) || (code >= 0x1E00 && code <= 0x1E95) ||
      (code >= 0x1EA0 && code <= 0x1EFF)) {
    return odd ? code - 1 : code;
  }
  if (code >= 0x561 && code <= 0x586) return code - 48;
  return code;
}

char32_t lower(char32_t code) {
  if (code < 0x80) return code >= 'A' && code <= 'Z' ? code + 32 : code;
  if (code == 0x178) return 0xFF;
  if (code == 0x130) return 'i';
  if (code >= 0xC0 && code <= 0xDE && code != 0xD7) return code + 32;
  const bool odd = (code & 1) != 0;
  if ((code >= 0x100 && code <= 0x137) || (code >= 0x14A && code <= 0x177)) {
    return odd ? code : code + 1;
  }
  if ((code >= 0x139 && code <= 0x148) || (code >= 0x179 && code <= 0x17E)) {
    return odd ? code + 1 : code;
  }
  if (code == 0x386) return 0x3AC;
  if (code >= 0x388 && code <= 0x38A) return code + 37;
  if (code == 0x38C) return 0x3CC;
  if (code == 0x38E || code == 0x38F) return code + 63;
  if (code >= 0x391 && code <= 0x3AB && code != 0x3A2) return code + 32;
  if (code >= 0x410 && code <= 0x42F) return code + 32;
  if (code >= 0x400 && code <= 0x40F) return code + 80;
  if ((code >= 0x460 && code <= 0x481) || (code >= 0x48A && code <= 0x4BF) ||
      (code >= 0x4D0 && code <= 0x52F) || (code >= 0x1E00 && code <= 0x1E95) ||
      (code >= 0x1EA0 && code <= 0x1EFF)) {
    return odd ? code : code + 1;
  }
  if (code >= 0x531 && code <= 0x556) return code + 48;
  return code;
}

template <typename Change>
std::string map_runes(std::string_view text, const Change& change) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const Rune rune = first_rune(text.substr(at));
    append_rune(change(rune.code), out);
    at += rune.size;
  }
  return out;
}

// Of strings.Title: what is neither letter, digit nor underscore parts words.
bool separates(char32_t code) {
  if (code < 0x80) {
    return !((code >= '0' && code <= '9') || (code >= 'a' && code <= 'z') ||
             (code >= 'A' && code <= 'Z') || code == '_');
  }
  return code == 0x85 || code == 0xA0 || (code >= 0x2000 && code <= 0x200A) || code == 0x2028 ||
         code == 0x2029 || code == 0x202F || code == 0x205F || code == 0x3000;
}

std::string to_title(std::string_view text) {
  char32_t before = ' ';
  return map_runes(text, [&](char32_t code) {
    const bool begins = separates(before);
    before = code;
    return begins ? upper(code) : code;
  });
}
std::string to_upper(std::string_view text) { return map_runes(text, upper); }
std::string to_lower_runes(std::string_view text) { return map_runes(text, lower); }

std::string trim_space(std::string_view text) {
  const auto space = [](char32_t code) {
    return code == ' ' || (code >= '\t' && code <= '\r') || (code >= 0x80 && separates(code));
  };
  size_t begin = text.size(), end = 0;
  for (size_t at = 0; at < text.size();) {
    const Rune rune = first_rune(text.substr(at));
    if (!space(rune.code)) {
      begin = std::min(begin, at);
      end = at + rune.size;
    }
    at += rune.size;
  }
  return end == 0 ? "" : std::string(text.substr(begin, end - begin));
}

Function of_text(std::string name, std::string (*change)(std::string_view)) {
  return [name = std::move(name), change](Arguments arguments) -> Result<Value> {
    RETURN_IF_ERROR(check_count(name, arguments, 1));
    ASSIGN_OR_RETURN(const std::string text, text_argument(arguments[0]));
    return Value(change(text));
  };
}

// In Go's words, where RE2 has others.
std::string regex_error(const RE2& regex) {
  std::string_view what;
  switch (regex.error_code()) {
    case RE2::ErrorBadEscape: what = "invalid escape sequence"; break;
    case RE2::ErrorBadCharClass: what = "invalid character class"; break;
    case RE2::ErrorBadCharRange: what = "invalid character class range"; break;
    case RE2::ErrorMissingBracket: what = "missing closing ]"; break;
    case RE2::ErrorMissingParen: what = "missing closing )"; break;
    case RE2::ErrorUnexpectedParen: what = "unexpected )"; break;
    case RE2::ErrorTrailingBackslash: what = "trailing backslash at end of expression"; break;
    case RE2::ErrorRepeatArgument: what = "missing argument to repetition operator"; break;
    case RE2::ErrorRepeatSize: what = "invalid repeat count"; break;
    case RE2::ErrorRepeatOp: what = "invalid nested repetition operator"; break;
    case RE2::ErrorBadPerlOp: what = "invalid or unsupported Perl syntax"; break;
    case RE2::ErrorBadUTF8: what = "invalid UTF-8"; break;
    case RE2::ErrorBadNamedCapture: what = "invalid named capture"; break;
    case RE2::ErrorPatternTooLarge: what = "expression too large"; break;
    default: what = "internal regexp error"; break;
  }
  return "error parsing regexp: " + std::string(what) + ": `" + regex.error_arg() + "`";
}

RE2::Options quiet() {
  RE2::Options options;
  options.set_log_errors(false);
  return options;
}

Result<Value> match(Arguments arguments) {
  RETURN_IF_ERROR(check_count("match", arguments, 2));
  ASSIGN_OR_RETURN(const std::string pattern, text_argument(arguments[0]));
  ASSIGN_OR_RETURN(const std::string text, text_argument(arguments[1]));
  const RE2 regex(pattern, quiet());
  if (!regex.ok()) return invalid_argument(regex_error(regex));
  return Value(RE2::PartialMatch(text, regex));
}

bool is_word(char c) {
  return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// Go's Expand: $1, ${1}, $name, ${name}, $$; a name is as long as it can be, and one that
// is not in the pattern is empty.
void expand(std::string_view replacement, const RE2& regex,
            const std::vector<re2::StringPiece>& groups, std::string& out) {
  while (!replacement.empty()) {
    const size_t dollar = std::min(replacement.find('$'), replacement.size());
    out.append(replacement.substr(0, dollar));
    replacement.remove_prefix(dollar);
    if (replacement.empty()) return;
    if (replacement.starts_with("$$")) {
      out += '$';
      replacement.remove_prefix(2);
      continue;
    }
    const bool braces = replacement.starts_with("${");
    const size_t begin = braces ? 2 : 1;
    size_t end = begin;
    while (end < replacement.size() && is_word(replacement[end])) ++end;
    const std::string_view name = replacement.substr(begin, end - begin);
    if (name.empty() || (braces && !replacement.substr(end).starts_with('}'))) {
      out += '$';
      replacement.remove_prefix(1);
      continue;
    }
    replacement.remove_prefix(end + (braces ? 1 : 0));
    size_t group = groups.size();
    if (std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; })) {
      if (name.size() <= 4) group = static_cast<size_t>(std::stoi(std::string(name)));
    } else {
      const auto& names = regex.NamedCapturingGroups();
      const auto found = names.find(std::string(name));
      if (found != names.end()) group = static_cast<size_t>(found->second);
    }
    if (group < groups.size() && groups[group].data()) {
      out.append(groups[group].data(), groups[group].size());
    }
  }
}

Result<Value> replace_all(Arguments arguments) {
  RETURN_IF_ERROR(check_count("reReplaceAll", arguments, 3));
  ASSIGN_OR_RETURN(const std::string pattern, text_argument(arguments[0]));
  ASSIGN_OR_RETURN(const std::string replacement, text_argument(arguments[1]));
  ASSIGN_OR_RETURN(const std::string text, text_argument(arguments[2]));
  const RE2 regex(pattern, quiet());
  // Go panics here, and says so in place of "error parsing regexp".
  if (!regex.ok()) {
    const Value shown(pattern);
    return invalid_argument("regexp: Compile(" + sprintf("%#q", {&shown, 1}).value_or(pattern) +
                            "): " + regex_error(regex));
  }
  std::vector<re2::StringPiece> groups(static_cast<size_t>(regex.NumberOfCapturingGroups()) + 1);
  std::string out;
  size_t copied = 0;  // what of the text is in `out`, and where the last match ended
  for (size_t at = 0; at <= text.size();) {
    if (!regex.Match(text, at, text.size(), RE2::UNANCHORED, groups.data(),
                     static_cast<int>(groups.size()))) {
      break;
    }
    const auto begin = static_cast<size_t>(groups[0].data() - text.data());
    const size_t end = begin + groups[0].size();
    out.append(text, copied, begin - copied);
    // An empty match right behind the one before is none.
    if (end > copied || begin == 0) expand(replacement, regex, groups, out);
    copied = end;
    if (out.size() > kFormatBytesMax) {
      return resource_exhausted("the text with its replacements is longer than " +
                                std::to_string(kFormatBytesMax) + " bytes");
    }
    const size_t step = at < text.size() ? first_rune(std::string_view(text).substr(at)).size : 1;
    at = std::max(end, at + step);
  }
  out.append(text, copied);
  return Value(std::move(out));
}

Function safe(std::string name, SafeText::Kind kind) {
  return [name = std::move(name), kind](Arguments arguments) -> Result<Value> {
    RETURN_IF_ERROR(check_count(name, arguments, 1));
    ASSIGN_OR_RETURN(std::string text, text_argument(arguments[0]));
    return Value(SafeText{kind, std::move(text)});
  };
}

}  // namespace

Result<double> number_of(const Value& value) {
  if (const auto* number = value.as<double>()) return *number;
  if (const auto* whole = value.as<int64_t>()) return static_cast<double>(*whole);
  if (const auto* duration = value.as<Duration>()) return static_cast<double>(duration->ns) / 1e9;
  if (const auto* text = value.as<std::string>()) {
    const auto parsed = parse_float(*text);
    if (parsed) return *parsed;
    return invalid_argument("strconv.ParseFloat: parsing " + quote(*text) + ": invalid syntax");
  }
  return invalid_argument("can't convert " + std::string(value.type_name()) + " to float");
}

Function safe_text(std::string name, SafeText::Kind kind) { return safe(std::move(name), kind); }

// A word as Unicode parts them (UAX 29): letters and digits, with a mark between two letters
// (don't, a.b) or an underscore; the first letter is upper case, all others lower.
Function word_title() {
  return of_text("title", [](std::string_view text) {
    char32_t before = ' ';
    bool inside = false;
    std::string out;
    for (size_t at = 0; at < text.size();) {
      const Rune rune = first_rune(text.substr(at));
      const size_t next = at + rune.size;
      const bool letter = !separates(rune.code);
      const bool middle = rune.code == '\'' || rune.code == '.' || rune.code == ':' ||
                          rune.code == 0x2019 || rune.code == 0xB7;
      if (letter) {
        append_rune(inside ? lower(rune.code) : upper(rune.code), out);
        inside = inside || upper(rune.code) != lower(rune.code);
      } else {
        const bool joins = middle && inside && next < text.size() && !separates(before) &&
                           !separates(first_rune(text.substr(next)).code);
        out.append(text.substr(at, rune.size));
        inside = joins;
      }
      before = rune.code;
      at = next;
    }
    return out;
  });
}

std::string humanize_duration(double seconds) {
  const auto four = [](double value) { return format_float(value, 'g', 4); };
  if (std::isnan(seconds) || std::isinf(seconds)) return four(seconds);
  if (seconds == 0) return four(seconds) + "s";
  if (std::fabs(seconds) >= 1) {
    const std::string sign = seconds < 0 ? "-" : "";
    seconds = std::fabs(seconds);
    const auto whole = static_cast<int64_t>(std::min(seconds, 9.2e18));
    const std::string second = std::to_string(whole % 60) + "s";
    const std::string minute = std::to_string(whole / 60 % 60) + "m ";
    const std::string hour = std::to_string(whole / 3'600 % 24) + "h ";
    const int64_t days = whole / 86'400;
    if (days != 0) return sign + std::to_string(days) + "d " + hour + minute + second;
    if (whole >= 3'600) return sign + hour + minute + second;
    if (whole >= 60) return sign + minute + second;
    return sign + four(seconds) + "s";
  }
  constexpr std::array<const char*, 8> kPrefixes = {"m", "u", "n", "p", "f", "a", "z", "y"};
  const char* prefix = "";
  for (const char* next : kPrefixes) {
    if (std::fabs(seconds) >= 1) break;
    prefix = next;
    seconds *= 1000;
  }
  return four(seconds) + prefix + "s";
}

Functions text_functions() {
  return {
      {"match", match},
      {"reReplaceAll", replace_all},
      {"safeHtml", safe("safeHtml", SafeText::Kind::kHtml)},
      {"title", of_text("title", to_title)},
      {"toLower", of_text("toLower", to_lower_runes)},
      {"toUpper", of_text("toUpper", to_upper)},
      {"trimSpace", of_text("trimSpace", trim_space)},
  };
}

}  // namespace gatehouse::gotemplate

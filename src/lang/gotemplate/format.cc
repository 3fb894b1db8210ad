// The rules are those of pkg.go.dev/fmt. A value that holds itself many times over would
// print without end, so that all output goes through one bounded buffer.
#include "lang/gotemplate/format.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <optional>

#include "lang/gotemplate/functions.h"
#include "lang/gotemplate/number.h"
#include "lang/gotemplate/quote.h"

namespace gatehouse::gotemplate {
namespace {

constexpr int kWidthMax = 1'000'000;  // as in Go, where more is "%!(BADWIDTH)"
constexpr int kDepthMax = 250;        // of lists within lists

struct Flags {
  bool plus = false, minus = false, sharp = false, space = false, zero = false;
  bool syntax = false;  // %#v: as Go's source writes a value
  std::optional<int> width, precision;
};

std::string_view first_runes(std::string_view text, int count) {
  size_t at = 0;
  for (int i = 0; i < count && at < text.size(); ++i) at += first_rune(text.substr(at)).size;
  return text.substr(0, at);
}

std::string hex_of(std::string_view text, char verb, const Flags& flags) {
  const char* digits = verb == 'x' ? "0123456789abcdef" : "0123456789ABCDEF";
  const std::string prefix = verb == 'x' ? "0x" : "0X";
  if (flags.precision) text = text.substr(0, static_cast<size_t>(*flags.precision));
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (flags.space && i > 0) out += ' ';
    if (flags.sharp && (flags.space || i == 0)) out += prefix;
    const auto byte = static_cast<unsigned char>(text[i]);
    out += digits[byte >> 4];
    out += digits[byte & 0xF];
  }
  return out;
}

bool can_backquote(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const Rune rune = first_rune(text.substr(at));
    if (rune.code == '`' || rune.code == 0x7F || rune.code == 0xFEFF || rune.code == kReplacement ||
        (rune.code < ' ' && rune.code != '\t')) {
      return false;
    }
    at += rune.size;
  }
  return true;
}

// A float of which "%#" keeps the point and the zeros.
std::string with_point(std::string number, char verb, int precision) {
  const size_t mark =
      std::min(number.find_first_of(verb == 'x' || verb == 'X' ? "pP" : "eE"), number.size());
  std::string tail = number.substr(mark);
  number.resize(mark);
  int digits = 0;
  bool counts = false;
  for (const char c : number) {
    if (c != '0' && c != '.' && c != '-' && c != '+') counts = true;
    if (c != '.' && counts) ++digits;
  }
  if (number.find('.') == std::string::npos) number += '.';
  if (verb == 'g' || verb == 'G' || verb == 'v' || verb == 'x') {
    const int wanted = precision < 0 ? 6 : precision;
    if (!counts) digits = 1;
    if (digits < wanted) number.append(static_cast<size_t>(wanted - digits), '0');
  }
  return number + tail;
}

// "0x1.8p+01"
std::string hex_float(double value, char verb, int precision) {
  char buffer[1200];
  const double magnitude = std::fabs(value);
  const int kept = std::min(precision, 1000);
  const auto end =
      kept < 0
          ? std::to_chars(buffer, buffer + sizeof(buffer), magnitude, std::chars_format::hex)
          : std::to_chars(buffer, buffer + sizeof(buffer), magnitude, std::chars_format::hex, kept);
  std::string text = "0x" + std::string(buffer, end.ptr);
  if (text.size() - text.find('p') == 3) text.insert(text.size() - 1, "0");
  if (std::signbit(value)) text.insert(0, "-");
  if (verb == 'X') {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  }
  return text;
}

class Printer {
 public:
  std::string out;
  bool exceeded = false;

  Status status() const {
    if (!exceeded) return {};
    return resource_exhausted("a formatted text is longer than " + std::to_string(kFormatBytesMax) +
                              " bytes");
  }

  void write(std::string_view text) {
    if (text.size() > kFormatBytesMax - std::min(out.size(), kFormatBytesMax)) exceeded = true;
    if (!exceeded) out.append(text);
  }

  void pad(std::string_view text, const Flags& flags) {
    const size_t runes = count_runes(text);
    const size_t width = flags.width ? static_cast<size_t>(*flags.width) : 0;
    if (runes >= width) return write(text);
    const std::string fill(width - runes, flags.zero && !flags.minus ? '0' : ' ');
    if (!flags.minus) write(fill);
    write(text);
    if (flags.minus) write(fill);
  }

  void argument(const Value& value, char32_t verb, const Flags& flags) {
    if (verb == 'T') return pad(value.type_name(), text_flags(flags));
    if (value.nil()) {
      if (verb == 'v') return pad("<nil>", text_flags(flags));
      return bad_verb(value, verb, flags);
    }
    print(value, verb, flags, 0);
  }

  void bad_verb(const Value& value, char32_t verb, const Flags& flags) {
    write("%!");
    std::string name;
    append_rune(verb, name);
    write(name);
    write("(");
    if (!value.nil()) {
      write(value.type_name());
      write("=");
      const auto* duration = value.as<Duration>();
      argument(duration ? Value(duration->ns) : value, 'v', flags);
    } else {
      write("<nil>");
    }
    write(")");
  }

 private:
  static Flags text_flags(Flags flags) {
    flags.zero = false;
    return flags;
  }

  void print(const Value& value, char32_t verb, const Flags& flags, int depth) {
    if (exceeded) return;
    if (depth > kDepthMax) {
      exceeded = true;
      return;
    }
    if (value.nil()) return write(flags.syntax ? "interface {}(nil)" : "<nil>");
    if (const auto* truth = value.as<bool>()) {
      if (verb != 't' && verb != 'v') return bad_verb(value, verb, flags);
      return pad(*truth ? "true" : "false", flags);
    }
    if (const auto* whole = value.as<int64_t>()) return integer(value, *whole, verb, flags);
    if (const auto* number = value.as<double>()) return real(value, *number, verb, flags);
    if (const std::string* text = text_of(value)) return string(value, *text, verb, flags);
    if (const auto* duration = value.as<Duration>()) {
      if (is_text_verb(verb)) return string(value, format_duration(*duration), verb, flags);
      return integer(value, duration->ns, verb, flags);
    }
    if (const auto* list = value.as<std::shared_ptr<const List>>()) {
      return print_list(value, **list, verb, flags, depth);
    }
    if (const auto* map = value.as<std::shared_ptr<const Map>>()) {
      return print_map(value, **map, verb, flags, depth);
    }
    if (is_text_verb(verb)) return string(value, value.text(), verb, flags);
    bad_verb(value, verb, flags);
  }

  static bool is_text_verb(char32_t verb) {
    return verb == 'v' || verb == 's' || verb == 'x' || verb == 'X' || verb == 'q';
  }

  void print_list(const Value& value, const List& list, char32_t verb, const Flags& flags,
                  int depth) {
    const bool syntax = verb == 'v' && flags.syntax;
    if (syntax) write(value.type_name());
    write(syntax ? "{" : "[");
    for (size_t i = 0; i < list.size() && !exceeded; ++i) {
      if (i > 0) write(syntax ? ", " : " ");
      print(list[i], verb, flags, depth + 1);
    }
    write(syntax ? "}" : "]");
  }

  void print_map(const Value& value, const Map& map, char32_t verb, const Flags& flags, int depth) {
    const bool syntax = verb == 'v' && flags.syntax;
    write(syntax ? value.type_name() : "map");
    write(syntax ? "{" : "[");
    bool first = true;
    for (const auto& [key, element] : map) {
      if (exceeded) break;
      if (!first) write(syntax ? ", " : " ");
      first = false;
      print(Value(key), verb, flags, depth + 1);
      write(":");
      print(element, verb, flags, depth + 1);
    }
    write(syntax ? "}" : "]");
  }

  void string(const Value& value, std::string_view text, char32_t verb, const Flags& flags) {
    switch (verb) {
      case 'v':
        if (flags.syntax) return pad(quote(text), flags);
        [[fallthrough]];
      case 's': return pad(flags.precision ? first_runes(text, *flags.precision) : text, flags);
      case 'x':
      case 'X': return pad(hex_of(text, static_cast<char>(verb), flags), flags);
      case 'q': {
        if (flags.precision) text = first_runes(text, *flags.precision);
        if (flags.sharp && can_backquote(text)) return pad("`" + std::string(text) + "`", flags);
        return pad(quote(text, flags.plus), flags);
      }
      default: return bad_verb(value, verb, flags);
    }
  }

  void integer(const Value& value, int64_t number, char32_t verb, const Flags& flags) {
    switch (verb) {
      case 'v':
      case 'd': return digits(number, 10, verb, flags);
      case 'b': return digits(number, 2, verb, flags);
      case 'o':
      case 'O': return digits(number, 8, verb, flags);
      case 'x':
      case 'X': return digits(number, 16, verb, flags);
      case 'c': {
        std::string text;
        append_rune(rune_of(number), text);
        return pad(text, flags);
      }
      case 'q': return pad(quote_rune(rune_of(number), flags.plus), flags);
      case 'U': {
        char buffer[16];
        const auto end =
            std::to_chars(buffer, buffer + sizeof(buffer), static_cast<uint64_t>(number), 16);
        std::string code(buffer, end.ptr);
        std::transform(code.begin(), code.end(), code.begin(),
                       [](char c) { return c >= 'a' ? static_cast<char>(c - 32) : c; });
        const auto wanted = static_cast<size_t>(std::max(flags.precision.value_or(4), 4));
        if (code.size() < wanted) code.insert(0, wanted - code.size(), '0');
        std::string text = "U+" + code;
        if (flags.sharp && number >= 0 && number <= 0x10FFFF &&
            printable(static_cast<char32_t>(number))) {
          text += " '";
          append_rune(static_cast<char32_t>(number), text);
          text += '\'';
        }
        return pad(text, text_flags(flags));
      }
      default: return bad_verb(value, verb, flags);
    }
  }

  static char32_t rune_of(int64_t number) {
    return number < 0 || number > 0x10FFFF ? kReplacement : static_cast<char32_t>(number);
  }

  void digits(int64_t number, int base, char32_t verb, const Flags& flags) {
    const bool negative = number < 0;
    const uint64_t magnitude =
        negative ? ~static_cast<uint64_t>(number) + 1 : static_cast<uint64_t>(number);
    size_t wanted = 0;
    Flags padding = text_flags(flags);
    if (flags.precision) {
      wanted = static_cast<size_t>(*flags.precision);
      if (wanted == 0 && number == 0) return pad("", padding);
    } else if (flags.zero && !flags.minus && flags.width) {
      wanted = static_cast<size_t>(*flags.width);
      if ((negative || flags.plus || flags.space) && wanted > 0) --wanted;
    }
    char buffer[65];
    const auto end = std::to_chars(buffer, buffer + sizeof(buffer), magnitude, base);
    std::string text(buffer, end.ptr);
    if (verb == 'X') {
      std::transform(text.begin(), text.end(), text.begin(),
                     [](char c) { return c >= 'a' ? static_cast<char>(c - 32) : c; });
    }
    if (text.size() < wanted) text.insert(0, wanted - text.size(), '0');
    if (flags.sharp) {
      if (base == 2) text.insert(0, "0b");
      if (base == 8 && text[0] != '0') text.insert(0, "0");
      if (base == 16) text.insert(0, verb == 'X' ? "0X" : "0x");
    }
    if (verb == 'O') text.insert(0, "0o");
    if (negative) {
      text.insert(0, "-");
    } else if (flags.plus) {
      text.insert(0, "+");
    } else if (flags.space) {
      text.insert(0, " ");
    }
    pad(text, padding);
  }

  void real(const Value& value, double number, char32_t verb, const Flags& flags) {
    int precision = flags.precision.value_or(-1);
    std::string text;
    switch (verb) {
      case 'e':
      case 'E':
      case 'f':
      case 'F':
        precision = flags.precision.value_or(6);
        text = format_float(number, verb == 'F' ? 'f' : static_cast<char>(verb), precision);
        break;
      case 'v':
      case 'g': text = format_float(number, 'g', precision); break;
      case 'G': text = format_float(number, 'G', precision); break;
      case 'x':
      case 'X':
        text = std::isfinite(number) ? hex_float(number, static_cast<char>(verb), precision)
                                     : format_float(number, 'g', -1);
        break;
      case 'b': {
        if (!std::isfinite(number)) {
          text = format_float(number, 'g', -1);
          break;
        }
        int exponent = 0;
        const double mantissa = std::frexp(number, &exponent);
        const auto whole = static_cast<int64_t>(std::ldexp(mantissa, 53));
        exponent = number == 0 ? -1074 : exponent - 53;
        text = (std::signbit(number) && whole == 0 ? "-" : "") + std::to_string(whole) + "p" +
               (exponent < 0 ? "" : "+") + std::to_string(exponent);
        break;
      }
      default: return bad_verb(value, verb, flags);
    }
    if (flags.sharp && verb != 'b' && std::isfinite(number)) {
      text = with_point(text, static_cast<char>(verb), precision);
    }
    print_signed(text, number, flags);
  }

  void print_signed(std::string& text, double number, const Flags& flags) {
    char sign = '+';
    if (text[0] == '-' || text[0] == '+') {
      sign = text[0];
      text.erase(0, 1);
    }
    Flags padding = flags;
    if (!std::isfinite(number)) padding.zero = false;
    if (flags.space && sign == '+' && !flags.plus) sign = ' ';
    if (!flags.plus && sign == '+') {
      if (std::isinf(number)) text.insert(0, "+");
      return pad(text, padding);
    }
    const size_t width = flags.width ? static_cast<size_t>(*flags.width) : 0;
    if (padding.zero && !flags.minus && width > text.size() + 1) {
      text.insert(0, width - text.size() - 1, '0');
    }
    pad(sign + text, text_flags(padding));
  }
};

// One pass over the format; `used` marks what "%!(EXTRA" names at the end.
class Format {
 public:
  Format(std::string_view format, std::span<const Value> arguments)
      : format_(format), arguments_(arguments) {}

  Result<std::string> run() {
    while (at_ < format_.size() && !printer_.exceeded) {
      const size_t percent = std::min(format_.find('%', at_), format_.size());
      printer_.write(format_.substr(at_, percent - at_));
      at_ = percent;
      if (at_ < format_.size()) verb();
    }
    if (!reordered_ && next_ < arguments_.size()) extra();
    RETURN_IF_ERROR(printer_.status());
    return std::move(printer_.out);
  }

 private:
  bool more() const { return at_ < format_.size(); }

  void verb() {
    ++at_;
    Flags flags;
    read_flags(flags);
    after_index_ = false;
    good_index_ = true;
    read_index();
    read_width(flags);
    read_precision(flags);
    if (!after_index_) read_index();
    if (!more()) return printer_.write("%!(NOVERB)");
    const Rune rune = first_rune(format_.substr(at_));
    at_ += rune.size;
    std::string name;
    append_rune(rune.code, name);
    if (rune.code == '%') return printer_.write("%");
    if (!good_index_) return printer_.write("%!" + name + "(BADINDEX)");
    if (next_ >= arguments_.size()) return printer_.write("%!" + name + "(MISSING)");
    if (rune.code == 'v') {
      flags.syntax = std::exchange(flags.sharp, false);
      flags.plus = false;
    }
    printer_.argument(arguments_[next_++], rune.code, flags);
  }

  void read_flags(Flags& flags) {
    for (; more(); ++at_) {
      switch (format_[at_]) {
        case '#': flags.sharp = true; break;
        case '0': flags.zero = true; break;
        case '+': flags.plus = true; break;
        case '-': flags.minus = true; break;
        case ' ': flags.space = true; break;
        default: return;
      }
    }
  }

  // "[3]": the argument that comes next.
  void read_index() {
    if (!more() || format_[at_] != '[') return;
    reordered_ = true;
    const size_t close = format_.find(']', at_);
    size_t index = 0;
    if (close == std::string_view::npos) {
      good_index_ = false;
      ++at_;
      return;
    }
    const char* first = format_.data() + at_ + 1;
    const char* last = format_.data() + close;
    const auto [end, error] = std::from_chars(first, last, index);
    at_ = close + 1;
    if (error != std::errc() || end != last || index < 1 || index > arguments_.size()) {
      good_index_ = false;
      return;
    }
    next_ = index - 1;
    after_index_ = true;
  }

  std::optional<int> read_number() {
    int number = 0;
    const size_t from = at_;
    for (; more() && format_[at_] >= '0' && format_[at_] <= '9'; ++at_) {
      number = std::min(number * 10 + (format_[at_] - '0'), kWidthMax + 1);
    }
    if (at_ == from || number > kWidthMax) return std::nullopt;
    return number;
  }

  std::optional<int> read_star() {
    ++at_;
    const int64_t* number = next_ < arguments_.size() ? arguments_[next_].as<int64_t>() : nullptr;
    if (next_ < arguments_.size()) ++next_;
    after_index_ = false;
    if (!number || *number > kWidthMax || *number < -kWidthMax) return std::nullopt;
    return static_cast<int>(*number);
  }

  void read_width(Flags& flags) {
    if (more() && format_[at_] == '*') {
      flags.width = read_star();
      if (!flags.width) printer_.write("%!(BADWIDTH)");
      if (flags.width && *flags.width < 0) {
        flags.width = -*flags.width;
        flags.minus = true;
        flags.zero = false;
      }
      return;
    }
    flags.width = read_number();
    if (after_index_ && flags.width) good_index_ = false;  // "%[3]2d"
  }

  void read_precision(Flags& flags) {
    if (at_ + 1 > format_.size() || !more() || format_[at_] != '.') return;
    ++at_;
    if (after_index_) good_index_ = false;  // "%[3].2d"
    read_index();
    if (more() && format_[at_] == '*') {
      flags.precision = read_star();
      if (flags.precision && *flags.precision < 0) flags.precision.reset();
      if (!flags.precision) printer_.write("%!(BADPREC)");
      return;
    }
    flags.precision = read_number().value_or(0);
  }

  void extra() {
    printer_.write("%!(EXTRA ");
    for (size_t i = next_; i < arguments_.size(); ++i) {
      if (i > next_) printer_.write(", ");
      if (arguments_[i].nil()) {
        printer_.write("<nil>");
        continue;
      }
      printer_.write(arguments_[i].type_name());
      printer_.write("=");
      printer_.argument(arguments_[i], 'v', {});
    }
    printer_.write(")");
  }

  std::string_view format_;
  std::span<const Value> arguments_;
  Printer printer_;
  size_t at_ = 0;
  size_t next_ = 0;
  bool reordered_ = false;
  bool after_index_ = false;
  bool good_index_ = true;
};

Result<std::string> print_all(std::span<const Value> arguments, bool line) {
  Printer printer;
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (i > 0 && (line || (!text_of(arguments[i]) && !text_of(arguments[i - 1])))) {
      printer.write(" ");
    }
    printer.argument(arguments[i], 'v', {});
  }
  if (line) printer.write("\n");
  RETURN_IF_ERROR(printer.status());
  return std::move(printer.out);
}

}  // namespace

Result<std::string> sprintf(std::string_view format, std::span<const Value> arguments) {
  return Format(format, arguments).run();
}
Result<std::string> sprint(std::span<const Value> arguments) { return print_all(arguments, false); }
Result<std::string> sprintln(std::span<const Value> arguments) {
  return print_all(arguments, true);
}

const std::string* text_of(const Value& value) {
  if (const auto* text = value.as<std::string>()) return text;
  if (const auto* safe = value.as<SafeText>()) return &safe->text;
  return nullptr;
}

}  // namespace gatehouse::gotemplate

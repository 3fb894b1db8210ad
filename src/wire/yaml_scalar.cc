#include "wire/yaml_scalar.h"

#include <algorithm>

namespace gatehouse::wire {

namespace {

// One break between two lines is a space, more are one less.
void fold(std::string& value, size_t breaks) {
  if (breaks == 1) {
    value += ' ';
  } else {
    value.append(breaks - 1, '\n');
  }
}

bool continues_plain(const YamlCursor& in, bool in_brackets) {
  const char c = in.at();
  if (c == ':') return is_plain_safe(in.at(1), in_brackets);
  return c != '#' && is_plain_safe(c, in_brackets);
}

// Up to what ends the scalar on this line; blanks before that stay unread.
void read_plain_line(YamlCursor& in, bool in_brackets, std::string& value) {
  const size_t begin = in.position();
  YamlCursor::Place end = in.place();
  while (!in.at_line_end()) {
    if (is_yaml_blank(in.at())) {
      in.skip();
      continue;
    }
    const bool comment = in.at() == '#' && end.position != in.position();
    if (comment || (in.at() != '#' && !continues_plain(in, in_brackets))) break;
    in.skip();
    end = in.place();
  }
  in.go_back(end);
  value += in.since(begin);
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool read_hex(YamlCursor& in, int digits, uint32_t& number) {
  number = 0;
  for (; digits > 0; --digits, in.skip()) {
    const int digit = hex_digit(in.at());
    if (digit < 0) return false;
    number = number << 4 | static_cast<uint32_t>(digit);
  }
  return true;
}

// \xXX, \uXXXX or \UXXXXXXXX behind its letter; a pair of surrogates, as JSON
// has it, is one character.
YamlProblem read_code_point(YamlCursor& in, int digits, std::string& value) {
  uint32_t point = 0;
  if (!read_hex(in, digits, point)) return "an escape with too few hexadecimal digits";
  if (point >= 0xD800 && point < 0xDC00 && digits == 4 && in.at() == '\\' && in.at(1) == 'u') {
    uint32_t low = 0;
    in.skip(2);
    if (!read_hex(in, 4, low)) return "an escape with too few hexadecimal digits";
    if (low < 0xDC00 || low >= 0xE000) return "an escape of half a surrogate pair";
    point = 0x10000 + ((point - 0xD800) << 10) + (low - 0xDC00);
  }
  if (point >= 0xD800 && point < 0xE000) return "an escape of half a surrogate pair";
  if (point > 0x10FFFF) return "an escape beyond Unicode";
  append_utf8(value, point);
  return nullptr;
}

// Behind the backslash, which is not before a line's break.
YamlProblem read_escape(YamlCursor& in, std::string& value) {
  constexpr std::string_view kLetters = "0abt\tnvfre \"/\\";
  constexpr std::string_view kMeaning("\0\a\b\t\t\n\v\f\r\x1B \"/\\", 14);
  const char letter = in.at();
  if (letter != '\0') {
    if (const size_t i = kLetters.find(letter); i != std::string_view::npos) {
      value += kMeaning[i];
      in.skip();
      return nullptr;
    }
  }
  const auto take = [&](std::string_view meaning) {
    value += meaning;
    in.skip();
    return nullptr;
  };
  switch (letter) {
    case 'N': return take("\xC2\x85");
    case '_': return take("\xC2\xA0");
    case 'L': return take("\xE2\x80\xA8");
    case 'P': return take("\xE2\x80\xA9");
    case 'x':
    case 'u':
    case 'U':
      in.skip();
      return read_code_point(in, letter == 'x' ? 2 : letter == 'u' ? 4 : 8, value);
    default: return "an escape that YAML does not know; write \\\\ for a backslash";
  }
}

// From a break, or blanks before one, to the next line's text.
YamlProblem read_quoted_break(YamlCursor& in, int indent, size_t& breaks) {
  breaks = 0;
  while (in.skip_break()) {
    ++breaks;
    if (in.at_marker()) return "a document ends within quotes";
    in.skip_blanks();
  }
  if (in.at_end()) return "the closing quote is missing";
  if (in.indentation() < indent) {
    return "a line within quotes is indented less than what it belongs to";
  }
  return nullptr;
}

struct BlockHeader {
  bool folded = false;
  char chomping = ' ';  // '-', '+'
  int indent = 0;       // relative; 0: that of the first line
};

YamlProblem read_block_header(YamlCursor& in, BlockHeader& header) {
  header.folded = in.at() == '>';
  in.skip();
  for (int i = 0; i < 2; ++i) {
    const char c = in.at();
    if ((c == '-' || c == '+') && header.chomping == ' ') {
      header.chomping = c;
    } else if (c >= '1' && c <= '9' && header.indent == 0) {
      header.indent = c - '0';
    } else {
      break;
    }
    in.skip();
  }
  const bool apart = is_yaml_blank(in.at());
  in.skip_blanks();
  if (apart && in.at() == '#') in.skip_line();
  return in.at_line_end() ? nullptr : "a block's text begins on the line behind its '|' or '>'";
}

// How far the block's text is indented: as its first line that is not blank,
// or as the longest blank one where there is none.
YamlProblem find_block_indent(YamlCursor in, int least, int& indent) {
  int longest = 0;
  do {
    indent = in.indentation();
    in.skip(static_cast<size_t>(indent));
    longest = std::max(longest, indent);
  } while (in.skip_break());
  if (in.at_end() || in.at_marker() || indent < least) {
    indent = std::max(longest, least);
    return nullptr;
  }
  return longest > indent ? "an empty line is indented more than the block's first line" : nullptr;
}

}  // namespace

bool at_plain_scalar(const YamlCursor& in, bool in_brackets) {
  const char c = in.at();
  if (c == '-' || c == '?' || c == ':') return is_plain_safe(in.at(1), in_brackets);
  constexpr std::string_view kIndicators = ",[]{}#&*!|>'\"%@`";
  return !is_yaml_gap(c) && kIndicators.find(c) == std::string_view::npos;
}

std::string read_plain_scalar(YamlCursor& in, int indent, bool in_brackets) {
  std::string value;
  for (;;) {
    read_plain_line(in, in_brackets, value);
    const YamlCursor::Place end = in.place();
    in.skip_blanks();
    size_t breaks = 0;
    while (in.skip_break() && !in.at_marker()) {
      ++breaks;
      in.skip_blanks();
    }
    if (breaks == 0 || in.at_marker() || in.indentation() < indent ||
        !continues_plain(in, in_brackets)) {
      in.go_back(end);
      return value;
    }
    fold(value, breaks);
  }
}

YamlProblem read_quoted_scalar(YamlCursor& in, int indent, std::string& value) {
  const char quote = in.at();
  size_t kept = 0;  // of the value: blanks behind are dropped before a break
  for (in.skip();;) {
    const char c = in.at();
    if (in.at_line_end()) {
      size_t breaks = 0;
      value.resize(kept);
      if (const YamlProblem problem = read_quoted_break(in, indent, breaks)) return problem;
      fold(value, breaks);
      kept = value.size();
      continue;
    }
    if (c == quote) {
      if (quote == '"' || in.at(1) != quote) break;
      in.skip();  // '' is one of them
    }
    if (c == '\\' && quote == '"') {
      in.skip();
      if (is_yaml_break(in.at())) {
        size_t breaks = 0;
        if (const YamlProblem problem = read_quoted_break(in, indent, breaks)) return problem;
        value.append(breaks - 1, '\n');
      } else if (const YamlProblem problem = read_escape(in, value)) {
        return problem;
      }
      kept = value.size();
      continue;
    }
    value += c;
    in.skip();
    if (!is_yaml_blank(c)) kept = value.size();
  }
  in.skip();
  return nullptr;
}

YamlProblem read_block_scalar(YamlCursor& in, int parent, std::string& value) {
  BlockHeader header;
  if (const YamlProblem problem = read_block_header(in, header)) return problem;
  if (!in.skip_break()) return nullptr;
  int indent = std::max(parent, 0) + header.indent;
  if (header.indent == 0) {
    if (const YamlProblem problem = find_block_indent(in, parent + 1, indent)) return problem;
  }
  size_t breaks = 0;    // since the last text
  bool deeper = false;  // it began with a blank, and is not folded
  for (;;) {
    if (in.at_end() || in.at_marker()) break;
    const int spaces = in.indentation();
    in.skip(static_cast<size_t>(std::min(spaces, indent)));
    if (in.at_line_end()) {
      ++breaks;  // spaces alone at the end of the text are a line too
      in.skip_break();
      continue;
    }
    if (spaces < indent) {
      if (in.at() == '\t') return "a tab where spaces indent";
      break;
    }
    const bool now_deeper = is_yaml_blank(in.at());
    if (header.folded && !value.empty() && breaks > 0 && !deeper && !now_deeper) {
      fold(value, breaks);
    } else {
      value.append(breaks, '\n');
    }
    deeper = now_deeper;
    const size_t begin = in.position();
    in.skip_line();
    value += in.since(begin);
    const bool blanks = in.since(begin).find_first_not_of(" \t") == std::string_view::npos;
    breaks = in.skip_break() || blanks ? 1 : 0;
  }
  if (header.chomping == '+') value.append(breaks, '\n');
  if (header.chomping == ' ' && !value.empty() && breaks > 0) value += '\n';
  return nullptr;
}

}  // namespace gatehouse::wire

#include "alerts/mail_message.h"

#include <algorithm>
#include <ctime>

#include "base/text.h"
#include "net/date.h"

namespace gatehouse::alerts {

namespace {

// RFC 2045 §6.7: 76 characters a line. RFC 2047 §2: 75 a word.
constexpr size_t kLineMax = 76;
constexpr size_t kWordBytesMax = 45;  // of text in one word, every byte escaped at worst
// RFC 5322 §2.1.1 wants 78; folded at spaces.
constexpr size_t kFoldAt = 76;

constexpr std::string_view kHex = "0123456789ABCDEF";

void append_hex(std::string& out, char c) {
  const auto byte = static_cast<unsigned char>(c);
  out += '=';
  out += kHex[byte >> 4];
  out += kHex[byte & 15];
}

bool ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

std::string on_one_line(std::string_view text) {
  std::string out;
  for (const char c : text) {
    out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
  }
  return out;
}

std::string encoded_words(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    size_t count = 0;
    std::string word;
    while (count < text.size() && word.size() < kWordBytesMax) {
      do {  // a character is not cut
        const char c = text[count++];
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '/' || c == ':';
        if (c == ' ') {
          word += '_';
        } else if (plain) {
          word += c;
        } else {
          append_hex(word, c);
        }
      } while (count < text.size() && (static_cast<unsigned char>(text[count]) & 0xc0) == 0x80);
    }
    out += (out.empty() ? "" : " ") + ("=?utf-8?q?" + word + "?=");
    text.remove_prefix(count);
  }
  return out;
}

bool holds_addresses(std::string_view name) {
  for (const std::string_view each : {"from", "to", "cc", "bcc", "reply-to", "sender"}) {
    if (equal_ignoring_case(name, each)) return true;
  }
  return false;
}

std::string shown_addresses(std::string_view text) {
  const auto addresses = parse_addresses(text);
  if (!addresses.ok()) return header_text(text);
  std::string out;
  for (const MailAddress& each : *addresses) {
    out += out.empty() ? "" : ", ";
    if (each.name.empty()) {
      out += each.address;
    } else if (!ascii(each.name)) {
      out += encoded_words(each.name) + " <" + each.address + ">";
    } else {
      out += '"';
      for (const char c : each.name) {
        if (c == '"' || c == '\\') out += '\\';
        out += c;
      }
      out += "\" <" + each.address + ">";
    }
  }
  return out;
}

void append_header(std::string& out, std::string_view name, std::string_view value) {
  std::string line(name);
  line += ": ";
  line += value;
  // Spaces are where a line may be folded; white space at the break stays.
  while (line.size() > kFoldAt) {
    size_t at = line.rfind(' ', kFoldAt);
    const size_t least = name.size() + 2;
    if (at == std::string::npos || at < least || at == 0) at = line.find(' ', kFoldAt);
    if (at == std::string::npos || at < least) break;
    out.append(line, 0, at);
    out += "\r\n";
    line.erase(0, at);
    if (line.find_first_not_of(' ') == std::string::npos) break;
    if (line.find(' ', 1) == std::string::npos) break;
  }
  out += line;
  out += "\r\n";
}

bool header_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(),
                                      [](char c) { return c > ' ' && c < 0x7f && c != ':'; });
}

bool address_of_mail(std::string_view text) {
  const size_t at = text.rfind('@');
  if (at == 0 || at == std::string_view::npos || at + 1 == text.size()) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) > ' ' && c != 0x7f && c != '<' && c != '>' && c != ',' &&
           c != '"' && c != '(' && c != ')' && c != ';' && c != '\\';
  });
}

std::string without_quotes(std::string_view text) {
  text = trim(text);
  std::string out;
  const bool quoted = text.size() >= 2 && text.front() == '"' && text.back() == '"';
  if (quoted) text = text.substr(1, text.size() - 2);
  for (size_t i = 0; i < text.size(); ++i) {
    if (quoted && text[i] == '\\' && i + 1 < text.size()) ++i;
    out += text[i];
  }
  return out;
}

Result<MailAddress> parse_address(std::string_view text) {
  const std::string whole = on_one_line(trim(text));
  MailAddress out;
  const size_t open = whole.rfind('<');
  if (open == std::string::npos) {
    out.address = whole;
  } else {
    const size_t close = whole.find('>', open);
    if (close == std::string::npos || !trim(std::string_view(whole).substr(close + 1)).empty()) {
      return invalid_argument("not a mail address: " + whole);
    }
    out.name = without_quotes(std::string_view(whole).substr(0, open));
    out.address = trim(std::string_view(whole).substr(open + 1, close - open - 1));
  }
  if (!address_of_mail(out.address)) return invalid_argument("not a mail address: " + whole);
  return out;
}

}  // namespace

Result<std::vector<MailAddress>> parse_addresses(std::string_view text) {
  std::vector<MailAddress> out;
  size_t begin = 0;
  bool quoted = false;
  for (size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size()) {
      if (quoted && text[i] == '\\') ++i;
      if (i < text.size() && text[i] == '"') quoted = !quoted;
      if (i < text.size() && (text[i] != ',' || quoted)) continue;
    }
    const std::string_view part =
        text.substr(std::min(begin, text.size()), std::min(i, text.size()) - begin);
    begin = i + 1;
    if (trim(part).empty()) continue;
    ASSIGN_OR_RETURN(MailAddress address, parse_address(part));
    out.push_back(std::move(address));
  }
  if (out.empty()) return invalid_argument("no mail address");
  return out;
}

std::string header_text(std::string_view value) {
  const std::string line = on_one_line(value);
  return ascii(line) ? line : encoded_words(line);
}

std::string quoted_printable(std::string_view text) {
  std::string out;
  size_t column = 0;
  const auto put = [&](std::string_view piece) {
    if (column + piece.size() > kLineMax - 1) {
      out += "=\r\n";
      column = 0;
    }
    out += piece;
    column += piece.size();
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool crlf = c == '\r' && i + 1 < text.size() && text[i + 1] == '\n';
    if (c == '\n' || crlf) {
      if (crlf) ++i;
      out += "\r\n";
      column = 0;
      continue;
    }
    const bool blank = c == ' ' || c == '\t';
    const bool ends = i + 1 == text.size() || text[i + 1] == '\n' || text[i + 1] == '\r';
    if ((c > ' ' && c < 0x7f && c != '=') || (blank && !ends)) {
      put(std::string_view(&c, 1));
    } else {
      std::string escaped;
      append_hex(escaped, c);
      put(escaped);
    }
  }
  return out;
}

std::string mail_date(int64_t unix_s) {
  std::string text = net::format_http_date(unix_s);  // "... GMT"
  text.replace(text.size() - 3, 3, "+0000");
  return text;
}

std::string mail_text(const MailMessage& message, std::string_view boundary) {
  std::string out;
  for (const auto& [name, value] : message.headers) {
    if (!header_name(name)) continue;
    append_header(out, name, holds_addresses(name) ? shown_addresses(value) : header_text(value));
  }
  const std::string line(boundary);
  out +=
      "Content-Type: multipart/alternative;\r\n boundary=" + line + "\r\nMIME-Version: 1.0\r\n\r\n";
  for (const MailPart& part : message.parts) {
    out += "--" + line +
           "\r\nContent-Transfer-Encoding: quoted-printable\r\nContent-Type: " + part.content_type +
           "; charset=UTF-8\r\n\r\n" + quoted_printable(part.body) + "\r\n";
  }
  return out + "--" + line + "--\r\n";
}

}  // namespace gatehouse::alerts

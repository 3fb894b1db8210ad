#include "alerts/shown_config.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "alerts/matchers.h"

namespace gatehouse::alerts {

namespace {

using wire::YamlNode;

// Keys that hold a secret wherever they stand, and endings of such keys.
constexpr std::array<std::string_view, 18> kSecretKeys = {
    "password",    "credentials",           "secret",     "slack_api_url", "webhook_url",
    "routing_key", "service_key",           "api_key",    "user_key",      "token",
    "token_id",    "alert_source_token",    "access_key", "key",           "bot_token",
    "app_token",   "mattermost_webhook_url"};
constexpr std::array<std::string_view, 6> kSecretEndings = {"_password", "_secret",    "_token",
                                                            "_api_key",  "secret_key", "_token_id"};

bool secret_key(std::string_view key) {
  return std::find(kSecretKeys.begin(), kSecretKeys.end(), key) != kSecretKeys.end() ||
         std::any_of(kSecretEndings.begin(), kSecretEndings.end(),
                     [key](std::string_view ending) { return key.ends_with(ending); });
}

// Where the mapping stands: "webhook_configs", "http_config", ...
bool secret_within(std::string_view parent, std::string_view key) {
  if (parent == "slack_configs" && key == "api_url") return true;
  return parent == "incidentio_configs" && key == "url";
}

bool has_scheme(std::string_view text) {
  return text.starts_with("http://") || text.starts_with("https://");
}

// A URL with a secret in its path: http://host/<secret>.
std::string shown_host(std::string_view url) {
  const size_t host = url.find("://") + 3;
  const size_t end = std::min(url.find_first_of("/?#", host), url.size());
  std::string_view authority = url.substr(host, end - host);
  if (const size_t at = authority.rfind('@'); at != std::string_view::npos) {
    authority = authority.substr(at + 1);
  }
  return std::string(url.substr(0, host)) + std::string(authority) + "/<secret>";
}

// Another URL without the password it may have.
std::string shown_url(std::string_view url) {
  const size_t host = url.find("://") + 3;
  const size_t end = std::min(url.find_first_of("/?#", host), url.size());
  const std::string_view authority = url.substr(host, end - host);
  const size_t at = authority.rfind('@');
  if (at == std::string_view::npos) return std::string(url);
  const size_t colon = authority.substr(0, at).find(':');
  if (colon == std::string_view::npos) return std::string(url);
  return std::string(url.substr(0, host)) + std::string(authority.substr(0, colon)) + ":xxxxx" +
         std::string(authority.substr(at)) + std::string(url.substr(end));
}

class Writer {
 public:
  std::string out;

  // `secret`: all scalars below are hidden.
  void value(const YamlNode& node, int indent, std::string_view key, bool secret) {
    if (node.is_mapping() && !node.entries.empty()) {
      mapping(node, indent, key, secret);
    } else if (node.is_sequence() && !node.items.empty()) {
      sequence(node, indent, key, secret);
    } else {
      out += ' ';
      scalar(node, secret);
      out += '\n';
    }
  }

  // On a line of its own, `indent` spaces in; the first line's are already there where
  // `inline_first`.
  void entries(const YamlNode& node, int indent, std::string_view parent, bool secret,
               bool inline_first) {
    for (const wire::YamlEntry& entry : node.entries) {
      if (!inline_first) out.append(static_cast<size_t>(indent), ' ');
      inline_first = false;
      const std::string_view key = entry.key->value;
      plain_or_quoted(*entry.key);
      out += ':';
      if (parent == "webhook_configs" && key == "url" && entry.value->is_scalar()) {
        out += ' ' +
               go_quoted(has_scheme(entry.value->value) ? shown_host(entry.value->value)
                                                        : "<secret>") +
               '\n';
        continue;
      }
      const bool hidden = secret || secret_key(key) || secret_within(parent, key);
      value(*entry.value, indent + 2, key, hidden);
    }
  }

 private:
  void mapping(const YamlNode& node, int indent, std::string_view key, bool secret) {
    out += '\n';
    entries(node, indent, key, secret, false);
  }

  void sequence(const YamlNode& node, int indent, std::string_view key, bool secret) {
    out += '\n';
    for (const YamlNode* item : node.items) {
      out.append(static_cast<size_t>(indent - 2), ' ');
      out += '-';
      if (item->is_mapping() && !item->entries.empty()) {
        out += ' ';
        entries(*item, indent, key, secret, true);
      } else {
        value(*item, indent + 2, key, secret);
      }
    }
  }

  void scalar(const YamlNode& node, bool secret) {
    if (node.is_mapping()) {
      out += "{}";
    } else if (node.is_sequence()) {
      out += "[]";
    } else if (secret && !node.value.empty() && !node.is_null()) {
      out += "<secret>";
    } else {
      plain_or_quoted(node);
    }
  }

  // A string that would read as something else, or not at all, without quotes has them.
  void plain_or_quoted(const YamlNode& node) {
    const std::string text = has_scheme(node.value) ? shown_url(node.value) : node.value;
    if (!node.is_string()) {
      out += text.empty() ? "null" : text;
      return;
    }
    const bool plain = node.style == wire::YamlStyle::kPlain && !text.empty() &&
                       std::all_of(text.begin(), text.end(), [](char c) {
                         return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                                (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '/' ||
                                c == '-';
                       });
    out += plain && text[0] != '-' && text[0] != '.' ? text : go_quoted(text);
  }
};

}  // namespace

std::string shown_config(const YamlNode& root) {
  Writer writer;
  if (root.is_mapping()) writer.entries(root, 0, "", false, false);
  return std::move(writer.out);
}

}  // namespace gatehouse::alerts

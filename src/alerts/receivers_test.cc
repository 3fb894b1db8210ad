// What each kind of receiver sends for a notification, and how it reads replies: the cases of
// test/alerts/receivers, whose README has the form. GATEHOUSE_UPDATE=1 writes what was found.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "alerts/email.h"
#include "alerts/http_integration.h"
#include "alerts/sample_notification_for_test.h"
#include "base/text.h"
#include "net/url.h"
#include "wire/json.h"

namespace gatehouse::alerts {
namespace {

namespace fs = std::filesystem;

struct Case {
  std::string name, input, expected;
};

std::string slurp(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

std::vector<Case> cases_of(const std::string& text) {
  std::vector<Case> out;
  std::istringstream lines(text);
  bool expected = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("== ")) {
      out.push_back({line.substr(3), {}, {}});
      expected = false;
    } else if (line == "--" && !expected) {
      expected = true;
    } else if (!out.empty()) {
      (expected ? out.back().expected : out.back().input) += line + "\n";
    }
  }
  return out;
}

// The value of "key: ..." in the input, or the indented lines below "key:".
std::string section(const std::string& input, const std::string& key) {
  std::istringstream lines(input);
  std::string out;
  bool inside = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(key + ": ")) return line.substr(key.size() + 2);
    if (line == key + ":") {
      inside = true;
    } else if (inside && line.starts_with("  ")) {
      out += line + "\n";
    } else if (inside) {
      break;
    }
  }
  return out;
}

std::vector<std::string> replies(const std::string& input) {
  std::vector<std::string> out;
  std::istringstream lines(input);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("reply: ")) out.push_back(line.substr(7));
  }
  return out;
}

void pretty(wire::JsonView view, const std::string& indent, std::string& out) {
  const auto quoted = [](std::string_view text) {
    std::string json;
    wire::JsonWriter(json).string(text);
    return json;
  };
  const std::string inner = indent + "  ";
  if (view.is_object()) {
    out += "{";
    for (const auto& [key, value] : view.members()) {
      out += "\n" + inner + quoted(key) + ": ";
      pretty(value, inner, out);
    }
    out += view.size() == 0 ? "}" : "\n" + indent + "}";
  } else if (view.is_array()) {
    out += "[";
    for (const wire::JsonView item : view.items()) {
      out += "\n" + inner;
      pretty(item, inner, out);
    }
    out += view.size() == 0 ? "]" : "\n" + indent + "]";
  } else if (const auto text = view.string()) {
    out += quoted(*text);
  } else if (const auto truth = view.boolean()) {
    out += *truth ? "true" : "false";
  } else if (const auto integer = view.integer()) {
    out += std::to_string(*integer);
  } else if (view.is_number()) {
    out += std::to_string(*view.number());
  } else {
    out += "null";
  }
}

std::string shown(const OutgoingRequest& request) {
  std::string out = request.method + " " + request.url + "\n";
  for (const auto& [name, value] : request.headers) out += name + ": " + value + "\n";
  const auto document = wire::JsonDocument::parse(request.body);
  const auto form = net::parse_query(request.body);
  if (document.ok()) {
    pretty(document->root(), "", out);
  } else if (request.body.find("Action=") == 0 || request.body.find("token=") == 0) {
    for (const auto& [name, value] : *form) {
      std::string json;
      wire::JsonWriter(json).string(value);
      out += name + " = " + json + "\n";
    }
    out.pop_back();
  } else {
    out += request.body;
  }
  return out + "\n";
}

std::string converse(const HttpIntegration& http, Attempt& attempt,
                     const std::vector<std::string>& replies) {
  std::string out;
  Result<OutgoingRequest> request = http.request(attempt);
  for (size_t i = 0; i <= replies.size(); ++i) {
    if (!request.ok()) return out + "error: " + request.status().message() + "\n";
    out += shown(*request);
    if (i == replies.size()) break;
    out += "> " + replies[i] + "\n";
    std::istringstream words(replies[i]);
    HttpReply reply;
    words >> reply.status;
    if (replies[i].find(" {") != std::string::npos) {
      reply.content_type = "application/json; charset=utf-8";
    }
    std::getline(words >> std::ws, reply.body);
    Reading reading = http.read(attempt, reply);
    if (!reading.next) {
      out += reading.delivered ? "delivered" : reading.retry ? "retry" : "failed";
      if (!reading.error.empty()) out += ": " + attempt.redacted(reading.error);
      if (reading.retry_after_ms != 0) {
        out += " (after " + std::to_string(reading.retry_after_ms) + "ms)";
      }
      out += "\n";
      break;
    }
    request = std::move(*reading.next);
  }
  if (!attempt.failure().ok()) out += "fallback: " + attempt.failure().message() + "\n";
  return out;
}

// Without what is new each time.
std::string mail_shown(const EmailIntegration& email, Attempt& attempt) {
  const auto ask = email.mail(attempt);
  if (!ask.ok()) return "error: " + ask.status().message() + "\n";
  std::string out = "to " + ask->host + ":" + std::to_string(ask->port) +
                    (ask->implicit_tls ? " tls" : "") + (ask->require_tls ? " starttls" : "") +
                    " hello " + ask->hello;
  if (!ask->username.empty()) out += " user " + ask->username;
  out += "\nMAIL FROM " + ask->from + "\n";
  for (const std::string& to : ask->to) out += "RCPT TO " + to + "\n";
  std::string text = ask->message;
  const size_t at = text.find("boundary=") + 9;
  const std::string boundary = text.substr(at, text.find('\r', at) - at);
  for (size_t i = text.find(boundary); i != std::string::npos; i = text.find(boundary)) {
    text.replace(i, boundary.size(), "BOUNDARY");
  }
  const size_t id = text.find("Message-Id: <");
  if (id != std::string::npos) text.replace(id + 13, text.find('@', id) - id - 13, "ID");
  std::erase(text, '\r');
  if (!attempt.failure().ok()) text += "fallback: " + attempt.failure().message() + "\n";
  return out + text;
}

std::string run(const Case& each, const NotificationTemplates& templates) {
  wire::ConfigLog log;
  log.file = "case.yml";
  const std::string global_text = section(each.input, "global");
  const auto global = wire::parse_yaml(global_text.empty() ? "{}" : global_text);
  const auto config = wire::parse_yaml(section(each.input, "config"));
  if (!global.ok()) return "error: " + global.status().message() + "\n";
  if (!config.ok()) return "error: " + config.status().message() + "\n";
  const Globals globals = read_globals(log, global->documents().front());
  const std::string key = section(each.input, "kind") + "_configs";
  std::shared_ptr<Integration> made;
  for (const IntegrationKind& kind : integration_kinds()) {
    if (kind.key != key) continue;
    wire::ConfigFields fields(log, *config->documents().front(), "config");
    made = kind.read(fields, globals);
    fields.done();
  }
  if (made == nullptr) return "error: no such kind\n";
  std::string out;
  for (const std::string& notice : log.notices) out += "notice: " + notice + "\n";
  for (const std::string& problem : log.problems) out += "problem: " + problem + "\n";
  if (!log.problems.empty()) return out;
  const Notification notification = sample_notification(section(each.input, "notify"));
  Attempt attempt(templates, notification, kNever, kSampleNow_ns);
  if (const auto* http = made->http()) return out + converse(*http, attempt, replies(each.input));
  return out + mail_shown(*made->email(), attempt);
}

TEST(Receivers, Cases) {
  const fs::path folder = "test/alerts/receivers";
  const auto templates = NotificationTemplates::create({});
  ASSERT_TRUE(templates.ok()) << templates.status().message();
  const bool update = std::getenv("GATEHOUSE_UPDATE") != nullptr;
  size_t count = 0;
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".test") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files) {
    const std::string text = slurp(file);
    std::string renewed = text.substr(0, text.find("== "));
    for (const Case& each : cases_of(text)) {
      ++count;
      std::string expected = each.expected;
      while (expected.ends_with("\n\n")) expected.pop_back();
      const std::string found = run(each, **templates);
      renewed += "== " + each.name + "\n" + each.input + "--\n" + found + "\n";
      if (!update) {
        EXPECT_EQ(found, expected) << file.filename() << ": " << each.name;
      }
    }
    if (update) std::ofstream(file) << renewed.substr(0, renewed.size() - 1);
  }
  EXPECT_GT(count, 30u);
}

// Every kind of Alertmanager's receivers is there, once.
TEST(Receivers, Kinds) {
  std::vector<std::string_view> keys;
  for (const IntegrationKind& kind : integration_kinds()) keys.push_back(kind.key);
  std::sort(keys.begin(), keys.end());
  EXPECT_EQ(keys.size(), 18u);
  EXPECT_EQ(std::adjacent_find(keys.begin(), keys.end()), keys.end());
}

}  // namespace
}  // namespace gatehouse::alerts

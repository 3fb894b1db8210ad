// The mock's own routes, below /mock/.
#include <vector>

#include "mock-upstream/json.h"
#include "mock-upstream/state.h"

namespace mock {

void append_request_json(std::string& out, std::string_view head, std::string_view body) {
  const size_t line_end = head.find("\r\n");
  const std::string_view line = head.substr(0, line_end);
  const size_t first = line.find(' ');
  const size_t second = line.rfind(' ');
  out += "{\"method\":";
  append_quoted(out, line.substr(0, first));
  out += ",\"target\":";
  append_quoted(out,
                second > first ? line.substr(first + 1, second - first - 1) : std::string_view());
  // A header that comes twice is joined by ", ", as RFC 9110 section 5.3 allows.
  std::vector<std::pair<std::string, std::string>> headers;
  for (size_t pos = line_end; pos != std::string_view::npos && pos + 2 < head.size();) {
    const size_t end = head.find("\r\n", pos + 2);
    const std::string_view field =
        head.substr(pos + 2, end == std::string_view::npos ? end : end - pos - 2);
    pos = end;
    const size_t colon = field.find(':');
    if (colon == std::string_view::npos) continue;
    std::string name(field.substr(0, colon));
    for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    const size_t start = field.find_first_not_of(" \t", colon + 1);
    std::string value(start == std::string_view::npos ? std::string_view() : field.substr(start));
    bool joined = false;
    for (auto& [known, text] : headers) {
      if (known == name) {
        text += ", " + value;
        joined = true;
      }
    }
    if (!joined) headers.emplace_back(std::move(name), std::move(value));
  }
  out += ",\"headers\":{";
  for (const auto& [name, value] : headers) {
    if (out.back() != '{') out += ',';
    append_quoted(out, name);
    out += ':';
    append_quoted(out, value);
  }
  out += "},\"body\":";
  append_quoted(out, body);
  out += '}';
}

void admin_reply(Reply& reply, const Request& request, const Ask& ask, State& state) {
  const std::string_view path = ask.path;
  const bool post = request.method == "POST";
  if (path == "/mock/stats") {
    state.append_stats(reply.body);
  } else if (path == "/mock/calls") {
    state.append_calls(reply.body);
  } else if (path.starts_with("/mock/calls/")) {
    if (!state.append_call(reply.body, path.substr(12))) {
      reply.status = 404;
      reply.body = R"({"error":"no call had this x-mock-id"})";
    }
  } else if (path == "/mock/behavior" && post) {
    const std::string upstream = json_text(json_member(request.body, "upstream"));
    const std::string wrong = state.change(upstream, request.body);
    if (wrong.empty()) {
      state.append_behaviors(reply.body);
    } else {
      reply.status = 400;
      reply.body = "{\"error\":";
      append_quoted(reply.body, wrong);
      reply.body += '}';
    }
  } else if (path == "/mock/behavior") {
    state.append_behaviors(reply.body);
  } else if (path == "/mock/reset" && post) {
    state.reset();
    reply.body = R"({"reset":true})";
  } else {
    reply.status = 404;
    reply.body =
        R"({"error":"the mock has GET /mock/stats, /mock/calls, /mock/calls/ID, /mock/behavior and POST /mock/behavior, /mock/reset"})";
  }
}

}  // namespace mock

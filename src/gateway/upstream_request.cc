#include "gateway/upstream_request.h"

#include <algorithm>
#include <array>

#include "base/log.h"
#include "base/text.h"

namespace gatehouse::gateway {

namespace {

using std::string_view_literals::operator""sv;

// Between the caller and the gateway: not for the upstream. Accept-Encoding is
// among them because the gateway reads the reply's usage as it passes.
constexpr std::array kDropped = {
    "accept-encoding"sv,
    "api-key"sv,
    "authorization"sv,
    "content-length"sv,
    "cookie"sv,
    "expect"sv,
    "forwarded"sv,
    "host"sv,
    "traceparent"sv,
    "x-api-key"sv,
    "x-forwarded-for"sv,
    "x-forwarded-host"sv,
    "x-forwarded-proto"sv,
    "x-real-ip"sv,
};

bool is_dropped(const net::HeaderList& headers, std::string_view name) {
  char lower[24];
  if (name.size() < sizeof lower) {
    std::transform(name.begin(), name.end(), lower, ascii_lower);
    const std::string_view own(lower, name.size());
    if (std::find(kDropped.begin(), kDropped.end(), own) != kDropped.end()) return true;
    if (own.starts_with("x-gatehouse-")) return true;
  } else if (equal_ignoring_case(name.substr(0, 12), "x-gatehouse-")) {
    return true;
  }
  return net::is_hop_by_hop(headers, name);
}

// RFC 3986 path segment: what is not unreserved is percent-encoded.
void append_segment(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  for (char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      out += c;
    } else {
      out += '%';
      out += kHex[static_cast<unsigned char>(c) >> 4];
      out += kHex[static_cast<unsigned char>(c) & 15];
    }
  }
}

void append_query(std::string& target, std::string_view query, std::string_view without) {
  while (!query.empty()) {
    const size_t end = std::min(query.find('&'), query.size());
    const std::string_view part = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (part.empty() || (!without.empty() && part.substr(0, part.find('=')) == without)) continue;
    target += target.find('?') == std::string::npos ? '?' : '&';
    target += part;
  }
}

// On Azure these name their deployment in the path; the others name it in the body.
bool has_deployment_path(Operation operation) {
  switch (operation) {
    case Operation::kChat:
    case Operation::kCompletions:
    case Operation::kEmbeddings:
    case Operation::kImages:
    case Operation::kAudio: return true;
    default: return false;
  }
}

std::string azure_target(const UpstreamConfig& upstream, std::string_view base_path,
                         std::string_view model, const CallRequest& call) {
  std::string target(base_path);
  if (upstream.api_version.empty()) {
    if (!target.ends_with("/openai/v1")) target += "/openai/v1";
    target += call.path;
    append_query(target, call.query, {});
    return target;
  }
  if (!target.ends_with("/openai")) target += "/openai";
  if (has_deployment_path(call.operation)) {
    target += "/deployments/";
    append_segment(target, model);
  }
  target += call.path;
  target += "?api-version=";
  target += upstream.api_version;
  append_query(target, call.query, "api-version");
  return target;
}

}  // namespace

bool serves(UpstreamKind kind, Family family) {
  switch (kind) {
    case UpstreamKind::kOpenAi:
    case UpstreamKind::kAzureOpenAi: return family == Family::kOpenAi;
    case UpstreamKind::kAnthropic: return family == Family::kAnthropic;
    case UpstreamKind::kHttp: return family == Family::kHttp;
  }
  return false;
}

std::string_view name(UpstreamKind kind) {
  switch (kind) {
    case UpstreamKind::kOpenAi: return "openai";
    case UpstreamKind::kAzureOpenAi: return "azure_openai";
    case UpstreamKind::kAnthropic: return "anthropic";
    case UpstreamKind::kHttp: return "http";
  }
  return "http";
}

std::string upstream_target(const UpstreamConfig& upstream, std::string_view base_path,
                            std::string_view model, const CallRequest& call) {
  if (upstream.kind == UpstreamKind::kAzureOpenAi) {
    return azure_target(upstream, base_path, model, call);
  }
  std::string target(base_path);
  if (upstream.kind == UpstreamKind::kAnthropic && !target.ends_with("/v1")) target += "/v1";
  if (call.model_in_path.empty()) {
    target += call.path;
  } else {
    target += call.path.substr(0, call.model_in_path.begin);
    append_segment(target, model);
    target += call.path.substr(call.model_in_path.end);
  }
  append_query(target, call.query, upstream.kind == UpstreamKind::kOpenAi ? "api-version" : "");
  return target;
}

std::string_view upstream_body(const CallRequest& call, std::string_view model,
                               std::string& storage) {
  std::vector<wire::JsonSplice> splices;
  const BodyModel& named = call.body_model;
  if (named.place == BodyModel::Place::kMissing) {
    std::string member = "\"model\":";
    append_json_string(member, model);
    splices.push_back({named.range.begin, named.range.begin, member + ","});
  } else if (named.place == BodyModel::Place::kValue && named.text != model) {
    std::string value;
    append_json_string(value, model);
    splices.push_back({named.range.begin, named.range.end, std::move(value)});
  }
  if (call.usage_option) splices.push_back(*call.usage_option);
  if (splices.empty()) return call.body;
  if (splices.size() == 2 && splices[1].begin < splices[0].begin) {
    std::swap(splices[0], splices[1]);
  }
  storage = wire::apply_splices(call.body, splices);
  return storage;
}

void upstream_headers(const net::HeaderList& request, const UpstreamConfig& upstream,
                      const model::Credential::Header* credential, std::string_view traceparent,
                      std::vector<net::Header>& out) {
  out.clear();
  for (const net::Header& header : request) {
    if (is_dropped(request, header.name)) continue;
    if (!upstream.headers.empty() && upstream.headers.contains(to_lower(header.name))) continue;
    out.push_back(header);
  }
  if (credential != nullptr) out.push_back({credential->name, credential->value});
  for (const auto& [header, value] : upstream.headers) out.push_back({header, value});
  if (upstream.kind == UpstreamKind::kAnthropic && !request.contains("anthropic-version")) {
    out.push_back({"anthropic-version", "2023-06-01"});
  }
  if (!traceparent.empty()) out.push_back({"traceparent", traceparent});
}

}  // namespace gatehouse::gateway

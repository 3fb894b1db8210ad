#include "gateway/probe.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/text.h"
#include "gateway/upstream_request.h"

namespace gatehouse::gateway {

namespace {

// Parts of names in use. What is neither chat nor embedding is not called: there
// is no call of it that costs next to nothing.
constexpr std::array<std::string_view, 5> kEmbeddingNames = {"embed", "bge-", "gte-", "e5-",
                                                             "minilm"};
constexpr std::array<std::string_view, 13> kOtherNames = {
    "whisper",  "tts",  "dall-e", "image",  "moderation", "transcri", "rerank",
    "realtime", "sora", "audio",  "speech", "davinci",    "babbage"};

template <size_t N>
bool has_any(const std::array<std::string_view, N>& parts, std::string_view name) {
  return std::any_of(parts.begin(), parts.end(), [name](std::string_view part) {
    return name.find(part) != std::string_view::npos;
  });
}

std::string target_of(const Upstream& upstream, Operation operation, std::string_view path,
                      std::string_view model) {
  const UpstreamKind kind = upstream.config().kind;
  CallRequest call;
  call.family = kind == UpstreamKind::kAnthropic ? Family::kAnthropic
                : kind == UpstreamKind::kHttp    ? Family::kHttp
                                                 : Family::kOpenAi;
  call.operation = operation;
  call.path = path;
  return upstream_target(upstream.config(), upstream.base_path(), model, call);
}

Probe call_probe(const Upstream& upstream, Capability capability, const std::string& model,
                 TokenLimit limit) {
  Probe probe;
  probe.method = "POST";
  probe.model = model;
  std::string quoted;
  append_json_string(quoted, model);
  if (capability == Capability::kEmbeddings) {
    probe.what = "embeddings";
    probe.operation = Operation::kEmbeddings;
    probe.target = target_of(upstream, probe.operation, "/embeddings", model);
    probe.body = "{\"model\":" + quoted + ",\"input\":\"ping\"}";
    return probe;
  }
  const bool messages = upstream.config().kind == UpstreamKind::kAnthropic;
  probe.what = "chat";
  probe.operation = messages ? Operation::kMessages : Operation::kChat;
  probe.target =
      target_of(upstream, probe.operation, messages ? "/messages" : "/chat/completions", model);
  probe.body = "{\"model\":" + quoted;
  // What models reason before they answer counts as well: with 1 they refuse.
  probe.body +=
      limit == TokenLimit::kMaxTokens ? ",\"max_tokens\":1" : ",\"max_completion_tokens\":16";
  probe.body += ",\"messages\":[{\"role\":\"user\",\"content\":\"ping\"}]}";
  return probe;
}

}  // namespace

std::vector<Capability> capabilities_of(UpstreamKind kind, std::string_view model) {
  if (kind == UpstreamKind::kHttp) return {};
  if (kind == UpstreamKind::kAnthropic) return {Capability::kChat};
  const std::string name = to_lower(model);
  if (has_any(kOtherNames, name)) return {};
  if (has_any(kEmbeddingNames, name)) return {Capability::kEmbeddings};
  return {Capability::kChat};
}

std::vector<Probe> call_probes(const Snapshot& snapshot, const Upstream& upstream,
                               TokenLimit limit) {
  const UpstreamConfig& config = upstream.config();
  if (!config.health.calls || !config.health.path.empty() || config.kind == UpstreamKind::kHttp) {
    return {};
  }
  std::array<std::optional<Probe>, 2> found;  // by capability
  for (const RoutePtr& route : snapshot.router.routes()) {
    const ModelConfig& model = route->config();
    const ServedModel& served = snapshot.models.at(route.get());
    for (size_t i = 0; i < model.targets.size(); ++i) {
      const TargetConfig& target = model.targets[i];
      const std::string& there = target.model.empty() ? model.name : target.model;
      // A pattern names no model that could be called.
      if (target.upstream != config.name || there.find('*') != std::string::npos) continue;
      for (const Capability each :
           model.offers ? *model.offers : capabilities_of(config.kind, there)) {
        std::optional<Probe>& place = found[static_cast<size_t>(each)];
        if (place && (place->declared || !model.offers)) continue;
        place = call_probe(upstream, each, there, limit);
        place->price = snapshot.price(served, i, there);
        place->declared = model.offers.has_value();
      }
    }
  }
  std::vector<Probe> probes;
  for (std::optional<Probe>& each : found) {
    if (each) probes.push_back(std::move(*each));
  }
  return probes;
}

Probe free_probe(const Upstream& upstream) {
  const UpstreamConfig& config = upstream.config();
  Probe probe;
  if (!config.health.path.empty()) {
    probe.what = "health path";
    probe.target = upstream.base_path() + config.health.path;
  } else if (config.kind == UpstreamKind::kHttp) {
    probe.what = "readiness";
    probe.target = target_of(upstream, Operation::kInfer, "/v2/health/ready", "");
  } else {
    probe.what = "models";
    probe.target = target_of(upstream, Operation::kModerations, "/models", "");
  }
  return probe;
}

ProbeVerdict judge(const Probe& probe, int status, std::string& fault) {
  if (status < 400) return ProbeVerdict::kWell;
  const bool absent = status == 404 || status == 405;
  // Servers without a list of models are there, and that is what was asked.
  if (absent && !probe.is_call()) return ProbeVerdict::kWell;
  if (probe.is_call()) {
    // It has read the call and disliked how it is put: it is there and lets the
    // gate in.
    if (status == 400 || status == 422) {
      return probe.declared ? ProbeVerdict::kWell : ProbeVerdict::kUnclear;
    }
    if (absent && !probe.declared) return ProbeVerdict::kUnclear;
  }
  const std::string with_status = " (status " + std::to_string(status) + ")";
  if (status == 401 || status == 403) {
    fault = "it refuses the gate's credential" + with_status + ": check the upstream's auth";
  } else if (status == 429) {
    fault = "it limits the gate's rate" + with_status;
  } else {
    fault = "the check of its " + std::string(probe.what) + " was answered with status " +
            std::to_string(status);
  }
  if (probe.is_call()) fault += " (model " + probe.model + ")";
  return ProbeVerdict::kFault;
}

bool wants_completion_tokens(int status, std::string_view reply) {
  return status == 400 && reply.find("max_completion_tokens") != std::string_view::npos;
}

}  // namespace gatehouse::gateway

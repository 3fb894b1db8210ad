// What a health check asks an upstream for.
//
// Where a model declares that it chats or embeds (`models[].offers`, else its
// name tells), a probe is a real call of one token: it alone proves that the
// model answers. Else the upstream's list of models is asked for, which costs
// nothing and proves connection and credential. A classic model is asked
// whether it is ready.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/gateway.h"

namespace gatehouse::gateway {

struct Probe {
  std::string_view method = "GET";
  std::string target;
  std::string body;       // empty: none
  std::string_view what;  // "models", "chat", "embeddings", "readiness", "health path": for people
  Operation operation = Operation::kModerations;
  // Of a call of one token; empty and null for the others.
  std::string model;  // the name there
  std::shared_ptr<const ModelPrice> price;
  bool declared = false;  // the configuration says that the model does this

  bool is_call() const { return !model.empty(); }
};

// Whether newer models want "max_completion_tokens", which older servers do not know.
enum class TokenLimit : uint8_t { kMaxTokens, kMaxCompletionTokens };

// The calls that prove what `upstream` offers: one chat, one embedding, each with
// the first model that does. Empty: none is declared or told by a name, or the
// configuration wants none (`health.calls: false`, `health.path`).
std::vector<Probe> call_probes(const Snapshot& snapshot, const Upstream& upstream,
                               TokenLimit limit);

// What costs nothing: the list of models, the readiness, or `health.path`.
Probe free_probe(const Upstream& upstream);

// What a model is taken for where its configuration does not say.
std::vector<Capability> capabilities_of(UpstreamKind kind, std::string_view model);

enum class ProbeVerdict : uint8_t {
  kWell,
  kUnclear,  // it is there, but did not do what its model's name promised: ask for something else
  kFault,
};

// What a reply's status says of the upstream; `fault` for a person.
ProbeVerdict judge(const Probe& probe, int status, std::string& fault);

// Whether a refused chat probe asks to be put in newer terms.
bool wants_completion_tokens(int status, std::string_view reply);

}  // namespace gatehouse::gateway

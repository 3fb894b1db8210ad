// What is sent to an upstream for a call: target, headers and body in the form
// that the upstream's kind expects, everything unknown passed through untouched.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "gateway/config.h"
#include "gateway/protocol.h"
#include "model/credential.h"
#include "net/http.h"

namespace gatehouse::gateway {

// Whether an upstream of this kind speaks the protocol of that family.
bool serves(UpstreamKind kind, Family family);
std::string_view name(UpstreamKind kind);

// The request target: `base_path` is the path of the upstream's URL without a
// slash at its end, `model` the upstream's name for it.
//   openai        base + path                                     ("/v1" + "/chat/completions")
//   azure_openai  base + "/openai/deployments/{model}" + path + "?api-version="
//                 base + "/openai/v1" + path        where no api_version is set
//   anthropic     base + "/v1" + path               ("/messages"), one "/v1" where base ends in it
//   http          base + path, the model's name in it replaced
std::string upstream_target(const UpstreamConfig& upstream, std::string_view base_path,
                            std::string_view model, const CallRequest& call);

// The body with the upstream's name for the model, and with the option that
// makes a stream tell its usage. Returns a view of `call.body` where nothing
// changes, else of `storage`.
std::string_view upstream_body(const CallRequest& call, std::string_view model,
                               std::string& storage);

// The caller's headers without what is between it and the gateway (hop-by-hop
// headers, credentials, cookies, addresses, x-gatehouse-*), then the upstream's
// own. Views into the request, the configuration and `credential`.
void upstream_headers(const net::HeaderList& request, const UpstreamConfig& upstream,
                      const model::Credential::Header* credential, std::string_view traceparent,
                      std::vector<net::Header>& out);

}  // namespace gatehouse::gateway

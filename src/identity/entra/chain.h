// The production chain of DefaultAzureCredential: environment (client secret, or
// client certificate), workload identity (a federated token file, read again at
// each request), managed identity (App Service, else IMDS after a probe).
//
// As there: a credential that is not set up here is passed over; one that is set
// up and is refused ends the chain, so that a wrong secret is seen and not
// covered by the machine's identity. The error names every credential that was
// tried and why it gave no token, and holds no secret.
//
// Source: @azure/identity 4.13 and @azure/msal-node 7.2 (endpoints, parameters,
// api-versions 2018-02-01 and 2019-08-01, the probe without its header).
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/loop.h"
#include "base/result.h"
#include "base/task.h"
#include "identity/entra/transport.h"
#include "model/clock.h"

namespace gatehouse::identity::entra {

struct Options {
  std::string scope = "https://cognitiveservices.azure.com/.default";
  std::string authority_host = "https://login.microsoftonline.com";
  std::string tenant_id, client_id;
  std::string client_secret;  // secret
  std::string client_certificate_path;
  std::string federated_token_file;
  std::string identity_endpoint;  // App Service
  std::string identity_header;    // secret
  std::string imds_host = "http://169.254.169.254";
  int64_t imds_probe_ms = 1'000;
};

// Fills what is empty in `options` from AZURE_TENANT_ID, AZURE_CLIENT_ID,
// AZURE_CLIENT_SECRET, AZURE_CLIENT_CERTIFICATE_PATH, AZURE_FEDERATED_TOKEN_FILE,
// AZURE_AUTHORITY_HOST, IDENTITY_ENDPOINT, IDENTITY_HEADER and
// AZURE_POD_IDENTITY_AUTHORITY_HOST. `get` returns "" for what is not set.
void fill_from_environment(Options& options, const std::function<std::string(const char*)>& get);

struct Token {
  std::string value;       // secret
  int64_t expires_ns = 0;  // Unix
  int64_t refresh_ns = 0;  // ask for the next from then on
};

// A token by the first credential of the chain that is set up. kUnauthenticated
// (refused), kUnavailable (no answer, or none is set up).
Task<Result<Token>> fetch_token(Loop& loop, Transport& transport, const Options& options,
                                const model::Clock& clock);

// The token in a reply: expires_in or expires_on, refresh_in or, where absent,
// half of a life of over two hours, else five minutes ahead of the end.
Result<Token> parse_token(std::string_view body, int64_t now_ns);

}  // namespace gatehouse::identity::entra

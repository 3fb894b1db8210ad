// The readers of all kinds, one a file of this folder, and what they share in reading.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "alerts/http_integration.h"
#include "alerts/integration.h"

namespace gatehouse::alerts {

std::shared_ptr<Integration> read_webhook(wire::ConfigFields& fields, const Globals& globals);

// A URL in the clear: http or https, with a host.
bool read_url(wire::ConfigFields& fields, std::string_view key, std::string& out);
// The same as a secret, in place or in a file, which is looked at when it is used.
void read_secret_url(wire::ConfigFields& fields, std::string_view key, model::SecretText& out);
// "host:port", or nothing.
void read_host_port(wire::ConfigFields& fields, std::string_view key, std::string& out);
// Neither in place nor in a file: a problem, in Alertmanager's words.
void require_secret(wire::ConfigFields& fields, std::string_view key,
                    const model::SecretText& secret);
// A URL with one more path segment or several behind its path.
std::string with_path(std::string url, std::string_view path);

}  // namespace gatehouse::alerts

#include "app/web_config.h"

#include <crypt.h>

#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/files.h"
#include "base/text.h"
#include "wire/yaml_fields.h"

namespace gatehouse::app {

namespace {

constexpr size_t kConfigBytesMax = 1 << 20;
// Of different users and passwords that were right; users have one each, but for a change.
constexpr size_t kRememberedMax = 1'000;

bool bcrypt_matches(const std::string& password, const std::string& hash) {
  auto work = std::make_unique<crypt_data>();
  const char* made = ::crypt_r(password.c_str(), hash.c_str(), work.get());
  const bool same = made != nullptr && equal_constant_time(made, hash);
  return same;
}

void read_tls(wire::ConfigLog& log, const wire::YamlNode& node, WebConfig& out) {
  wire::ConfigFields fields(log, node, "tls_server_config");
  fields.path("cert_file", out.certificate_file);
  fields.path("key_file", out.key_file);
  std::string text;
  fields.choice("min_version", text, {"TLS12"});
  fields.choice("client_auth_type", text, {"NoClientCert"});
  fields.ignore("prefer_server_cipher_suites", "the library's order holds");
  for (const std::string_view key : {"cert", "key", "client_ca", "client_ca_file", "max_version",
                                     "cipher_suites", "curve_preferences", "client_allowed_sans"}) {
    fields.refuse(key);
  }
  if (out.certificate_file.empty() || out.key_file.empty()) {
    log.problem(node.mark, "cert_file and key_file are both needed");
  }
  fields.done();
}

}  // namespace

Result<WebConfig> load_web_config(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, read_file(path, kConfigBytesMax));
  wire::YamlOptions options;
  options.name = path;
  ASSIGN_OR_RETURN(const wire::YamlStream yaml, wire::parse_yaml(text, options));
  WebConfig config;
  wire::ConfigLog log{path, {}, {}};
  if (!yaml.documents().empty() && !yaml.documents().front()->is_null()) {
    wire::ConfigFields fields(log, *yaml.documents().front(), "web configuration");
    if (const auto* tls = fields.take("tls_server_config")) read_tls(log, *tls, config);
    std::vector<std::pair<std::string, std::string>> users;
    fields.pairs("basic_auth_users", users);
    for (auto& [name, hash] : users) {
      if (!hash.starts_with("$2") || hash.size() != 60) {
        log.problem(fields.node().get("basic_auth_users")->mark,
                    "the password of " + name + " is no bcrypt hash");
      }
      config.users.emplace(std::move(name), std::move(hash));
    }
    if (const auto* http = fields.take("http_server_config")) {
      wire::ConfigFields server(log, *http, "http_server_config");
      bool http2 = false;
      server.boolean("http2", http2);
      server.refuse("headers");
      server.done();
    }
    fields.done();
  }
  if (log.problems.empty()) return config;
  std::string all;
  for (const std::string& line : log.problems) all += (all.empty() ? "" : "\n") + line;
  return invalid_argument(std::move(all));
}

bool BasicAuth::check(std::string_view authorization) {
  constexpr std::string_view kBasic = "basic ";
  if (authorization.size() <= kBasic.size() ||
      !equal_ignoring_case(authorization.substr(0, kBasic.size()), kBasic)) {
    return false;
  }
  auto decoded = base64_decode(trim(authorization.substr(kBasic.size())));
  if (!decoded.ok()) return false;
  const size_t colon = decoded->find(':');
  if (colon == std::string::npos) return false;
  const std::string user = decoded->substr(0, colon);
  std::string password = decoded->substr(colon + 1);
  wipe(*decoded);
  const std::string known = sha256(user + std::string(1, '\0') + password);
  {
    const std::lock_guard lock(mutex_);
    if (right_.contains(known)) return true;
  }
  // A user that there is not costs the same as one that there is.
  static const std::string kNobody = "$2b$10$abcdefghijklmnopqrstuu5Lo0g67CiD3M4RpN1BmBb4Crp5w7dbK";
  const auto found = users_.find(user);
  const bool matches = bcrypt_matches(password, found == users_.end() ? kNobody : found->second);
  wipe(password);
  if (!matches || found == users_.end()) return false;
  const std::lock_guard lock(mutex_);
  if (right_.size() >= kRememberedMax) right_.clear();
  right_.insert(known);
  return true;
}

}  // namespace gatehouse::app

// --web.config.file: TLS and basic authentication of a web server, as Prometheus and
// Alertmanager read them (prometheus.io/docs/prometheus/latest/configuration/https).
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

#include "base/result.h"

namespace gatehouse::app {

struct WebConfig {
  std::string certificate_file, key_file;                 // PEM; empty: no TLS
  std::map<std::string, std::string, std::less<>> users;  // name to bcrypt hash
};

// What is not supported is refused by name; the error has all problems, a line each.
Result<WebConfig> load_web_config(const std::string& path);

// Checks "Basic …" against the users. A right answer is remembered as its hash, as bcrypt
// takes some 70 ms: for each request it would be a way to stop the program.
class BasicAuth {
 public:
  explicit BasicAuth(WebConfig config) : users_(std::move(config.users)) {}
  bool needed() const { return !users_.empty(); }
  // Blocks for a hash where the answer is not known.
  bool check(std::string_view authorization);

 private:
  const std::map<std::string, std::string, std::less<>> users_;
  std::mutex mutex_;
  std::set<std::string> right_;  // SHA-256 of user, NUL and password
};

}  // namespace gatehouse::app

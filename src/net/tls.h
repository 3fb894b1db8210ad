// TLS 1.2 and 1.3 by OpenSSL: the certificate that servers present, and whom
// the client trusts. Sessions are made here and driven by net/socket.h.
//
// Both contexts are shared by all Loops. What they hold is replaced as a whole:
// sessions in being keep what they began with.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/result.h"

typedef struct ssl_st SSL;
typedef struct ssl_ctx_st SSL_CTX;
typedef struct ssl_session_st SSL_SESSION;

namespace gatehouse::net {

// The certificate chain and key of a listener.
class TlsServerContext {
 public:
  // PEM files: the server's certificate followed by its chain, and its key. The
  // error names the file and what is wrong with it.
  static Result<std::shared_ptr<TlsServerContext>> load(std::string certificate_file,
                                                        std::string key_file);

  // Reads the files again. After an error what was in force stays so.
  Status reload();

  // A session that accepts on the connected socket `fd`. The caller frees it.
  Result<SSL*> accept_on(int fd) const;

 private:
  TlsServerContext(std::string certificate_file, std::string key_file)
      : certificate_file_(std::move(certificate_file)), key_file_(std::move(key_file)) {}

  const std::string certificate_file_;
  const std::string key_file_;
  mutable std::mutex mutex_;
  std::shared_ptr<SSL_CTX> context_;
};

// Whom a client trusts and as whom it comes, where that is not the usual.
struct TlsClientOptions {
  std::string ca_file, ca_pem;  // trusted instead of the system's authorities, where given
  std::string certificate_file, certificate_pem, key_file, key_pem;
  std::string server_name;               // to ask for and to verify, instead of the host
  int version_min = 0, version_max = 0;  // TLS1_2_VERSION and so on; 0: the library's
  bool verify = true;
};

// Verifies every server: chain, time, and name or address. A private authority is
// named by its file. Only a scrape target's own configuration can turn verifying
// off (an existing prometheus.yml says so of kubelets); callers' traffic cannot.
class TlsClientContext {
 public:
  // Trusts the system's authorities, and those in `ca_file` (PEM) where given.
  static Result<std::shared_ptr<TlsClientContext>> load(const std::string& ca_file = {});
  static Result<std::shared_ptr<TlsClientContext>> load(const TlsClientOptions& options);
  ~TlsClientContext();

  // Reads the system's authorities, some 50 ms of work, unless that has been done: the first
  // connection does it else. Any thread.
  Status prepare();

  // A session that connects over `fd` to `host` (a name or a numeric address).
  // Resumes an earlier one with the same host and port. The caller frees it, and
  // holds this context as long.
  Result<SSL*> connect_on(int fd, const std::string& host, uint16_t port);

 private:
  TlsClientContext() = default;
  static int keep_session(SSL* ssl, SSL_SESSION* session);

  std::shared_ptr<SSL_CTX> context_;
  std::string server_name_;  // empty: the host
  bool verify_ = true;
  bool system_authorities_ = true;
  std::once_flag authorities_once_;
  Status authorities_status_;
  std::mutex mutex_;
  std::unordered_map<std::string, std::shared_ptr<SSL_SESSION>> sessions_;  // by host:port
};

}  // namespace gatehouse::net

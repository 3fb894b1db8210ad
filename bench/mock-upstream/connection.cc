#include "mock-upstream/connection.h"

#include <errno.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

namespace mock {

Transport::Transport(int fd, SSL_CTX* tls) : fd_(fd) {
  if (tls == nullptr) return;
  ssl_ = SSL_new(tls);
  SSL_set_fd(ssl_, fd);
  SSL_set_accept_state(ssl_);
}

Transport::~Transport() {
  if (ssl_ != nullptr) {
    SSL_shutdown(ssl_);
    SSL_free(ssl_);
    ERR_clear_error();
  }
  close(fd_);
}

void Transport::reset_on_close() {
  const linger now{1, 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

ssize_t Transport::tls_result(int result) {
  if (result > 0) return result;
  const int error = SSL_get_error(ssl_, result);
  ERR_clear_error();
  return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

ssize_t Transport::read(char* into, size_t size) {
  if (ssl_ != nullptr) return tls_result(SSL_read(ssl_, into, static_cast<int>(size)));
  const ssize_t n = recv(fd_, into, size, 0);
  if (n > 0) return n;
  return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

ssize_t Transport::write(const char* from, size_t size) {
  if (ssl_ != nullptr)
    return tls_result(SSL_write(ssl_, from, static_cast<int>(std::min<size_t>(size, 1u << 30))));
  const ssize_t n = send(fd_, from, size, MSG_NOSIGNAL);
  if (n >= 0) return n;
  return errno == EAGAIN || errno == EINTR ? 0 : -1;
}

}  // namespace mock

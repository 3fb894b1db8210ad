#include "gateway/form_body.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace gatehouse::gateway {

namespace {

constexpr size_t kPieceBytes = 64 << 10;

// A file without a name: gone with the process, whatever happens to it.
Result<int> unnamed_file() {
  const int fd = ::open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd >= 0) return fd;
  char name[] = "/tmp/gatehouse-form-XXXXXX";  // a file system without O_TMPFILE
  const int named = ::mkostemp(name, O_CLOEXEC);
  if (named < 0) return from_errno(errno, "no temporary file for a form in /tmp");
  ::unlink(name);
  return named;
}

}  // namespace

FormBody::~FormBody() {
  if (file_ >= 0) ::close(file_);
}

Task<Result<std::string_view>> FormBody::read_live() {
  Result<std::string_view> piece = co_await exchange_.read_some();
  if (!piece.ok()) co_return piece.status();
  bytes_read_ += piece->size();
  if (bytes_read_ > bytes_max_) {
    co_return resource_exhausted("the form is larger than " + std::to_string(bytes_max_) +
                                 " bytes");
  }
  if (piece->empty()) {
    ended_ = true;
  } else if (scanner_.feed(*piece) == net::MultipartScanner::State::kRefused) {
    co_return invalid_argument("the form is not usable: " + std::string(scanner_.reason()));
  }
  co_return *piece;
}

Status FormBody::keep(std::string_view piece) {
  kept_ += piece.size();
  if (file_ < 0 && memory_.size() + piece.size() <= kMemoryBytesMax) {
    memory_ += piece;
    return {};
  }
  if (file_ < 0) {
    ASSIGN_OR_RETURN(file_, unnamed_file());
    std::string before;
    before.swap(memory_);
    kept_ -= piece.size() + before.size();
    RETURN_IF_ERROR(keep(before));
    return keep(piece);
  }
  while (!piece.empty()) {
    const ssize_t written = ::write(file_, piece.data(), piece.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return from_errno(errno, "a form could not be kept in /tmp");
    piece.remove_prefix(static_cast<size_t>(written));
  }
  return {};
}

Task<Result<std::string>> FormBody::find_model() {
  while (!ended_ && !scanner_.value()) {
    Result<std::string_view> piece = co_await read_live();
    if (!piece.ok()) co_return piece.status();
    CO_RETURN_IF_ERROR(keep(*piece));
  }
  co_return scanner_.value().value_or("");
}

bool FormBody::begin(std::string_view model) {
  if (live_consumed_) return false;
  model_ = model;
  sent_ = 0;
  model_sent_ = !scanner_.value();
  return true;
}

int64_t FormBody::length() const {
  const net::RequestHead& request = exchange_.request();
  if (request.framing != net::BodyFraming::kLength) return -1;
  const auto change = scanner_.value() ? static_cast<int64_t>(model_.size()) -
                                             static_cast<int64_t>(scanner_.value()->size())
                                       : 0;
  return static_cast<int64_t>(request.content_length) + change;
}

Result<std::string_view> FormBody::read_kept(uint64_t limit) {
  const auto size = static_cast<size_t>(std::min<uint64_t>(limit - sent_, kPieceBytes));
  if (file_ < 0) {
    const std::string_view piece =
        std::string_view(memory_).substr(static_cast<size_t>(sent_), size);
    sent_ += size;
    return piece;
  }
  buffer_.resize(size);
  const ssize_t got = ::pread(file_, buffer_.data(), size, static_cast<off_t>(sent_));
  if (got <= 0) return from_errno(got < 0 ? errno : EIO, "a kept form could not be read");
  sent_ += static_cast<uint64_t>(got);
  return std::string_view(buffer_).substr(0, static_cast<size_t>(got));
}

Task<Result<std::string_view>> FormBody::next() {
  const uint64_t model_at = model_sent_ ? kept_ : scanner_.value_offset();
  if (sent_ < model_at) co_return read_kept(model_at);
  if (!model_sent_) {
    model_sent_ = true;
    sent_ += scanner_.value()->size();
    if (!model_.empty()) co_return std::string_view(model_);
  }
  if (sent_ < kept_) co_return read_kept(kept_);
  if (ended_) co_return std::string_view();
  live_consumed_ = true;
  co_return co_await read_live();
}

}  // namespace gatehouse::gateway

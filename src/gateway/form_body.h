// FormBody: a multipart/form-data request body on its way to an upstream. The
// gate has to know the model before it can route, and a form may name it after
// a file of any size: what comes before is kept in memory up to 256 KiB, then in
// an unlinked file; the rest streams through and is never held.
//
// The whole body passes the scanner, so that a second `model` further on, which
// an upstream might read instead, ends the call.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/task.h"
#include "net/exchange.h"
#include "net/multipart.h"

namespace gatehouse::gateway {

class FormBody {
 public:
  // Most forms (a few fields, a short clip) fit; more would let a hundred
  // uploads hold the memory of the process.
  static constexpr size_t kMemoryBytesMax = 256 << 10;

  FormBody(net::Exchange& exchange, std::string_view boundary, uint64_t bytes_max)
      : exchange_(exchange), scanner_(boundary, "model"), bytes_max_(bytes_max) {}
  ~FormBody();
  FormBody(const FormBody&) = delete;
  FormBody& operator=(const FormBody&) = delete;

  // Reads until the field `model` has passed; "" where the form has none.
  // kInvalidArgument: no form; kResourceExhausted: too large; else as
  // Exchange::read_some.
  Task<Result<std::string>> find_model();

  // Begins the body for an attempt, with `model` in the place of what the form
  // says. False: part of it has been sent on already and is gone.
  bool begin(std::string_view model);

  // Of the body as begin() left it; -1: unknown.
  int64_t length() const;

  // The next piece; empty at the end. Errors as find_model.
  Task<Result<std::string_view>> next();

  // Bytes read from the client so far.
  uint64_t bytes_read() const { return bytes_read_; }

 private:
  Task<Result<std::string_view>> read_live();
  Status keep(std::string_view piece);
  Result<std::string_view> read_kept(uint64_t limit);

  net::Exchange& exchange_;
  net::MultipartScanner scanner_;
  uint64_t bytes_max_;
  uint64_t bytes_read_ = 0;
  bool ended_ = false;          // the client's body
  bool live_consumed_ = false;  // pieces went on that are not kept

  std::string memory_;  // the kept bytes, while they fit
  int file_ = -1;       // else
  uint64_t kept_ = 0;

  std::string model_;  // what is sent in the place of the form's
  uint64_t sent_ = 0;  // of the kept bytes
  bool model_sent_ = false;
  std::string buffer_;
};

}  // namespace gatehouse::gateway

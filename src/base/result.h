// Status and Result<T>: what can go wrong at run time, with a message that a
// user can act on. No exception crosses a folder; assertions are for what
// cannot happen.
#pragma once

#include <cassert>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace gatehouse {

enum class Code {
  kOk,
  kInvalidArgument,  // the caller's input is wrong; trying again will not help
  kNotFound,
  kAlreadyExists,
  kUnauthenticated,    // no credential, or one that is not known
  kPermissionDenied,   // a known caller that may not do this
  kResourceExhausted,  // a limit, a quota, the memory budget, a full disk
  kUnavailable,        // a peer or a part is away; trying again may help
  kDeadlineExceeded,
  kCancelled,
  kDataLoss,  // stored bytes are damaged
  kUnimplemented,
  kInternal,
};

// The name of a code in snake_case, e.g. "not_found".
std::string_view name(Code code);

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Code code, std::string message) : code_(code), message_(std::move(message)) {}

  bool ok() const { return code_ == Code::kOk; }
  Code code() const { return code_; }
  const std::string& message() const { return message_; }

  // The same failure, its message led by `context` and ": ".
  Status with_context(std::string_view context) const;
  std::string to_string() const;

 private:
  Code code_ = Code::kOk;
  std::string message_;
};

inline Status invalid_argument(std::string message) {
  return {Code::kInvalidArgument, std::move(message)};
}
inline Status not_found(std::string message) { return {Code::kNotFound, std::move(message)}; }
inline Status unavailable(std::string message) { return {Code::kUnavailable, std::move(message)}; }
inline Status internal_error(std::string message) { return {Code::kInternal, std::move(message)}; }
inline Status data_loss(std::string message) { return {Code::kDataLoss, std::move(message)}; }
inline Status resource_exhausted(std::string message) {
  return {Code::kResourceExhausted, std::move(message)};
}
// A Status from an errno value, its message led by `what`.
Status from_errno(int error, std::string_view what);

// A value or the Status that says why there is none. REQUIRES: a Result made
// from a Status is not made from an ok one.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}         // NOLINT: implicit
  Result(Status status) : status_(std::move(status)) {  // NOLINT: implicit
    assert(!status_.ok());
  }

  bool ok() const { return value_.has_value(); }
  explicit operator bool() const { return ok(); }
  const Status& status() const { return status_; }

  T& value() & {
    assert(ok());
    return *value_;
  }
  const T& value() const& {
    assert(ok());
    return *value_;
  }
  T&& value() && {
    assert(ok());
    return std::move(*value_);
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  T value_or(T fallback) const& { return ok() ? *value_ : std::move(fallback); }

 private:
  Status status_;
  std::optional<T> value_;
};

}  // namespace gatehouse

#define GATEHOUSE_CONCAT_(a, b) a##b
#define GATEHOUSE_CONCAT(a, b) GATEHOUSE_CONCAT_(a, b)

// RETURN_IF_ERROR(expr): leaves the function with expr's Status unless it is ok.
#define RETURN_IF_ERROR(expr)                                 \
  do {                                                        \
    if (auto status_ = (expr); !status_.ok()) return status_; \
  } while (0)
#define CO_RETURN_IF_ERROR(expr)                                 \
  do {                                                           \
    if (auto status_ = (expr); !status_.ok()) co_return status_; \
  } while (0)

// ASSIGN_OR_RETURN(auto x, expr): x is expr's value, or the function is left
// with its Status.
#define ASSIGN_OR_RETURN(lhs, expr) \
  ASSIGN_OR_RETURN_IMPL_(GATEHOUSE_CONCAT(result_, __LINE__), lhs, expr, return )
#define CO_ASSIGN_OR_RETURN(lhs, expr) \
  ASSIGN_OR_RETURN_IMPL_(GATEHOUSE_CONCAT(result_, __LINE__), lhs, expr, co_return )
#define ASSIGN_OR_RETURN_IMPL_(result, lhs, expr, leave) \
  auto result = (expr);                                  \
  if (!result.ok()) leave result.status();               \
  lhs = std::move(*result)

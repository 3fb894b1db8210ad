// A fixed key for an upstream, sent to the one host it was made for.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "base/text.h"
#include "model/credential.h"

namespace gatehouse::identity {

class StaticCredential : public model::Credential {
 public:
  // `header`: "authorization" (the key is sent as a bearer token), "api-key" or
  // "x-api-key". `host`: without port.
  StaticCredential(std::string host, std::string header, std::string key) : host_(std::move(host)) {
    header_.name = to_lower(header);
    header_.value = header_.name == "authorization" ? "Bearer " + key : key;
    wipe(key);
  }
  ~StaticCredential() override { wipe(header_.value); }

  Task<Result<Header>> authorize(Loop&, std::string_view host) override {
    if (!equal_ignoring_case(host, host_)) {
      co_return Status(Code::kPermissionDenied,
                       "this credential is for " + host_ + " and goes to no other host");
    }
    co_return header_;
  }
  const Header* ready(std::string_view host) override {
    return equal_ignoring_case(host, host_) ? &header_ : nullptr;
  }

 private:
  const std::string host_;
  Header header_;
};

}  // namespace gatehouse::identity

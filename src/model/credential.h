// What an upstream asks of the gateway: a header that proves who calls.
#pragma once

#include <string>
#include <string_view>

#include "base/loop.h"
#include "base/result.h"
#include "base/task.h"

namespace gatehouse::model {

class Credential {
 public:
  virtual ~Credential() = default;

  struct Header {
    std::string name;   // lower case
    std::string value;  // secret: never logged, recorded or echoed
  };

  // The header to send to `host`. A Credential answers for the hosts it was
  // made for alone, and with kPermissionDenied for any other. Waits only where a
  // token has to be fetched; call it on the thread of `loop`.
  virtual Task<Result<Header>> authorize(Loop& loop, std::string_view host) = 0;

  // The header where it is at hand without waiting, or null: the usual case, for
  // the hot path. The pointer lives until the next call on this thread.
  virtual const Header* ready(std::string_view host) = 0;
};

}  // namespace gatehouse::model

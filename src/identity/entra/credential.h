// EntraCredential: a bearer token of Microsoft Entra for one scope, sent to the
// one host it was made for. Cached; asked for anew ahead of its end, in the
// background, by one request at a time whatever the number of calls and Loops.
//
// Any thread whose Loop runs; the Loops outlive what was begun on them.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "identity/entra/chain.h"
#include "model/credential.h"
#include "model/metrics.h"

namespace gatehouse::identity::entra {

class EntraCredential : public model::Credential {
 public:
  EntraCredential(std::string host, Options options, std::shared_ptr<Transport> transport,
                  const model::Clock& clock, model::Registry& registry);
  ~EntraCredential() override;

  Task<Result<Header>> authorize(Loop& loop, std::string_view host) override;
  const Header* ready(std::string_view host) override;

 private:
  struct State;
  static Task<void> refresh(Loop& loop, std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace gatehouse::identity::entra

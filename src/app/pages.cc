#include "app/pages.h"

#include "api/openai/openai_call.h"

namespace gatehouse::app {

namespace {
const api::OpenAiDialect kWords;  // the error object that most clients read
}

Task<void> reload_page(api::Gate gate, gateway::Worker& worker, net::Exchange& exchange, Pool& pool,
                       Reloader& reloader, identity::AuditLog& audit) {
  const model::PrincipalPtr principal =
      co_await api::authenticate(gate, worker, exchange, kWords, model::Role::kOperator);
  if (principal == nullptr) co_return;
  identity::AuditEntry entry;
  entry.actor = principal->id;
  entry.actor_kind = identity::ActorKind::kKey;
  entry.action = "config.reload";
  entry.address = exchange.peer().address;
  const Status reloaded = co_await pool.run(exchange.loop(), [&] {
    const Status done = reloader.reload("request");
    if (!done.ok()) entry.outcome = "refused";
    const Status written = audit.append(std::move(entry));
    return done.ok() ? written : done;
  });
  if (!reloaded.ok()) {
    gateway::CallError error;
    error.kind = gateway::ErrorKind::kInvalidRequest;
    error.code = "config_refused";
    error.message = reloaded.message();
    co_await api::send_error(exchange, kWords, error);
    co_return;
  }
  net::Reply reply;
  reply.content_type = "application/json";
  reply.body = "{\"reloaded\":true}";
  const Status sent = co_await exchange.reply(reply);
  (void)sent;
}

}  // namespace gatehouse::app

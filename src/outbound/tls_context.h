// tls_config at work.
#pragma once

#include <memory>

#include "base/result.h"
#include "outbound/http_client_config.h"

namespace gatehouse::net {
class TlsClientContext;
}

namespace gatehouse::outbound {

// Reads the files of the configuration; the error says which is wrong. What says nothing of TLS
// shares one context.
Result<std::shared_ptr<net::TlsClientContext>> tls_context(const TlsConfig& config);

}  // namespace gatehouse::outbound

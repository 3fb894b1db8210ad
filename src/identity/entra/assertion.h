// The signed statement by which a client with a certificate proves who it is
// (RFC 7523): a JWT, PS256, that names the certificate by x5t#S256 and holds for
// ten minutes, as MSAL makes it.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace gatehouse::identity::entra {

// `pem`: the certificate and its RSA private key, without a password.
Result<std::string> sign_assertion(const std::string& pem, const std::string& client_id,
                                   const std::string& audience, int64_t now_s);

}  // namespace gatehouse::identity::entra

#include "identity/entra/assertion.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <memory>

#include "base/bytes.h"
#include "base/random.h"
#include "wire/json.h"

namespace gatehouse::identity::entra {

namespace {

template <auto Free>
struct With {
  template <typename T>
  void operator()(T* pointer) const {
    Free(pointer);
  }
};
using Bio = std::unique_ptr<BIO, With<BIO_free>>;
using Pkey = std::unique_ptr<EVP_PKEY, With<EVP_PKEY_free>>;
using Cert = std::unique_ptr<X509, With<X509_free>>;
using Context = std::unique_ptr<EVP_MD_CTX, With<EVP_MD_CTX_free>>;

constexpr int64_t kLifeS = 600;

// So that a key with a password fails instead of asking the terminal.
int no_password(char*, int, int, void*) { return 0; }

Result<std::string> sign_ps256(EVP_PKEY* key, const std::string& text) {
  const Context context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* options = nullptr;
  size_t size = 0;
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  if (!context || EVP_DigestSignInit(context.get(), &options, EVP_sha256(), nullptr, key) != 1 ||
      EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) != 1 ||
      EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) != 1 ||
      EVP_DigestSign(context.get(), nullptr, &size, bytes, text.size()) != 1) {
    return internal_error("the client certificate's key cannot sign");
  }
  std::string out(size, '\0');
  if (EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(out.data()), &size, bytes,
                     text.size()) != 1) {
    return internal_error("the client certificate's key cannot sign");
  }
  out.resize(size);
  return out;
}

}  // namespace

Result<std::string> sign_assertion(const std::string& pem, const std::string& client_id,
                                   const std::string& audience, int64_t now_s) {
  const int length = static_cast<int>(pem.size());
  const Bio key_bytes(BIO_new_mem_buf(pem.data(), length));
  const Pkey key(PEM_read_bio_PrivateKey(key_bytes.get(), nullptr, no_password, nullptr));
  const Bio cert_bytes(BIO_new_mem_buf(pem.data(), length));
  const Cert cert(PEM_read_bio_X509(cert_bytes.get(), nullptr, no_password, nullptr));
  if (!key || EVP_PKEY_base_id(key.get()) != EVP_PKEY_RSA) {
    return invalid_argument("the client certificate's file holds no RSA key without a password");
  }
  if (!cert) return invalid_argument("the client certificate's file holds no certificate");
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned digest_size = 0;
  if (X509_digest(cert.get(), EVP_sha256(), digest, &digest_size) != 1) {
    return internal_error("the client certificate has no digest");
  }
  std::string header;
  wire::JsonWriter(header)
      .begin_object()
      .member("alg", "PS256")
      .member("typ", "JWT")
      .member("x5t#S256", base64url_encode({reinterpret_cast<char*>(digest), digest_size}))
      .end_object();
  std::string claims;
  wire::JsonWriter(claims)
      .begin_object()
      .member("aud", audience)
      .member("exp", now_s + kLifeS)
      .member("iss", client_id)
      .member("jti", hex_encode(random_bytes(16)))
      .member("nbf", now_s)
      .member("sub", client_id)
      .end_object();
  std::string text = base64url_encode(header) + "." + base64url_encode(claims);
  ASSIGN_OR_RETURN(const std::string signature, sign_ps256(key.get(), text));
  return text + "." + base64url_encode(signature);
}

}  // namespace gatehouse::identity::entra

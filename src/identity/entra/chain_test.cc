#include "identity/entra/chain.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <unistd.h>

#include <cstdio>
#include <deque>
#include <map>
#include <optional>

#include "base/bytes.h"
#include "base/text.h"
#include "identity/entra/credential.h"
#include "identity/static_credential.h"
#include "net/server.h"

namespace gatehouse::identity::entra {
namespace {

constexpr std::string_view kSecret = "s3cr3t/with+odd=chars";

class FakeClock : public model::Clock {
 public:
  int64_t wall_ns() const override { return now_ns; }
  int64_t steady_ns() const override { return now_ns; }
  int64_t now_ns = 1'700'000'000'000'000'000;
};

// Answers as told, in order; what is asked beyond that fails.
class FakeTransport : public Transport {
 public:
  Task<Result<TokenReply>> fetch(Loop& loop, const TokenAsk& ask) override {
    asked.push_back(ask);
    (void)co_await loop.sleep_for(5);
    if (replies.empty()) co_return unavailable("connection refused");
    Result<TokenReply> reply = std::move(replies.front());
    replies.pop_front();
    co_return reply;
  }
  void reply(int status, std::string body) {
    replies.push_back(TokenReply{status, std::move(body)});
  }
  std::vector<TokenAsk> asked;
  std::deque<Result<TokenReply>> replies;
};

class ChainTest : public ::testing::Test {
 protected:
  ~ChainTest() override {
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  template <typename T>
  T run(Task<T> task) {
    std::optional<T> out;
    detach(keep(std::move(task), out));
    while (!out) loop_.run_for(20);
    return std::move(*out);
  }
  template <typename T>
  static Task<void> keep(Task<T> task, std::optional<T>& out) {
    out.emplace(co_await std::move(task));
  }
  Result<Token> fetch() { return run(fetch_token(loop_, *transport_, options_, clock_)); }
  void file(const std::string& contents) {
    if (path_.empty()) {
      char name[] = "/tmp/gatehouse-entra-XXXXXX";
      ::close(::mkstemp(name));
      path_ = name;
    }
    FILE* out = std::fopen(path_.c_str(), "w");
    std::fputs(contents.c_str(), out);
    std::fclose(out);
  }
  void with_secret() {
    options_.tenant_id = "tenant-1";
    options_.client_id = "client-1";
    options_.client_secret = kSecret;
  }

  Loop loop_;
  FakeClock clock_;
  model::Registry registry_;
  Options options_;
  std::shared_ptr<FakeTransport> transport_ = std::make_shared<FakeTransport>();
  std::string path_;
};

TEST_F(ChainTest, ClientSecret) {
  with_secret();
  transport_->reply(200, R"({"access_token":"tok","expires_in":3600,"token_type":"Bearer"})");
  const auto token = fetch();
  ASSERT_TRUE(token.ok()) << token.status().to_string();
  EXPECT_EQ(token->value, "tok");
  EXPECT_EQ(token->expires_ns, clock_.now_ns + 3600'000'000'000);
  EXPECT_EQ(token->refresh_ns, clock_.now_ns + 3300'000'000'000);
  const TokenAsk& ask = transport_->asked[0];
  EXPECT_EQ(ask.method, "POST");
  EXPECT_EQ(ask.url, "https://login.microsoftonline.com/tenant-1/oauth2/v2.0/token");
  EXPECT_FALSE(ask.link_local);
  EXPECT_EQ(ask.body,
            "client_id=client-1&scope=https%3A%2F%2Fcognitiveservices.azure.com%2F.default"
            "&grant_type=client_credentials&client_secret=s3cr3t%2Fwith%2Bodd%3Dchars");
}

TEST_F(ChainTest, ARefusedSecretEndsTheChainAndIsNotShown) {
  with_secret();
  transport_->reply(401, R"({"error":"invalid_client","error_description":"AADSTS7000215: wrong )" +
                             std::string(kSecret) + "\"}");
  const auto token = fetch();
  EXPECT_EQ(token.status().code(), Code::kUnauthenticated);
  EXPECT_EQ(token.status().message(),
            "no Microsoft Entra token: environment: HTTP 401 invalid_client AADSTS7000215");
  EXPECT_EQ(transport_->asked.size(), 1u);
}

TEST_F(ChainTest, ClientCertificateSignsAnAssertion) {
  EVP_PKEY* key = EVP_RSA_gen(2048);
  X509* cert = X509_new();
  X509_gmtime_adj(X509_getm_notBefore(cert), 0);
  X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
  X509_set_pubkey(cert, key);
  X509_sign(cert, key, EVP_sha256());
  file("");
  FILE* out = std::fopen(path_.c_str(), "w");
  PEM_write_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr);
  PEM_write_X509(out, cert);
  std::fclose(out);
  with_secret();
  options_.client_secret.clear();
  options_.client_certificate_path = path_;
  transport_->reply(200, R"({"access_token":"tok","expires_in":"3600"})");
  ASSERT_TRUE(fetch().ok());

  const std::string& body = transport_->asked[0].body;
  const std::string mark = "client_assertion=";
  const std::string jwt = body.substr(body.find(mark) + mark.size());
  const auto parts = split(jwt, '.');
  ASSERT_EQ(parts.size(), 3u);
  EXPECT_NE(base64url_decode(parts[0])->find("\"alg\":\"PS256\""), std::string::npos);
  EXPECT_NE(base64url_decode(parts[1])->find(
                R"("aud":"https://login.microsoftonline.com/tenant-1/oauth2/v2.0/token")"),
            std::string::npos);
  const std::string signature = *base64url_decode(parts[2]);
  const std::string text = jwt.substr(0, jwt.rfind('.'));
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  EVP_PKEY_CTX* padding = nullptr;
  EVP_DigestVerifyInit(context, &padding, EVP_sha256(), nullptr, key);
  EVP_PKEY_CTX_set_rsa_padding(padding, RSA_PKCS1_PSS_PADDING);
  EXPECT_EQ(EVP_DigestVerify(context, reinterpret_cast<const unsigned char*>(signature.data()),
                             signature.size(), reinterpret_cast<const unsigned char*>(text.data()),
                             text.size()),
            1);
  EVP_MD_CTX_free(context);
  X509_free(cert);
  EVP_PKEY_free(key);
}

TEST_F(ChainTest, WorkloadIdentityReadsItsFileEachTime) {
  options_.tenant_id = "t";
  options_.client_id = "c";
  file("first\n");
  options_.federated_token_file = path_;
  for (std::string_view expected : {"first", "second"}) {
    transport_->reply(200, R"({"access_token":"tok","expires_in":60})");
    ASSERT_TRUE(fetch().ok());
    EXPECT_TRUE(
        transport_->asked.back().body.ends_with("client_assertion=" + std::string(expected)));
    file("second");
  }
}

TEST_F(ChainTest, AppService) {
  options_.identity_endpoint = "http://127.0.0.1:4141/msi/token";
  options_.identity_header = kSecret;
  transport_->reply(200, R"({"access_token":"tok","expires_on":"1700010800"})");
  const auto token = fetch();
  ASSERT_TRUE(token.ok()) << token.status().to_string();
  EXPECT_EQ(token->refresh_ns, clock_.now_ns + 5400'000'000'000);  // half of three hours
  EXPECT_EQ(transport_->asked[0].url,
            "http://127.0.0.1:4141/msi/token?api-version=2019-08-01"
            "&resource=https%3A%2F%2Fcognitiveservices.azure.com");
  EXPECT_EQ(transport_->asked[0].headers[0].first, "X-IDENTITY-HEADER");
}

TEST_F(ChainTest, ImdsAfterAProbeAndAgainWhileItIsBeingSetUp) {
  transport_->reply(400, "{}");  // any answer shows that it is there
  transport_->reply(404, "{}");
  transport_->reply(200, R"({"access_token":"tok","expires_in":"86400","refresh_in":"43200"})");
  const auto token = fetch();
  ASSERT_TRUE(token.ok()) << token.status().to_string();
  EXPECT_EQ(token->refresh_ns, clock_.now_ns + 43200'000'000'000);
  ASSERT_EQ(transport_->asked.size(), 3u);
  EXPECT_TRUE(transport_->asked[0].headers.empty());
  EXPECT_EQ(transport_->asked[0].timeout_ms, 1000);
  EXPECT_EQ(transport_->asked[2].headers[0].first, "Metadata");
  EXPECT_TRUE(transport_->asked[2].link_local);
  EXPECT_TRUE(transport_->asked[2].url.starts_with(
      "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01"));
}

TEST_F(ChainTest, TheErrorNamesEveryCredential) {
  const auto token = fetch();
  EXPECT_EQ(token.status().code(), Code::kUnavailable);
  for (std::string_view name : {"environment:", "workload identity:", "managed identity:"}) {
    EXPECT_NE(token.status().message().find(name), std::string::npos) << name;
  }
}

TEST_F(ChainTest, RepliesThatAreNoToken) {
  for (std::string_view body :
       {"", "x", "{}", R"({"access_token":""})", R"({"access_token":"t"})",
        R"({"access_token":"a\r\nb: c","expires_in":60})", R"({"access_token":"t","expires_in":0})",
        R"({"access_token":"t","expires_in":-5})"}) {
    EXPECT_FALSE(parse_token(body, 0).ok()) << body;
  }
}

TEST_F(ChainTest, Environment) {
  std::map<std::string, std::string> set = {{"AZURE_TENANT_ID", "t"},
                                            {"AZURE_CLIENT_SECRET", "s"},
                                            {"AZURE_AUTHORITY_HOST", "https://login.example"}};
  options_.client_id = "configured";
  fill_from_environment(options_, [&set](const char* name) { return set[name]; });
  EXPECT_EQ(options_.tenant_id, "t");
  EXPECT_EQ(options_.client_id, "configured");
  EXPECT_EQ(options_.client_secret, "s");
  EXPECT_EQ(options_.authority_host, "https://login.example");
}

TEST_F(ChainTest, CachedSingleFlightAndForItsHostAlone) {
  with_secret();
  EntraCredential credential("west.example.net", options_, transport_, clock_, registry_);
  EXPECT_EQ(run(credential.authorize(loop_, "evil.example.net")).status().code(),
            Code::kPermissionDenied);
  EXPECT_EQ(credential.ready("west.example.net"), nullptr);
  transport_->reply(200, R"({"access_token":"one","expires_in":3600})");
  std::optional<Result<model::Credential::Header>> first;
  std::optional<Result<model::Credential::Header>> second;
  detach(keep(credential.authorize(loop_, "west.example.net"), first));
  detach(keep(credential.authorize(loop_, "WEST.example.net"), second));
  while (!first || !second) loop_.run_for(20);
  EXPECT_EQ((*first)->value, "Bearer one");
  EXPECT_EQ((*second)->value, "Bearer one");
  EXPECT_EQ(transport_->asked.size(), 1u);
  EXPECT_EQ(credential.ready("west.example.net")->name, "authorization");
  EXPECT_EQ(credential.ready("evil.example.net"), nullptr);
}

Task<void> ask_ready(EntraCredential& credential, std::string& out) {
  const auto* header = credential.ready("h");
  out = header == nullptr ? "" : header->value;
  co_return;
}

TEST_F(ChainTest, RefreshedInTheBackgroundAheadOfItsEnd) {
  with_secret();
  EntraCredential credential("h", options_, transport_, clock_, registry_);
  transport_->reply(200, R"({"access_token":"one","expires_in":3600,"refresh_in":1800})");
  ASSERT_TRUE(run(credential.authorize(loop_, "h")).ok());
  clock_.now_ns += 1800'000'000'000;
  transport_->reply(200, R"({"access_token":"two","expires_in":3600})");
  std::string seen;
  loop_.post([&] { detach(ask_ready(credential, seen)); });
  for (int i = 0; i < 50 && transport_->asked.size() < 2; ++i) loop_.run_for(10);
  EXPECT_EQ(seen, "Bearer one");  // nobody waited
  for (int i = 0; i < 10; ++i) loop_.run_for(10);
  EXPECT_EQ(credential.ready("h")->value, "Bearer two");
  clock_.now_ns += 3600'000'000'000;
  EXPECT_EQ(credential.ready("h"), nullptr);
}

TEST_F(ChainTest, AFailureIsNotAskedForAgainAtOnce) {
  with_secret();
  EntraCredential credential("h", options_, transport_, clock_, registry_);
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(run(credential.authorize(loop_, "h")).ok());
  EXPECT_EQ(transport_->asked.size(), 1u);
  clock_.now_ns += 6'000'000'000;
  transport_->reply(200, R"({"access_token":"one","expires_in":3600})");
  EXPECT_TRUE(run(credential.authorize(loop_, "h")).ok());
}

Task<void> token_endpoint(net::Exchange& exchange, std::string& seen) {
  const auto body = co_await exchange.read_body(1 << 16);
  seen = std::string(exchange.request().target) + " " + std::string(body.ok() ? *body : "");
  net::Reply reply;
  reply.content_type = "application/json";
  reply.body = R"({"access_token":"over-the-wire","expires_in":3600})";
  (void)co_await exchange.reply(reply);
}

TEST_F(ChainTest, OverTheNetwork) {
  Pool pool(1);
  MemoryBudget budget(64 << 20);
  std::string seen;
  net::Server server(loop_, {}, nullptr, budget,
                     [&seen](net::Exchange& exchange) { return token_endpoint(exchange, seen); });
  ASSERT_TRUE(server.listen("127.0.0.1:0").ok());
  net::Dialer dialer(pool, net::DialOptions(), nullptr);
  NetTransport transport(dialer);
  with_secret();
  options_.authority_host = "http://127.0.0.1:" + std::to_string(server.port());
  const auto token = run(fetch_token(loop_, transport, options_, clock_));
  ASSERT_TRUE(token.ok()) << token.status().to_string();
  EXPECT_EQ(token->value, "over-the-wire");
  EXPECT_TRUE(seen.starts_with("/tenant-1/oauth2/v2.0/token client_id=client-1")) << seen;
  options_.authority_host = "http://login.example.net";  // in clear: never
  EXPECT_FALSE(run(fetch_token(loop_, transport, options_, clock_)).ok());
  bool drained = false;
  detach([](net::Server& s, bool& done) -> Task<void> {
    co_await s.drain(100);
    done = true;
  }(server, drained));
  while (!drained) loop_.run_for(10);
}

TEST_F(ChainTest, StaticCredential) {
  StaticCredential bearer("api.example.net", "Authorization", "k");
  EXPECT_EQ(bearer.ready("api.example.net")->value, "Bearer k");
  StaticCredential azure("api.example.net", "api-key", "k");
  EXPECT_EQ(azure.ready("API.example.net")->value, "k");
  EXPECT_EQ(azure.ready("other.example.net"), nullptr);
  EXPECT_FALSE(run(azure.authorize(loop_, "other.example.net")).ok());
}

}  // namespace
}  // namespace gatehouse::identity::entra

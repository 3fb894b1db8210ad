// Kubernetes: each kind of object that a role needs is listed, then watched, after the
// API's concepts ("efficient detection of changes"): a watch goes on from the list's
// resourceVersion; where that is too old (410), or the stream breaks, it is listed again.
//
// Changes are gathered for a moment and then given on together, so that the roll-out of
// a thousand pods is a few updates and not a thousand.
#include <algorithm>
#include <set>

#include "collect/discovery/discovery.h"
#include "collect/discovery/kubernetes_targets.h"
#include "net/url.h"
#include "wire/json.h"

namespace gatehouse::collect {

namespace {

constexpr int64_t kGatherMs = 250;
constexpr int64_t kRetryMinMs = 500, kRetryMaxMs = 30'000;
constexpr int64_t kListTimeoutMs = 60'000;
// The server ends a watch after so long; it then begins anew where it was.
constexpr int64_t kWatchSeconds = 300;
// A page of objects; the API server's clients ask for as many.
constexpr int kPageObjects = 500;
constexpr size_t kPageBytesMax = 128 << 20;
// One event: an object with its whole manifest, etcd's limit is 1.5 MiB.
constexpr size_t kEventBytesMax = 8 << 20;

const char* const kServiceAccount = "/var/run/secrets/kubernetes.io/serviceaccount/";

// Within a cluster the environment says where its API is.
Status fill_in_cluster(KubernetesDiscoveryConfig& config) {
  const char* host = ::getenv("KUBERNETES_SERVICE_HOST");
  const char* port = ::getenv("KUBERNETES_SERVICE_PORT");
  if (host == nullptr || port == nullptr) {
    return invalid_argument("no api_server is given, and this is not within a cluster");
  }
  const std::string name = host;
  const bool six = name.find(':') != std::string::npos;
  config.api_server = "https://" + (six ? "[" + name + "]" : name) + ":" + port;
  if (!config.http.authorization && !config.http.basic_auth && !config.http.oauth2) {
    config.http.authorization.emplace().credentials.file = std::string(kServiceAccount) + "token";
  }
  if (config.http.tls == outbound::TlsConfig()) {
    config.http.tls.ca_file = std::string(kServiceAccount) + "ca.crt";
  }
  return {};
}

// Objects of one kind in one namespace, kept up to date.
struct Watched {
  KubeKind kind;
  std::string namespace_name;  // empty: all
  KubernetesSelector selector;
  std::string version;
  std::string partial;  // of an event
};

class KubernetesDiscovery : public Discovery {
 public:
  KubernetesDiscovery(const DiscoveryScope& scope, KubernetesDiscoveryConfig config)
      : scope_(scope), config_(std::move(config)), changed_(scope.loop), ended_(scope.loop) {}

  Task<void> run(GroupUpdate update, Cancel& stop) override {
    TroubleLog trouble("kubernetes", config_.role);
    Status ready = config_.api_server.empty() ? fill_in_cluster(config_) : Status();
    if (ready.ok()) ready = add_own_namespace();
    if (ready.ok()) {
      auto made = outbound::HttpFetch::create(scope_.loop, scope_.pool, scope_.dial, config_.http);
      ready = made.status();
      if (made.ok()) fetch_ = std::move(*made);
    }
    trouble.report(ready);
    if (!ready.ok()) co_return;
    kind_ = *kube_kind(config_.role);
    while (config_.api_server.ends_with('/')) config_.api_server.pop_back();
    begin_watches(stop);
    while (!stop.fired()) {
      Wake wake = co_await changed_.wait(kNever, &stop);
      if (wake == Wake::kCancelled) break;
      wake = co_await scope_.loop.sleep_for(kGatherMs, &stop);
      if (wake == Wake::kCancelled) break;
      changed_.reset();
      give(update);
    }
    while (watching_ > 0) {
      ended_.reset();
      co_await ended_.wait();
    }
  }

 private:
  Status add_own_namespace() {
    if (!config_.own_namespace) return {};
    const model::SecretText file{{}, std::string(kServiceAccount) + "namespace"};
    ASSIGN_OR_RETURN(const std::string own, file.read());
    config_.namespaces.push_back(own);
    return {};
  }

  void begin_watches(Cancel& stop) {
    std::vector<KubeKind> kinds = {kind_};
    if (kind_ == KubeKind::kEndpoints || kind_ == KubeKind::kEndpointSlice) {
      kinds.insert(kinds.end(), {KubeKind::kPod, KubeKind::kService});
    }
    if (config_.attach_node && kind_ != KubeKind::kNode) kinds.push_back(KubeKind::kNode);
    std::vector<std::string> namespaces = config_.namespaces;
    if (namespaces.empty()) namespaces.emplace_back();
    for (const KubeKind kind : kinds) {
      KubernetesSelector selector;
      for (const auto& each : config_.selectors) {
        if (each.role == role_name(kind)) selector = each;
      }
      for (const std::string& name : namespaces) {
        if (kind == KubeKind::kNode && &name != &namespaces.front()) continue;
        watches_.push_back(std::make_unique<Watched>());
        *watches_.back() = {kind, kind == KubeKind::kNode ? "" : name, selector, {}, {}};
      }
    }
    for (auto& each : watches_) {
      ++watching_;
      detach(follow(*each, stop));
    }
  }

  Task<void> follow(Watched& watched, Cancel& stop) {
    TroubleLog trouble("kubernetes", std::string(role_name(watched.kind)));
    int64_t retry_ms = kRetryMinMs;
    while (!stop.fired()) {
      Status outcome;
      if (watched.version.empty()) outcome = co_await list(watched, stop);
      if (outcome.ok()) {
        trouble.report(outcome);
        retry_ms = kRetryMinMs;
        outcome = co_await watch(watched, stop);
        if (outcome.ok()) continue;  // the server's end of a watch
        watched.version.clear();
      }
      if (stop.fired()) break;
      trouble.report(outcome);
      const Wake wake = co_await scope_.loop.sleep_for(retry_ms, &stop);
      if (wake == Wake::kCancelled) break;
      retry_ms = std::min(retry_ms * 2, kRetryMaxMs);
    }
    if (--watching_ == 0) ended_.set();
  }

  std::string url_of(const Watched& watched,
                     std::vector<std::pair<std::string, std::string>> query) {
    if (!watched.selector.label.empty())
      query.emplace_back("labelSelector", watched.selector.label);
    if (!watched.selector.field.empty())
      query.emplace_back("fieldSelector", watched.selector.field);
    return config_.api_server + resource_path(watched.kind, watched.namespace_name) + "?" +
           outbound::encode_form(query);
  }

  Task<Status> list(Watched& watched, Cancel& stop) {
    KubeObjects found;
    std::string more, version;
    do {
      outbound::FetchAsk ask;
      std::vector<std::pair<std::string, std::string>> query = {
          {"limit", std::to_string(kPageObjects)}};
      if (!more.empty()) query.emplace_back("continue", more);
      ask.url = url_of(watched, std::move(query));
      ask.headers = {{"accept", "application/json"}};
      ask.body_bytes_max = kPageBytesMax;
      ask.deadline_ms = steady_ms() + kListTimeoutMs;
      ask.cancel = &stop;
      Result<outbound::FetchReply> reply = co_await fetch_->fetch(ask);
      if (!reply.ok()) co_return reply.status();
      if (reply->status != 200) {
        co_return unavailable("the API server answered " + std::to_string(reply->status) +
                              " to a list of " + std::string(role_name(watched.kind)));
      }
      const auto document = wire::JsonDocument::parse(reply->body);
      if (!document.ok()) co_return document.status();
      for (const wire::JsonView item : document->root()["items"].items()) {
        KubeObject object = read_kube_object(watched.kind, item);
        found.insert_or_assign(object.key(), std::move(object));
      }
      const wire::JsonView metadata = document->root()["metadata"];
      more = metadata["continue"].string().value_or("");
      version = metadata["resourceVersion"].string().value_or("");
    } while (!more.empty());
    replace(watched, std::move(found));
    watched.version = version.empty() ? "0" : version;
    co_return Status();
  }

  // What a list has found, in place of what there was in that namespace.
  void replace(const Watched& watched, KubeObjects found) {
    KubeObjects& objects = objects_[watched.kind];
    for (auto at = objects.begin(); at != objects.end();) {
      const bool mine =
          watched.namespace_name.empty() || at->second.namespace_name == watched.namespace_name;
      if (mine && !found.contains(at->first)) {
        touch(watched.kind, at->second);
        at = objects.erase(at);
      } else {
        ++at;
      }
    }
    for (auto& [key, object] : found) {
      touch(watched.kind, object);
      objects.insert_or_assign(key, std::move(object));
    }
    // Also where nothing is there: the job then knows that.
    changed_.set();
  }

  Task<Status> watch(Watched& watched, Cancel& stop) {
    outbound::FetchAsk ask;
    ask.url = url_of(watched, {{"watch", "true"},
                               {"allowWatchBookmarks", "true"},
                               {"resourceVersion", watched.version},
                               {"timeoutSeconds", std::to_string(kWatchSeconds)}});
    ask.headers = {{"accept", "application/json"}};
    ask.deadline_ms = steady_ms() + (kWatchSeconds + 30) * 1000;
    ask.cancel = &stop;
    watched.partial.clear();
    ask.on_piece = [this, &watched](std::string_view piece) { return events(watched, piece); };
    const Result<outbound::FetchReply> reply = co_await fetch_->fetch(ask);
    if (!reply.ok()) co_return reply.status();
    if (reply->status != 200) {
      co_return unavailable("the API server answered " + std::to_string(reply->status) +
                            " to a watch of " + std::string(role_name(watched.kind)));
    }
    co_return Status();
  }

  // Events are lines of JSON.
  Status events(Watched& watched, std::string_view piece) {
    while (!piece.empty()) {
      const size_t end = piece.find('\n');
      if (watched.partial.size() + std::min(end, piece.size()) > kEventBytesMax) {
        return resource_exhausted("an event of the watch is too large");
      }
      watched.partial.append(piece.substr(0, end));
      if (end == std::string_view::npos) return {};
      piece.remove_prefix(end + 1);
      RETURN_IF_ERROR(event(watched, watched.partial));
      watched.partial.clear();
    }
    return {};
  }

  Status event(Watched& watched, const std::string& line) {
    if (line.empty()) return {};
    ASSIGN_OR_RETURN(const wire::JsonDocument document, wire::JsonDocument::parse(line));
    const std::string_view type = document.root()["type"].string().value_or("");
    const wire::JsonView given = document.root()["object"];
    if (type == "ERROR") {
      return unavailable("watch: " + std::string(given["message"].string().value_or("error")));
    }
    const auto version = given["metadata"]["resourceVersion"].string();
    if (version) watched.version = *version;
    if (type == "BOOKMARK") return {};
    KubeObject object = read_kube_object(watched.kind, given);
    touch(watched.kind, object);
    KubeObjects& objects = objects_[watched.kind];
    if (type == "DELETED") {
      objects.erase(object.key());
    } else {
      const std::string key = object.key();
      objects.insert_or_assign(key, std::move(object));
    }
    return {};
  }

  // Notes which objects of the role have to be looked at again.
  void touch(KubeKind kind, const KubeObject& object) {
    if (kind == kind_) {
      dirty_.insert(object.key());
    } else if (kind == KubeKind::kService) {
      for (const auto& [key, each] : objects_[kind_]) {
        if (each.namespace_name == object.namespace_name && belongs(each, object.name)) {
          dirty_.insert(key);
        }
      }
    } else {
      // A pod or a node: those that name it.
      for (const auto& [key, each] : objects_[kind_]) {
        if (names(each, kind, object)) dirty_.insert(key);
      }
    }
    changed_.set();
  }

  static bool belongs(const KubeObject& endpoints, const std::string& service) {
    if (endpoints.name == service) return true;
    return std::any_of(endpoints.labels.begin(), endpoints.labels.end(), [&](const auto& label) {
      return label.first == "kubernetes.io/service-name" && label.second == service;
    });
  }

  static bool names(const KubeObject& each, KubeKind kind, const KubeObject& other) {
    if (kind == KubeKind::kNode && each.node == other.name) return true;
    for (const KubeSubset& subset : each.subsets) {
      for (const KubeEndpoint& endpoint : subset.endpoints) {
        if (kind == KubeKind::kNode ? endpoint.node == other.name
                                    : endpoint.target_name == other.name) {
          return true;
        }
      }
    }
    return false;
  }

  void give(const GroupUpdate& update) {
    const KubeObjects& objects = objects_[kind_];
    KubeJoin join;
    join.pods = &objects_[KubeKind::kPod];
    join.services = &objects_[KubeKind::kService];
    join.nodes = config_.attach_node ? &objects_[KubeKind::kNode] : nullptr;
    std::vector<TargetGroup> groups;
    for (const std::string& key : dirty_) {
      const auto found = objects.find(key);
      if (found != objects.end()) {
        groups.push_back(kube_targets(kind_, found->second, join));
        continue;
      }
      KubeObject gone;
      gone.namespace_name = key.substr(0, key.find('/'));
      gone.name = key.substr(key.find('/') + 1);
      groups.push_back({kube_source(kind_, gone), {}, {}});
    }
    dirty_.clear();
    update(std::move(groups));
  }

  DiscoveryScope scope_;
  KubernetesDiscoveryConfig config_;
  KubeKind kind_ = KubeKind::kPod;
  std::unique_ptr<outbound::HttpFetch> fetch_;
  std::vector<std::unique_ptr<Watched>> watches_;
  std::map<KubeKind, KubeObjects> objects_;
  std::set<std::string> dirty_;
  Event changed_, ended_;
  int watching_ = 0;
};

}  // namespace

std::unique_ptr<Discovery> kubernetes_discovery(const DiscoveryScope& scope,
                                                KubernetesDiscoveryConfig config) {
  return std::make_unique<KubernetesDiscovery>(scope, std::move(config));
}

}  // namespace gatehouse::collect

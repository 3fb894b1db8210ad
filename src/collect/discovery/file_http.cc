// Targets from files, which are looked at once a second and read when they have
// changed, and from an HTTP endpoint that gives the same lists.
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <set>

#include "base/text.h"
#include "collect/discovery/discovery.h"

namespace gatehouse::collect {

namespace {

// Prometheus watches by inotify, which network file systems do not feed; stat of a
// few files costs microseconds.
constexpr int64_t kLookEveryMs = 1'000;
// Lists of 100,000 targets have some 10 MiB.
constexpr size_t kListBytesMax = 64 << 20;

struct FileTargets {
  std::map<std::string, std::vector<TargetGroup>> by_file;
  Status trouble;
};

struct FileStamp {
  int64_t modified_ns = 0, size = 0;
  uint64_t inode = 0;
  friend bool operator==(const FileStamp&, const FileStamp&) = default;
};
using Stamps = std::map<std::string, FileStamp>;

Stamps look_at(const std::vector<std::string>& patterns) {
  Stamps stamps;
  for (const std::string& pattern : patterns) {
    for (const std::string& file : files_matching(pattern)) {
      struct stat about {};
      if (::stat(file.c_str(), &about) != 0) continue;
      stamps[file] = {about.st_mtim.tv_sec * 1'000'000'000 + about.st_mtim.tv_nsec, about.st_size,
                      about.st_ino};
    }
  }
  return stamps;
}

// What cannot be read is left out, and keeps what it gave before.
FileTargets read_files(const Stamps& stamps) {
  FileTargets out;
  for (const auto& [file, stamp] : stamps) {
    if (stamp.size > static_cast<int64_t>(kListBytesMax)) {
      out.trouble = resource_exhausted(file + " is too large");
      continue;
    }
    std::ifstream stream(file, std::ios::binary);
    std::string text(static_cast<size_t>(stamp.size), '\0');
    stream.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<size_t>(stream.gcount()));
    auto groups = read_target_groups(text, file);
    if (!groups.ok()) {
      out.trouble = groups.status();
      continue;
    }
    for (TargetGroup& group : *groups) group.labels = group.labels.with("__meta_filepath", file);
    out.by_file.emplace(file, std::move(*groups));
  }
  return out;
}

class FileDiscovery : public Discovery {
 public:
  FileDiscovery(const DiscoveryScope& scope, FileDiscoveryConfig config)
      : loop_(scope.loop),
        pool_(scope.pool),
        config_(std::move(config)),
        trouble_("file", config_.files.empty() ? "" : config_.files.front()) {}

  Task<void> run(GroupUpdate update, Cancel& stop) override {
    Stamps known;
    bool first = true;
    while (!stop.fired()) {
      Stamps now = co_await pool_.run(loop_, [this] { return look_at(config_.files); });
      if (first || now != known) {
        FileTargets read = co_await pool_.run(loop_, [&now] { return read_files(now); });
        if (stop.fired()) co_return;
        apply(update, now, read);
        trouble_.report(read.trouble);
        known = std::move(now);
        first = false;
      }
      const Wake wake = co_await loop_.sleep_for(kLookEveryMs, &stop);
      if (wake == Wake::kCancelled) co_return;
    }
  }

 private:
  void apply(const GroupUpdate& update, const Stamps& now, FileTargets& read) {
    std::vector<TargetGroup> groups;
    for (auto& [file, found] : read.by_file) {
      std::set<std::string> sources;
      for (TargetGroup& group : found) {
        sources.insert(group.source);
        groups.push_back(std::move(group));
      }
      end_missing(file, sources, groups);
      sources_[file] = std::move(sources);
    }
    for (auto at = sources_.begin(); at != sources_.end();) {
      if (now.contains(at->first)) {
        ++at;
        continue;
      }
      end_missing(at->first, {}, groups);
      at = sources_.erase(at);
    }
    update(std::move(groups));
  }

  void end_missing(const std::string& file, const std::set<std::string>& present,
                   std::vector<TargetGroup>& groups) {
    for (const std::string& source : sources_[file]) {
      if (!present.contains(source)) groups.push_back({source, {}, {}});
    }
  }

  Loop& loop_;
  Pool& pool_;
  FileDiscoveryConfig config_;
  TroubleLog trouble_;
  std::map<std::string, std::set<std::string>> sources_;  // by file
};

class HttpDiscovery : public Discovery {
 public:
  HttpDiscovery(const DiscoveryScope& scope, HttpDiscoveryConfig config)
      : scope_(scope), config_(std::move(config)), trouble_("http", config_.url) {}

  Task<void> run(GroupUpdate update, Cancel& stop) override {
    auto fetch = outbound::HttpFetch::create(scope_.loop, scope_.pool, scope_.dial, config_.http);
    if (!fetch.ok()) {
      trouble_.report(fetch.status());
      co_return;
    }
    size_t last_count = 0;
    while (!stop.fired()) {
      outbound::FetchAsk ask;
      ask.url = config_.url;
      ask.headers = {{"accept", "application/json"},
                     {"x-prometheus-refresh-interval-seconds",
                      std::to_string(config_.refresh_interval_ms / 1000)}};
      ask.body_bytes_max = kListBytesMax;
      ask.deadline_ms = steady_ms() + config_.refresh_interval_ms;
      ask.cancel = &stop;
      Result<outbound::FetchReply> reply = co_await (*fetch)->fetch(ask);
      if (stop.fired()) co_return;
      auto groups = read(reply);
      trouble_.report(groups.ok() ? Status() : groups.status());
      if (groups.ok()) {
        const size_t count = groups->size();
        for (size_t i = count; i < last_count; ++i) groups->push_back({source(i), {}, {}});
        last_count = count;
        update(std::move(*groups));
      }
      const Wake wake = co_await scope_.loop.sleep_for(config_.refresh_interval_ms, &stop);
      if (wake == Wake::kCancelled) co_return;
    }
  }

 private:
  std::string source(size_t i) const { return config_.url + ":" + std::to_string(i); }

  Result<std::vector<TargetGroup>> read(const Result<outbound::FetchReply>& reply) const {
    if (!reply.ok()) return reply.status();
    if (reply->status != 200) {
      return unavailable("server returned HTTP status " + std::to_string(reply->status));
    }
    if (!to_lower(reply->content_type).starts_with("application/json")) {
      return invalid_argument("unsupported content type \"" + reply->content_type + "\"");
    }
    ASSIGN_OR_RETURN(auto groups, read_target_groups(reply->body, config_.url));
    for (size_t i = 0; i < groups.size(); ++i) {
      groups[i].source = source(i);
      groups[i].labels = groups[i].labels.with("__meta_url", config_.url);
    }
    return groups;
  }

  DiscoveryScope scope_;
  HttpDiscoveryConfig config_;
  TroubleLog trouble_;
};

}  // namespace

std::unique_ptr<Discovery> file_discovery(const DiscoveryScope& scope, FileDiscoveryConfig config) {
  return std::make_unique<FileDiscovery>(scope, std::move(config));
}

std::unique_ptr<Discovery> http_discovery(const DiscoveryScope& scope, HttpDiscoveryConfig config) {
  return std::make_unique<HttpDiscovery>(scope, std::move(config));
}

}  // namespace gatehouse::collect

// A catalog in memory, for tests: what model::Catalog promises, without histories.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "model/catalog.h"

namespace gatehouse::identity {

class MemoryCatalog : public model::Catalog {
 public:
  Result<model::Object> get(std::string_view kind, std::string_view id) const override {
    const std::lock_guard lock(mutex_);
    const auto found = objects_.find({std::string(kind), std::string(id)});
    if (found == objects_.end()) return not_found("no such object");
    return found->second;
  }
  Result<std::vector<model::Object>> list(std::string_view kind) const override {
    const std::lock_guard lock(mutex_);
    std::vector<model::Object> out;
    for (const auto& [key, object] : objects_) {
      if (key.first == kind) out.push_back(object);
    }
    return out;
  }
  Result<uint64_t> put(std::string_view kind, std::string_view id, std::string_view body,
                       uint64_t expected_version, std::string_view changed_by) override {
    const std::lock_guard lock(mutex_);
    const auto key = std::pair(std::string(kind), std::string(id));
    const auto found = objects_.find(key);
    const uint64_t in_place = found == objects_.end() ? kNew : found->second.version;
    if (expected_version != kAnyVersion && in_place != expected_version) {
      return Status(Code::kAlreadyExists, "the object was changed meanwhile");
    }
    model::Object& object = objects_[key];
    object.kind = kind;
    object.id = id;
    object.body = body;
    object.changed_by = changed_by;
    object.version = ++last_version_;
    return object.version;
  }
  Status remove(std::string_view kind, std::string_view id, std::string_view) override {
    const std::lock_guard lock(mutex_);
    if (objects_.erase({std::string(kind), std::string(id)}) == 0) {
      return not_found("no such object");
    }
    return {};
  }
  Result<std::vector<model::Object>> history(std::string_view, std::string_view,
                                             size_t) const override {
    return Status(Code::kUnimplemented, "a catalog in memory keeps no history");
  }
  Status put_snapshot(std::string_view name, std::string_view bytes) override {
    const std::lock_guard lock(mutex_);
    snapshots_[std::string(name)] = bytes;
    return {};
  }
  Result<std::string> get_snapshot(std::string_view name) const override {
    const std::lock_guard lock(mutex_);
    const auto found = snapshots_.find(std::string(name));
    if (found == snapshots_.end()) return not_found("no such snapshot");
    return found->second;
  }

 private:
  mutable std::mutex mutex_;
  uint64_t last_version_ = 0;
  std::map<std::pair<std::string, std::string>, model::Object> objects_;
  std::map<std::string, std::string> snapshots_;
};

}  // namespace gatehouse::identity

// Objects in memory, for tests and for a server that keeps nothing.
#pragma once

#include <map>
#include <mutex>

#include "identity/objects.h"

namespace gatehouse::identity {

class MemoryObjects : public Objects {
 public:
  Result<StoredObject> get(std::string_view kind, std::string_view id) override {
    const std::lock_guard lock(mutex_);
    const auto found = objects_.find({std::string(kind), std::string(id)});
    if (found == objects_.end()) return not_found("no such object");
    return found->second;
  }
  Result<std::vector<StoredObject>> list(std::string_view kind) override {
    const std::lock_guard lock(mutex_);
    std::vector<StoredObject> out;
    for (const auto& [key, object] : objects_) {
      if (key.first == kind) out.push_back(object);
    }
    return out;
  }
  Result<uint64_t> put(std::string_view kind, std::string_view id, std::string_view json,
                       uint64_t expected_version) override {
    const std::lock_guard lock(mutex_);
    StoredObject& object = objects_[{std::string(kind), std::string(id)}];
    if (object.version != expected_version) {
      return Status(Code::kAlreadyExists, "the object was changed meanwhile");
    }
    object = {std::string(id), std::string(json), expected_version + 1};
    return object.version;
  }
  Status remove(std::string_view kind, std::string_view id) override {
    const std::lock_guard lock(mutex_);
    if (objects_.erase({std::string(kind), std::string(id)}) == 0) {
      return not_found("no such object");
    }
    return {};
  }

 private:
  std::mutex mutex_;
  std::map<std::pair<std::string, std::string>, StoredObject> objects_;
};

}  // namespace gatehouse::identity

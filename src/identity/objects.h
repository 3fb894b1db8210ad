// Where identity keeps its Objects (keys, users, sessions, links, anchors): the
// part of a catalog that it needs, so that its rules can be tested without one.
//
// Every change is durable when the call returns. A put is conditional on the
// version last seen, so that two processes (the server and `gatehouse
// login-link`) never overwrite each other's change.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace gatehouse::identity {

struct StoredObject {
  std::string id;
  std::string json;
  uint64_t version = 0;  // from 1; greater after each put
};

class Objects {
 public:
  virtual ~Objects() = default;

  // kNotFound.
  virtual Result<StoredObject> get(std::string_view kind, std::string_view id) = 0;
  virtual Result<std::vector<StoredObject>> list(std::string_view kind) = 0;
  // Returns the new version. kAlreadyExists: the version in place is not
  // `expected_version`; 0 stands for "there is none".
  virtual Result<uint64_t> put(std::string_view kind, std::string_view id, std::string_view json,
                               uint64_t expected_version) = 0;
  // kNotFound: there was none, so that of two removals one succeeds.
  virtual Status remove(std::string_view kind, std::string_view id) = 0;
};

}  // namespace gatehouse::identity

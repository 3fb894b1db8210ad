// The catalog: Objects that people edit and version (keys, users, prompts,
// silences, policies), and snapshots of state that the program keeps for itself.
//
// Every change is durable, through a power cut too, when the call returns. Calls
// block on the disk: never on a Loop's thread. Any thread otherwise; another
// process may change the same catalog.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace gatehouse::model {

struct Object {
  std::string kind;
  std::string id;
  uint64_t version = 0;  // from 1; greater after each change, a removal too
  std::string body;      // JSON, in the form its kind has
  int64_t created_ms = 0;
  int64_t updated_ms = 0;
  std::string changed_by;  // a principal's id; empty: the program itself
  bool deleted = false;    // in a history alone
};

class Catalog {
 public:
  virtual ~Catalog() = default;

  static constexpr uint64_t kNew = 0;                  // there must be none
  static constexpr uint64_t kAnyVersion = UINT64_MAX;  // whatever is there

  virtual Result<Object> get(std::string_view kind, std::string_view id) const = 0;  // kNotFound
  // All of a kind, by id.
  virtual Result<std::vector<Object>> list(std::string_view kind) const = 0;

  // Returns the new version. kAlreadyExists: the version in place is not
  // `expected_version`, as someone else was faster: read again.
  virtual Result<uint64_t> put(std::string_view kind, std::string_view id, std::string_view body,
                               uint64_t expected_version, std::string_view changed_by) = 0;
  // kNotFound: there was none, so that of two removals one succeeds.
  virtual Status remove(std::string_view kind, std::string_view id,
                        std::string_view changed_by) = 0;

  // The newest versions of an Object, newest first, removals among them.
  virtual Result<std::vector<Object>> history(std::string_view kind, std::string_view id,
                                              size_t limit) const = 0;

  // State under a name, replaced as a whole. kNotFound: never put.
  virtual Status put_snapshot(std::string_view name, std::string_view bytes) = 0;
  virtual Result<std::string> get_snapshot(std::string_view name) const = 0;
};

}  // namespace gatehouse::model

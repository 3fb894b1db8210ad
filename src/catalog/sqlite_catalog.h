// The catalog in one SQLite file, in WAL mode with synchronous=FULL: a change is
// on the disk when its call returns. One connection writes, another reads, so
// that a read never waits for a write's fsync.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "catalog/sqlite.h"
#include "model/catalog.h"
#include "model/clock.h"

namespace gatehouse::catalog {

class SqliteCatalog : public model::Catalog {
 public:
  // Makes the file (0600) and its directory (0700) where they are not there, and
  // brings its schema up to date. kDataLoss: the file is damaged; kUnimplemented:
  // a newer gatehouse wrote it.
  static Result<std::unique_ptr<SqliteCatalog>> open(
      const std::string& path, const model::Clock& clock = model::system_clock());

  Result<model::Object> get(std::string_view kind, std::string_view id) const override;
  Result<std::vector<model::Object>> list(std::string_view kind) const override;
  Result<uint64_t> put(std::string_view kind, std::string_view id, std::string_view body,
                       uint64_t expected_version, std::string_view changed_by) override;
  Status remove(std::string_view kind, std::string_view id, std::string_view changed_by) override;
  Result<std::vector<model::Object>> history(std::string_view kind, std::string_view id,
                                             size_t limit) const override;
  Status put_snapshot(std::string_view name, std::string_view bytes) override;
  Result<std::string> get_snapshot(std::string_view name) const override;

  // A number that differs from the last one when anything was changed in
  // between, by another process too. Costs no read of the file.
  Result<int64_t> data_version() const;

 private:
  SqliteCatalog(const model::Clock& clock, std::unique_ptr<Connection> writer,
                std::unique_ptr<Connection> reader)
      : clock_(clock), writer_(std::move(writer)), reader_(std::move(reader)) {}

  struct Current {
    uint64_t version = 0;  // 0: there never was one
    bool deleted = true;
  };
  // The rest REQUIRE write_mutex_.
  Result<Current> current(std::string_view kind, std::string_view id);
  Status add_history(std::string_view kind, std::string_view id, uint64_t version,
                     std::string_view body, std::string_view changed_by, bool deleted);
  Status forget_deleted();

  const model::Clock& clock_;
  std::mutex write_mutex_;
  std::unique_ptr<Connection> writer_;
  mutable std::mutex read_mutex_;
  std::unique_ptr<Connection> reader_;
};

}  // namespace gatehouse::catalog

#include "catalog/migrations.h"

#include <array>
#include <string>

namespace gatehouse::catalog {
namespace {

constexpr std::array<const char*, 3> kMigrations = {
    // 1: Objects. A deleted one stays for a while, so that its version goes on.
    R"(CREATE TABLE objects (
         kind TEXT NOT NULL,
         id TEXT NOT NULL,
         version INTEGER NOT NULL,
         body TEXT NOT NULL,
         created_ms INTEGER NOT NULL,
         updated_ms INTEGER NOT NULL,
         changed_by TEXT NOT NULL,
         deleted INTEGER NOT NULL DEFAULT 0,
         PRIMARY KEY (kind, id)
       ) STRICT, WITHOUT ROWID)",
    // 2: what Objects were before; it goes with its Object.
    R"(CREATE TABLE object_history (
         kind TEXT NOT NULL,
         id TEXT NOT NULL,
         version INTEGER NOT NULL,
         body TEXT NOT NULL,
         updated_ms INTEGER NOT NULL,
         changed_by TEXT NOT NULL,
         deleted INTEGER NOT NULL,
         PRIMARY KEY (kind, id, version),
         FOREIGN KEY (kind, id) REFERENCES objects (kind, id) ON DELETE CASCADE
       ) STRICT, WITHOUT ROWID;
       INSERT INTO object_history
         SELECT kind, id, version, body, updated_ms, changed_by, deleted FROM objects)",
    // 3: snapshots of the program's own state.
    R"(CREATE TABLE snapshots (
         name TEXT NOT NULL PRIMARY KEY,
         bytes BLOB NOT NULL,
         updated_ms INTEGER NOT NULL
       ) STRICT)",
};

Result<int64_t> schema_version(Connection& connection) {
  ASSIGN_OR_RETURN(sqlite3_stmt* const statement, connection.prepare("PRAGMA user_version"));
  Execution read(connection, statement);
  ASSIGN_OR_RETURN(const bool row, read.next());
  return row ? read.integer(0) : 0;
}

}  // namespace

std::span<const char* const> migrations() { return kMigrations; }

Status migrate(Connection& connection, int64_t target) {
  for (;;) {
    // Another process may be at it too: look again within the transaction.
    ASSIGN_OR_RETURN(const std::unique_ptr<Transaction> transaction,
                     Transaction::begin(connection));
    ASSIGN_OR_RETURN(const int64_t version, schema_version(connection));
    if (version > static_cast<int64_t>(kMigrations.size())) {
      return Status(Code::kUnimplemented,
                    "the catalog has schema " + std::to_string(version) +
                        " of a newer gatehouse, and this one knows up to " +
                        std::to_string(kMigrations.size()) +
                        "; start the newer one, or restore a backup from before it");
    }
    if (version >= target) return {};
    RETURN_IF_ERROR(connection.execute(kMigrations[static_cast<size_t>(version)])
                        .with_context("schema step " + std::to_string(version + 1)));
    const std::string mark = "PRAGMA user_version = " + std::to_string(version + 1);
    RETURN_IF_ERROR(connection.execute(mark.c_str()));
    RETURN_IF_ERROR(transaction->commit());
  }
}

}  // namespace gatehouse::catalog

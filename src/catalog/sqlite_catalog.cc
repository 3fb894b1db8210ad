#include "catalog/sqlite_catalog.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "catalog/migrations.h"

namespace gatehouse::catalog {
namespace {

using model::Object;

// Another process's transaction is one fsync long; a command waits for a few.
constexpr int kBusyMs = 5'000;
// Bounds: an Object that changes often (a session) must not grow the file for ever.
constexpr int64_t kHistoryMax = 50;
constexpr int64_t kDeletedKeptMs = 30LL * 24 * 3600 * 1000;
// An Object is what a person edits; a snapshot, state of thousands of keys.
constexpr size_t kBodyBytesMax = size_t{4} << 20;
constexpr size_t kSnapshotBytesMax = size_t{64} << 20;

Status make_file(const std::string& path) {
  const std::filesystem::path directory = std::filesystem::path(path).parent_path();
  std::error_code error;
  if (!directory.empty() && !std::filesystem::exists(directory, error)) {
    std::filesystem::create_directories(directory, error);
    if (error) return from_errno(error.value(), "make directory " + directory.string());
    ::chmod(directory.c_str(), 0700);
  }
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return from_errno(errno, "open the catalog " + path);
  // SQLite gives its -wal and -shm files the mode of this one.
  const bool tight = ::fchmod(fd, 0600) == 0;
  const int why = errno;
  ::close(fd);
  return tight ? Status() : from_errno(why, "set the mode of the catalog " + path);
}

Status check(Connection& connection, const std::string& path) {
  ASSIGN_OR_RETURN(sqlite3_stmt* const statement, connection.prepare("PRAGMA quick_check(1)"));
  Execution read(connection, statement);
  ASSIGN_OR_RETURN(const bool row, read.next());
  if (row && read.text(0) == "ok") return {};
  return data_loss("catalog " + path + " is damaged (" + read.text(0) +
                   ") and was left as it is: stop gatehouse, put a backup in its place, or rescue "
                   "it with `sqlite3 FILE .recover`");
}

Object object_of(const Execution& row, std::string_view kind) {
  Object object;
  object.kind = kind;
  object.id = row.text(0);
  object.version = static_cast<uint64_t>(row.integer(1));
  object.body = row.text(2);
  object.created_ms = row.integer(3);
  object.updated_ms = row.integer(4);
  object.changed_by = row.text(5);
  object.deleted = row.integer(6) != 0;
  return object;
}

}  // namespace

Result<std::unique_ptr<SqliteCatalog>> SqliteCatalog::open(const std::string& path,
                                                           const model::Clock& clock) {
  RETURN_IF_ERROR(make_file(path));
  ASSIGN_OR_RETURN(std::unique_ptr<Connection> writer, Connection::open(path, false, kBusyMs));
  RETURN_IF_ERROR(writer->execute("PRAGMA journal_mode = WAL"));
  RETURN_IF_ERROR(writer->execute("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON"));
  RETURN_IF_ERROR(check(*writer, path));
  RETURN_IF_ERROR(migrate(*writer, static_cast<int64_t>(migrations().size())).with_context(path));
  ASSIGN_OR_RETURN(std::unique_ptr<Connection> reader, Connection::open(path, true, kBusyMs));
  std::unique_ptr<SqliteCatalog> catalog(
      new SqliteCatalog(clock, std::move(writer), std::move(reader)));
  std::lock_guard lock(catalog->write_mutex_);
  // A full disk must not keep what can be read from being served.
  if (const Status forgotten = catalog->forget_deleted();
      !forgotten.ok() && forgotten.code() != Code::kResourceExhausted) {
    return forgotten;
  }
  return catalog;
}

Result<Object> SqliteCatalog::get(std::string_view kind, std::string_view id) const {
  std::lock_guard lock(read_mutex_);
  ASSIGN_OR_RETURN(
      sqlite3_stmt* const statement,
      reader_->prepare("SELECT id, version, body, created_ms, updated_ms, changed_by, "
                       "deleted FROM objects WHERE kind = ? AND id = ? AND NOT deleted"));
  Execution read(*reader_, statement);
  read.bind(kind).bind(id);
  ASSIGN_OR_RETURN(const bool row, read.next());
  if (!row) return not_found("there is no " + std::string(kind) + " " + std::string(id));
  return object_of(read, kind);
}

Result<std::vector<Object>> SqliteCatalog::list(std::string_view kind) const {
  std::lock_guard lock(read_mutex_);
  ASSIGN_OR_RETURN(sqlite3_stmt* const statement,
                   reader_->prepare("SELECT id, version, body, created_ms, updated_ms, changed_by, "
                                    "deleted FROM objects WHERE kind = ? AND NOT deleted "
                                    "ORDER BY id"));
  Execution read(*reader_, statement);
  read.bind(kind);
  std::vector<Object> objects;
  for (;;) {
    ASSIGN_OR_RETURN(const bool row, read.next());
    if (!row) return objects;
    objects.push_back(object_of(read, kind));
  }
}

Result<std::vector<Object>> SqliteCatalog::history(std::string_view kind, std::string_view id,
                                                   size_t limit) const {
  std::lock_guard lock(read_mutex_);
  ASSIGN_OR_RETURN(
      sqlite3_stmt* const statement,
      reader_->prepare("SELECT h.id, h.version, h.body, o.created_ms, h.updated_ms, h.changed_by, "
                       "h.deleted FROM object_history h JOIN objects o USING (kind, id) "
                       "WHERE h.kind = ? AND h.id = ? ORDER BY h.version DESC LIMIT ?"));
  Execution read(*reader_, statement);
  read.bind(kind).bind(id).bind(static_cast<int64_t>(limit));
  std::vector<Object> versions;
  for (;;) {
    ASSIGN_OR_RETURN(const bool row, read.next());
    if (!row) return versions;
    versions.push_back(object_of(read, kind));
  }
}

Result<SqliteCatalog::Current> SqliteCatalog::current(std::string_view kind, std::string_view id) {
  ASSIGN_OR_RETURN(
      sqlite3_stmt* const statement,
      writer_->prepare("SELECT version, deleted FROM objects WHERE kind = ? AND id = ?"));
  Execution read(*writer_, statement);
  read.bind(kind).bind(id);
  ASSIGN_OR_RETURN(const bool row, read.next());
  if (!row) return Current{};
  return Current{static_cast<uint64_t>(read.integer(0)), read.integer(1) != 0};
}

Status SqliteCatalog::add_history(std::string_view kind, std::string_view id, uint64_t version,
                                  std::string_view body, std::string_view changed_by,
                                  bool deleted) {
  ASSIGN_OR_RETURN(
      sqlite3_stmt* const insert,
      writer_->prepare("INSERT INTO object_history (kind, id, version, body, "
                       "updated_ms, changed_by, deleted) VALUES (?, ?, ?, ?, ?, ?, ?)"));
  Execution add(*writer_, insert);
  add.bind(kind).bind(id).bind(static_cast<int64_t>(version)).bind(body);
  add.bind(clock_.wall_ns() / 1'000'000).bind(changed_by).bind(int64_t{deleted});
  RETURN_IF_ERROR(add.run());
  ASSIGN_OR_RETURN(sqlite3_stmt* const prune,
                   writer_->prepare("DELETE FROM object_history WHERE kind = ? AND id = ? AND "
                                    "version <= ?"));
  Execution cut(*writer_, prune);
  cut.bind(kind).bind(id).bind(static_cast<int64_t>(version) - kHistoryMax);
  return cut.run();
}

Result<uint64_t> SqliteCatalog::put(std::string_view kind, std::string_view id,
                                    std::string_view body, uint64_t expected_version,
                                    std::string_view changed_by) {
  if (kind.empty() || id.empty()) return invalid_argument("an object has a kind and an id");
  if (body.size() > kBodyBytesMax) {
    return invalid_argument(std::string(kind) + " " + std::string(id) + " is over 4 MiB");
  }
  std::lock_guard lock(write_mutex_);
  ASSIGN_OR_RETURN(const std::unique_ptr<Transaction> transaction, Transaction::begin(*writer_));
  ASSIGN_OR_RETURN(const Current before, current(kind, id));
  const uint64_t seen = before.deleted ? kNew : before.version;
  if (expected_version != kAnyVersion && expected_version != seen) {
    return Status(Code::kAlreadyExists,
                  std::string(kind) + " " + std::string(id) +
                      (seen == kNew ? " was removed meanwhile" : " was changed meanwhile") +
                      "; read it again");
  }
  const uint64_t version = before.version + 1;
  {
    ASSIGN_OR_RETURN(
        sqlite3_stmt* const statement,
        writer_->prepare("INSERT INTO objects (kind, id, version, body, created_ms, updated_ms, "
                         "changed_by, deleted) VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6, 0) "
                         "ON CONFLICT (kind, id) DO UPDATE SET version = ?3, body = ?4, "
                         "created_ms = CASE WHEN deleted THEN ?5 ELSE created_ms END, "
                         "updated_ms = ?5, changed_by = ?6, deleted = 0"));
    Execution write(*writer_, statement);
    write.bind(kind).bind(id).bind(static_cast<int64_t>(version)).bind(body);
    write.bind(clock_.wall_ns() / 1'000'000).bind(changed_by);
    RETURN_IF_ERROR(write.run());
  }
  RETURN_IF_ERROR(add_history(kind, id, version, body, changed_by, false));
  RETURN_IF_ERROR(transaction->commit());
  return version;
}

Status SqliteCatalog::remove(std::string_view kind, std::string_view id,
                             std::string_view changed_by) {
  std::lock_guard lock(write_mutex_);
  ASSIGN_OR_RETURN(const std::unique_ptr<Transaction> transaction, Transaction::begin(*writer_));
  ASSIGN_OR_RETURN(const Current before, current(kind, id));
  if (before.deleted) {
    return not_found("there is no " + std::string(kind) + " " + std::string(id));
  }
  {
    // Its history keeps what it was.
    ASSIGN_OR_RETURN(sqlite3_stmt* const statement,
                     writer_->prepare("UPDATE objects SET version = ?, body = '', updated_ms = ?, "
                                      "changed_by = ?, deleted = 1 WHERE kind = ? AND id = ?"));
    Execution write(*writer_, statement);
    write.bind(static_cast<int64_t>(before.version + 1)).bind(clock_.wall_ns() / 1'000'000);
    write.bind(changed_by).bind(kind).bind(id);
    RETURN_IF_ERROR(write.run());
  }
  RETURN_IF_ERROR(add_history(kind, id, before.version + 1, "", changed_by, true));
  return transaction->commit();
}

Status SqliteCatalog::forget_deleted() {
  ASSIGN_OR_RETURN(sqlite3_stmt* const statement,
                   writer_->prepare("DELETE FROM objects WHERE deleted AND updated_ms < ?"));
  Execution forget(*writer_, statement);
  forget.bind(clock_.wall_ns() / 1'000'000 - kDeletedKeptMs);
  return forget.run();
}

Status SqliteCatalog::put_snapshot(std::string_view name, std::string_view bytes) {
  if (bytes.size() > kSnapshotBytesMax) {
    return invalid_argument("snapshot " + std::string(name) + " is over 64 MiB");
  }
  std::lock_guard lock(write_mutex_);
  ASSIGN_OR_RETURN(sqlite3_stmt* const statement,
                   writer_->prepare("INSERT INTO snapshots (name, bytes, updated_ms) VALUES (?1, "
                                    "?2, ?3) ON CONFLICT (name) DO UPDATE SET bytes = ?2, "
                                    "updated_ms = ?3"));
  Execution write(*writer_, statement);
  write.bind(name).bind_blob(bytes).bind(clock_.wall_ns() / 1'000'000);
  return write.run();
}

Result<std::string> SqliteCatalog::get_snapshot(std::string_view name) const {
  std::lock_guard lock(read_mutex_);
  ASSIGN_OR_RETURN(sqlite3_stmt* const statement,
                   reader_->prepare("SELECT bytes FROM snapshots WHERE name = ?"));
  Execution read(*reader_, statement);
  read.bind(name);
  ASSIGN_OR_RETURN(const bool row, read.next());
  if (!row) return not_found("there is no snapshot " + std::string(name));
  return read.text(0);
}

Result<int64_t> SqliteCatalog::data_version() const {
  std::lock_guard lock(read_mutex_);
  ASSIGN_OR_RETURN(sqlite3_stmt* const statement, reader_->prepare("PRAGMA data_version"));
  Execution execution(*reader_, statement);
  ASSIGN_OR_RETURN(const bool row, execution.next());
  if (!row) return internal_error("the catalog gave no data version");
  return execution.integer(0);
}

}  // namespace gatehouse::catalog

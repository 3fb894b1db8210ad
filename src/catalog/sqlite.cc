#include "catalog/sqlite.h"

#include <sqlite3.h>

namespace gatehouse::catalog {

Execution::~Execution() {
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

// A failed bind leaves NULL, which the NOT NULL of every column then refuses.
Execution& Execution::bind(std::string_view text) {
  const char* bytes = text.data() != nullptr ? text.data() : "";
  sqlite3_bind_text64(statement_, ++bound_, bytes, text.size(), SQLITE_STATIC, SQLITE_UTF8);
  return *this;
}

Execution& Execution::bind_blob(std::string_view bytes) {
  const char* data = bytes.data() != nullptr ? bytes.data() : "";
  sqlite3_bind_blob64(statement_, ++bound_, data, bytes.size(), SQLITE_STATIC);
  return *this;
}

Execution& Execution::bind(int64_t value) {
  sqlite3_bind_int64(statement_, ++bound_, value);
  return *this;
}

Result<bool> Execution::next() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return connection_.failure(code);
}

Status Execution::run() {
  for (;;) {
    ASSIGN_OR_RETURN(const bool row, next());
    if (!row) return {};
  }
}

std::string Execution::text(int column) const {
  const void* bytes = sqlite3_column_blob(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  return bytes != nullptr ? std::string(static_cast<const char*>(bytes), static_cast<size_t>(size))
                          : std::string();
}

int64_t Execution::integer(int column) const { return sqlite3_column_int64(statement_, column); }

Result<std::unique_ptr<Connection>> Connection::open(const std::string& path, bool read_only,
                                                     int busy_ms) {
  sqlite3* database = nullptr;
  const int flags =
      (read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE) | SQLITE_OPEN_NOMUTEX;
  const int code = sqlite3_open_v2(path.c_str(), &database, flags, nullptr);
  if (database == nullptr) return resource_exhausted("no memory to open the catalog " + path);
  std::unique_ptr<Connection> connection(new Connection(path, database));
  if (code != SQLITE_OK) return connection->failure(code);
  sqlite3_extended_result_codes(database, 1);
  sqlite3_busy_timeout(database, busy_ms);
  return connection;
}

Connection::~Connection() {
  for (const auto& [sql, statement] : prepared_) sqlite3_finalize(statement);
  sqlite3_close(database_);
}

Status Connection::execute(const char* sql) {
  const int code = sqlite3_exec(database_, sql, nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? Status() : failure(code);
}

Result<sqlite3_stmt*> Connection::prepare(const char* sql) {
  const auto found = prepared_.find(sql);
  if (found != prepared_.end()) return found->second;
  sqlite3_stmt* statement = nullptr;
  const int code =
      sqlite3_prepare_v3(database_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) return failure(code);
  prepared_.emplace(sql, statement);
  return statement;
}

int64_t Connection::changes() const { return sqlite3_changes64(database_); }

Status Connection::failure(int code) const {
  const std::string why = "catalog " + path_ + ": " + sqlite3_errmsg(database_);
  switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return data_loss(why +
                       "; the file is damaged and was left as it is: stop gatehouse, put a "
                       "backup in its place, or rescue it with `sqlite3 FILE .recover`");
    case SQLITE_FULL: return resource_exhausted(why + "; free space on its disk");
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return unavailable(why + "; another process is writing to it: try again");
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_CANTOPEN:
      return {Code::kPermissionDenied, why + "; see who owns the file and its directory"};
    case SQLITE_IOERR: return internal_error(why + "; check the disk");
    default: return internal_error(why);
  }
}

Result<std::unique_ptr<Transaction>> Transaction::begin(Connection& connection) {
  // IMMEDIATE: waits for other writers here, where waiting works, and not halfway.
  RETURN_IF_ERROR(connection.execute("BEGIN IMMEDIATE"));
  return std::unique_ptr<Transaction>(new Transaction(connection));
}

Transaction::~Transaction() {
  if (open_) (void)connection_.execute("ROLLBACK");
}

Status Transaction::commit() {
  Status status = connection_.execute("COMMIT");
  if (status.ok()) open_ = false;
  return status;
}

}  // namespace gatehouse::catalog

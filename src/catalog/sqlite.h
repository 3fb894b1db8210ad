// SQLite with Results: a connection with its prepared statements, and a
// statement's one execution. Nothing here knows what is stored.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace gatehouse::catalog {

class Connection;

// One execution of a prepared statement; it is reset when this goes out of scope.
// Parameters are bound in their order. Columns are valid until the next step.
class Execution {
 public:
  Execution(Connection& connection, sqlite3_stmt* statement)
      : connection_(connection), statement_(statement) {}
  ~Execution();
  Execution(const Execution&) = delete;
  Execution& operator=(const Execution&) = delete;

  Execution& bind(std::string_view text);  // REQUIRES: lives until the last step
  Execution& bind_blob(std::string_view bytes);
  Execution& bind(int64_t value);

  Result<bool> next();  // whether there is a row
  Status run();         // to the end

  std::string text(int column) const;
  int64_t integer(int column) const;

 private:
  Connection& connection_;
  sqlite3_stmt* statement_;
  int bound_ = 0;
};

// REQUIRES: one thread at a time.
class Connection {
 public:
  // Opens the file, which is there, and waits up to `busy_ms` for other processes.
  static Result<std::unique_ptr<Connection>> open(const std::string& path, bool read_only,
                                                  int busy_ms);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // One or more statements without results.
  Status execute(const char* sql);
  // Prepares `sql` once. REQUIRES: a literal, and no execution of it in progress.
  Result<sqlite3_stmt*> prepare(const char* sql);
  int64_t changes() const;

  // What went wrong last, for people.
  Status failure(int code) const;

 private:
  Connection(std::string path, sqlite3* database) : path_(std::move(path)), database_(database) {}

  const std::string path_;
  sqlite3* database_;
  std::map<const char*, sqlite3_stmt*> prepared_;  // by the literal's address
};

// Rolls back unless it was committed.
class Transaction {
 public:
  static Result<std::unique_ptr<Transaction>> begin(Connection& connection);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  Status commit();

 private:
  explicit Transaction(Connection& connection) : connection_(connection) {}
  Connection& connection_;
  bool open_ = true;
};

}  // namespace gatehouse::catalog

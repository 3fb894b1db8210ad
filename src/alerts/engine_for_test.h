// What the tests of this folder stand on: a clock that is moved by hand, and a catalog and a
// log of records in a directory that goes with them.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <string>

#include "catalog/sqlite_catalog.h"
#include "model/clock.h"
#include "store/record_log.h"

namespace gatehouse::alerts {

class TestClock : public model::Clock {
 public:
  int64_t wall_ns() const override { return wall_ms * 1'000'000; }
  int64_t steady_ns() const override { return steady_ms * 1'000'000; }
  int64_t wall_ms = 1'790'000'000'000;
  int64_t steady_ms = 1'000'000;
};

struct Scratch {
  Scratch() {
    char pattern[] = "/tmp/gatehouse_alerts_XXXXXX";
    directory = ::mkdtemp(pattern);
    open();
  }
  ~Scratch() {
    close();
    std::filesystem::remove_all(directory);
  }
  void open() {
    auto opened = catalog::SqliteCatalog::open(directory + "/catalog.db");
    catalog = std::move(*opened);
    store::RecordLogOptions options;
    options.directory = directory + "/records";
    auto log = store::RecordLog::open(options);
    records = std::move(*log);
  }
  void close() {
    catalog.reset();
    records.reset();
  }
  std::string directory;
  std::unique_ptr<catalog::SqliteCatalog> catalog;
  std::unique_ptr<store::RecordLog> records;
};

}  // namespace gatehouse::alerts

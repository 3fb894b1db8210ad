#include "catalog/sqlite_catalog.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "catalog/migrations.h"

namespace gatehouse::catalog {
namespace {

using model::Catalog;

struct Scratch {
  Scratch() {
    char pattern[] = "/tmp/gatehouse_catalog_XXXXXX";
    directory = ::mkdtemp(pattern);
    path = directory + "/data/catalog.db";
  }
  ~Scratch() { std::filesystem::remove_all(directory); }
  std::string directory;
  std::string path;
};

std::unique_ptr<SqliteCatalog> must_open(const std::string& path) {
  auto catalog = SqliteCatalog::open(path);
  EXPECT_TRUE(catalog.ok()) << catalog.status().to_string();
  return catalog.ok() ? std::move(*catalog) : nullptr;
}

TEST(SqliteCatalog, KeepsVersionedObjectsAcrossARestart) {
  Scratch scratch;
  auto catalog = must_open(scratch.path);
  EXPECT_EQ(catalog->get("key", "a").status().code(), Code::kNotFound);
  EXPECT_EQ(*catalog->put("key", "a", "{\"n\":1}", Catalog::kNew, "user:x"), 1U);
  EXPECT_EQ(catalog->put("key", "a", "{}", Catalog::kNew, "").status().code(),
            Code::kAlreadyExists);
  EXPECT_EQ(*catalog->put("key", "a", "{\"n\":2}", 1, "user:y"), 2U);
  EXPECT_EQ(catalog->put("key", "a", "{}", 1, "").status().code(), Code::kAlreadyExists);
  EXPECT_EQ(*catalog->put("key", "a", "{\"n\":3}", Catalog::kAnyVersion, ""), 3U);
  ASSERT_TRUE(catalog->put("key", "b", "{}", Catalog::kNew, "").ok());
  ASSERT_TRUE(catalog->put("user", "a", "{}", Catalog::kNew, "").ok());
  catalog = must_open(scratch.path);
  EXPECT_EQ(catalog->get("key", "a")->body, "{\"n\":3}");
  const auto keys = *catalog->list("key");
  ASSERT_EQ(keys.size(), 2U);
  EXPECT_EQ(keys[0].id, "a");
  EXPECT_EQ(keys[1].id, "b");
  const auto history = *catalog->history("key", "a", 10);
  ASSERT_EQ(history.size(), 3U);
  EXPECT_EQ(history[0].version, 3U);
  EXPECT_EQ(history[2].body, "{\"n\":1}");
  EXPECT_EQ(history[2].changed_by, "user:x");
  EXPECT_EQ(history[1].changed_by, "user:y");
}

TEST(SqliteCatalog, ARemovedObjectIsGoneAndItsVersionGoesOn) {
  Scratch scratch;
  auto catalog = must_open(scratch.path);
  ASSERT_TRUE(catalog->put("key", "a", "{}", Catalog::kNew, "").ok());
  ASSERT_TRUE(catalog->remove("key", "a", "user:x").ok());
  EXPECT_EQ(catalog->remove("key", "a", "").code(), Code::kNotFound);
  EXPECT_EQ(catalog->get("key", "a").status().code(), Code::kNotFound);
  EXPECT_TRUE(catalog->list("key")->empty());
  EXPECT_TRUE(catalog->history("key", "a", 10)->front().deleted);
  EXPECT_EQ(catalog->put("key", "a", "{}", 1, "").status().code(), Code::kAlreadyExists);
  EXPECT_EQ(*catalog->put("key", "a", "{}", Catalog::kNew, ""), 3U);
}

TEST(SqliteCatalog, HistoryIsBounded) {
  Scratch scratch;
  auto catalog = must_open(scratch.path);
  for (int i = 0; i < 80; ++i) {
    ASSERT_TRUE(catalog->put("s", "a", std::to_string(i), Catalog::kAnyVersion, "").ok());
  }
  const auto history = *catalog->history("s", "a", 1000);
  EXPECT_EQ(history.size(), 50U);
  EXPECT_EQ(history.front().body, "79");
}

TEST(SqliteCatalog, KeepsSnapshotsOfAnyBytes) {
  Scratch scratch;
  auto catalog = must_open(scratch.path);
  EXPECT_EQ(catalog->get_snapshot("limits").status().code(), Code::kNotFound);
  const std::string bytes("\0\xff\x01 abc\0", 8);
  ASSERT_TRUE(catalog->put_snapshot("limits", bytes).ok());
  EXPECT_EQ(*catalog->get_snapshot("limits"), bytes);
  ASSERT_TRUE(catalog->put_snapshot("limits", "").ok());
  EXPECT_EQ(*catalog->get_snapshot("limits"), "");
}

TEST(SqliteCatalog, OfManyWritersOneWins) {
  Scratch scratch;
  auto here = must_open(scratch.path);
  auto there = must_open(scratch.path);  // as another process would
  ASSERT_TRUE(here->put("n", "count", "0", Catalog::kNew, "").ok());
  constexpr int kEach = 25;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      SqliteCatalog& mine = t % 2 == 0 ? *here : *there;
      for (int done = 0; done < kEach;) {
        const auto seen = mine.get("n", "count");
        ASSERT_TRUE(seen.ok());
        const auto put =
            mine.put("n", "count", std::to_string(std::stoi(seen->body) + 1), seen->version, "");
        if (put.ok()) ++done;
        if (!put.ok()) {
          ASSERT_EQ(put.status().code(), Code::kAlreadyExists) << put.status().to_string();
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(here->get("n", "count")->body, "100");
}

TEST(SqliteCatalog, FilesAreTheOwnersAlone) {
  Scratch scratch;
  auto catalog = must_open(scratch.path);
  ASSERT_TRUE(catalog->put("key", "a", "{}", Catalog::kNew, "").ok());
  for (const char* suffix : {"", "-wal", "-shm"}) {
    struct stat found {};
    ASSERT_EQ(::stat((scratch.path + suffix).c_str(), &found), 0) << suffix;
    EXPECT_EQ(found.st_mode & 0777, 0600U) << suffix;
  }
  struct stat found {};
  ASSERT_EQ(::stat((scratch.directory + "/data").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0700U);
}

TEST(SqliteCatalog, MigratesFromEveryEarlierSchema) {
  const auto newest = static_cast<int64_t>(migrations().size());
  for (int64_t version = 0; version <= newest; ++version) {
    Scratch scratch;
    std::filesystem::create_directories(scratch.directory + "/data");
    std::ofstream(scratch.path).close();
    {
      auto connection = *Connection::open(scratch.path, false, 1000);
      ASSERT_TRUE(migrate(*connection, version).ok());
      if (version >= 1) {
        ASSERT_TRUE(connection
                        ->execute("INSERT INTO objects VALUES ('key', 'old', 7, '{\"a\":1}', 1, 2, "
                                  "'user:x', 0)")
                        .ok());
      }
    }
    auto catalog = must_open(scratch.path);
    ASSERT_NE(catalog, nullptr) << "from schema " << version;
    if (version >= 1) {
      EXPECT_EQ(catalog->get("key", "old")->version, 7U);
      EXPECT_EQ(*catalog->put("key", "old", "{}", 7, ""), 8U) << "from schema " << version;
      EXPECT_EQ(catalog->history("key", "old", 9)->size(), version == 1 ? 2U : 1U);
    }
    EXPECT_TRUE(catalog->put_snapshot("s", "x").ok());
  }
}

TEST(SqliteCatalog, RefusesANewerSchema) {
  Scratch scratch;
  must_open(scratch.path).reset();
  {
    auto connection = *Connection::open(scratch.path, false, 1000);
    ASSERT_TRUE(connection->execute("PRAGMA user_version = 99").ok());
  }
  const auto catalog = SqliteCatalog::open(scratch.path);
  ASSERT_FALSE(catalog.ok());
  EXPECT_EQ(catalog.status().code(), Code::kUnimplemented);
  EXPECT_NE(catalog.status().message().find("schema 99"), std::string::npos);
}

TEST(SqliteCatalog, SaysThatAFileIsDamagedAndLeavesIt) {
  Scratch scratch;
  {
    auto catalog = must_open(scratch.path);
    for (int i = 0; i < 200; ++i) {
      ASSERT_TRUE(
          catalog->put("key", std::to_string(i), std::string(500, 'x'), Catalog::kNew, "").ok());
    }
  }
  const auto size = std::filesystem::file_size(scratch.path);
  ASSERT_GT(size, 20'000U);
  {
    std::fstream file(scratch.path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(8192);
    file << std::string(8192, '\x5a');
  }
  const auto damaged = SqliteCatalog::open(scratch.path);
  ASSERT_FALSE(damaged.ok());
  EXPECT_EQ(damaged.status().code(), Code::kDataLoss) << damaged.status().to_string();
  EXPECT_NE(damaged.status().message().find("backup"), std::string::npos);
  EXPECT_EQ(std::filesystem::file_size(scratch.path), size);
  std::ofstream(scratch.path, std::ios::trunc) << std::string(5000, 'z');
  EXPECT_EQ(SqliteCatalog::open(scratch.path).status().code(), Code::kDataLoss);
}

// Fills up with 20 kB objects until one is refused; every other must stay.
void fill_and_go_on(const std::string& path, Code refusal, const std::function<void()>& make_room) {
  auto catalog = must_open(path);
  Status refused;
  size_t stored = 0;
  for (int i = 0; i < 1000 && refused.ok(); ++i) {
    refused = catalog->put("big", std::to_string(i), std::string(20'000, 'x'), Catalog::kNew, "")
                  .status();
    if (refused.ok()) ++stored;
  }
  EXPECT_EQ(refused.code(), refusal) << refused.to_string();
  EXPECT_EQ(catalog->list("big")->size(), stored);
  make_room();
  EXPECT_TRUE(catalog->put("small", "b", "{}", Catalog::kNew, "").ok());
  catalog = must_open(path);
  EXPECT_EQ(catalog->list("big")->size(), stored);
  EXPECT_TRUE(catalog->get("small", "b").ok());
}

TEST(SqliteCatalog, AFileSizeLimitRefusesAndThenGoesOn) {
  ::signal(SIGXFSZ, SIG_IGN);
  Scratch scratch;
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small{200'000, before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  // SQLite does not say which write failed for what; a full disk it does.
  fill_and_go_on(scratch.path, Code::kInternal, [&] { ::setrlimit(RLIMIT_FSIZE, &before); });
}

TEST(SqliteCatalog, AFullDiskRefusesAndThenGoesOn) {
  Scratch scratch;
  const std::string disk = scratch.directory + "/disk";
  std::filesystem::create_directories(disk);
  if (::mount("none", disk.c_str(), "tmpfs", 0, "size=1m") != 0) {
    GTEST_SKIP() << "no right to mount a small disk";
  }
  std::ofstream(disk + "/ballast") << std::string(200'000, 'x');
  fill_and_go_on(disk + "/catalog.db", Code::kResourceExhausted,
                 [&] { std::filesystem::remove(disk + "/ballast"); });
  EXPECT_EQ(::umount2(disk.c_str(), MNT_DETACH), 0);
}

}  // namespace
}  // namespace gatehouse::catalog

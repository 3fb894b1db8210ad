// crash_catalog [rounds]: kills a writer of the catalog at random moments, and
// checks after each that every acknowledged change is there.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>

#include "catalog/sqlite_catalog.h"
#include "killed.h"

using namespace gatehouse;

namespace {

std::unique_ptr<catalog::SqliteCatalog> must_open(const std::string& path) {
  auto opened = catalog::SqliteCatalog::open(path);
  if (opened.ok()) return std::move(*opened);
  std::fprintf(stderr, "%s\n", opened.status().to_string().c_str());
  std::exit(1);
}

void write_until_killed(const std::string& path, uint64_t next,
                        const crash::Acknowledge& acknowledge) {
  const auto objects = must_open(path);
  for (;; ++next) {
    const std::string id = std::to_string(next % 50);
    const std::string body = "{\"number\":" + std::to_string(next) + "}";
    if (!objects->put("thing", id, body, model::Catalog::kAnyVersion, "").ok()) return;
    if (!objects->put_snapshot("last", std::to_string(next)).ok()) return;
    acknowledge(next);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 20;
  char scratch[] = "/tmp/gatehouse_crash_XXXXXX";
  if (::mkdtemp(scratch) == nullptr) return 1;
  const std::string path = std::string(scratch) + "/catalog.db";
  std::mt19937_64 random(20240607);
  uint64_t last = 0;
  for (int round = 0; round < rounds; ++round) {
    const auto after_us = static_cast<int64_t>(random() % 50'000);
    const uint64_t acknowledged =
        crash::run_and_kill(after_us, [&](const crash::Acknowledge& acknowledge) {
          write_until_killed(path, last + 1, acknowledge);
        });
    const auto objects = must_open(path);
    const auto snapshot = objects->get_snapshot("last");
    const uint64_t found = snapshot.ok() ? std::stoull(*snapshot) : 0;
    const auto object = objects->get("thing", std::to_string(found % 50));
    if (found < acknowledged || (found > 0 && !object.ok())) {
      std::fprintf(stderr, "acknowledged %llu, found %llu\n",
                   static_cast<unsigned long long>(acknowledged),
                   static_cast<unsigned long long>(found));
      return 1;
    }
    last = found;
  }
  std::filesystem::remove_all(scratch);
  std::printf("crash_catalog: %d kills, %llu changes, none acknowledged lost\n", rounds,
              static_cast<unsigned long long>(last));
}

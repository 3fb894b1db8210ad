// Runs the HTTP/1 fuzz inputs of the shared corpora, where they are present,
// through the head parser and the chunked decoder. The inputs are kept packed;
// `tar` unpacks them into a directory of this run.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "net/http_invariants.h"

namespace gatehouse::net {
namespace {

namespace fs = std::filesystem;

fs::path corpora() {
  const char* const named = std::getenv("GATEHOUSE_CORPORA");
  return named != nullptr ? fs::path(named) : fs::path("../shared/corpora");
}

// A new directory, removed with what is in it at the end.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = (fs::temp_directory_path() / "gatehouse_corpora_XXXXXX").string();
    if (mkdtemp(name.data()) != nullptr) path_ = name;
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

// The inputs hold marks where the original harness starts another write.
std::string without_marks(std::string text) {
  constexpr std::string_view kMark = "\n--MARK--\n";
  for (std::size_t at = text.find(kMark); at != std::string::npos; at = text.find(kMark, at)) {
    text.erase(at, kMark.size());
  }
  return text;
}

// Follows a connection that sends `bytes`: checks each message in turn, and
// gives how many were accepted.
std::size_t check_connection(std::string_view bytes, const std::string& name) {
  std::size_t accepted = 0;
  while (!bytes.empty()) {
    std::size_t size = 0;
    std::size_t other_size = 0;
    const std::string wrong = invariants::check_request(bytes, 1, size);
    EXPECT_EQ(wrong, "") << name;
    EXPECT_EQ(invariants::check_request(bytes, 7, other_size), "") << name;
    EXPECT_EQ(size, other_size) << name;
    if (size == 0 || !wrong.empty()) break;
    ++accepted;
    bytes.remove_prefix(size);
  }
  return accepted;
}

TEST(Corpora, HttpRequests) {
  const fs::path packed = corpora() / "http" / "h2o-http1-fuzz-half.tar.gz";
  if (!fs::exists(packed)) GTEST_SKIP() << "no corpora: " << packed.string() << " is absent";
  const TemporaryDirectory directory;
  ASSERT_FALSE(directory.path().empty());
  const std::string command =
      "tar -xzf '" + packed.string() + "' -C '" + directory.path().string() + "'";
  ASSERT_EQ(std::system(command.c_str()), 0) << command;

  std::size_t files = 0;
  std::size_t accepted = 0;
  for (const auto& entry : fs::recursive_directory_iterator(directory.path())) {
    if (!entry.is_regular_file()) continue;
    ++files;
    std::ifstream stream(entry.path(), std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(stream), {}};
    const std::string name = entry.path().filename().string();
    accepted += check_connection(text, name);
    accepted += check_connection(without_marks(text), name);
    EXPECT_EQ(invariants::check_response(text, 1, Method::kGet), "") << name;
    EXPECT_EQ(invariants::check_chunked(text, 1), "") << name;
  }
  EXPECT_GT(files, 900u);
  // An invariant that nothing reaches proves nothing.
  EXPECT_GT(accepted, 20u);
  RecordProperty("files", static_cast<int>(files));
  RecordProperty("accepted", static_cast<int>(accepted));
}

}  // namespace
}  // namespace gatehouse::net

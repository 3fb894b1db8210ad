// Where the public test sets lie: $GATEHOUSE_CORPORA, or ../shared/corpora
// beside the repository. They are not part of the repository; a test that needs
// one is skipped where it is absent.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace gatehouse::wire {

inline std::filesystem::path corpora_for_test(const std::string& set) {
  const char* set_by_user = std::getenv("GATEHOUSE_CORPORA");
  const std::filesystem::path root = set_by_user != nullptr ? set_by_user : "../shared/corpora";
  return root / set;
}

inline std::string file_for_test(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// The regular files of a folder by name; empty where there is no such folder.
inline std::vector<std::filesystem::path> files_for_test(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace gatehouse::wire

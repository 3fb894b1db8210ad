// A secret as configurations give it: in place, or in a file that is read anew at each
// use, so that it can be changed under the running program.
#pragma once

#include <string>

#include "base/files.h"
#include "base/result.h"

namespace gatehouse::model {

struct SecretText {
  std::string text;
  std::string file;  // its path, resolved

  bool empty() const { return text.empty() && file.empty(); }
  // The text, or the file's without the white space around it. Blocks on the file.
  Result<std::string> read() const {
    if (file.empty()) return text;
    constexpr size_t kBytesMax = 64 << 10;  // tokens and keys; a PEM chain has some KiB
    ASSIGN_OR_RETURN(std::string content, read_file(file, kBytesMax));
    const size_t begin = content.find_first_not_of(" \t\r\n");
    if (begin == std::string::npos) return std::string();
    return content.substr(begin, content.find_last_not_of(" \t\r\n") - begin + 1);
  }
  friend bool operator==(const SecretText&, const SecretText&) = default;
};

}  // namespace gatehouse::model

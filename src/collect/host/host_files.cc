#include "collect/host/host_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace gatehouse::collect {

namespace {

// Most files of procfs and sysfs are smaller: one read.
constexpr size_t kFirstRead = 4096;

std::vector<std::string> list_directory(const std::string& path) {
  std::vector<std::string> names;
  DIR* directory = ::opendir(path.c_str());
  if (directory == nullptr) return names;
  while (const dirent* entry = ::readdir(directory)) {
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  ::closedir(directory);
  std::sort(names.begin(), names.end());
  return names;
}

std::string_view trim_all(std::string_view text) {
  const auto space = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r') || c == '\0'; };
  while (!text.empty() && space(text.front())) text.remove_prefix(1);
  while (!text.empty() && space(text.back())) text.remove_suffix(1);
  return text;
}

std::optional<double> value_of(std::optional<std::string_view> text) {
  if (!text) return std::nullopt;
  const std::string_view word = trim_all(*text);
  if (word.starts_with("0x")) {
    const auto hex = hex_number(word.substr(2));
    return hex ? std::optional(static_cast<double>(*hex)) : std::nullopt;
  }
  return host_number(word);
}

std::optional<std::string> text_of(std::optional<std::string_view> text) {
  if (!text) return std::nullopt;
  return std::string(trim_all(*text));
}

}  // namespace

std::optional<std::string_view> HostFiles::read(const std::string& root, std::string_view path) {
  path_.assign(root).append("/").append(path);
  const int fd = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return std::nullopt;
  size_t size = 0;
  bool whole = false;
  while (size < kFileBytesMax) {
    if (text_.size() < size + kFirstRead) text_.resize(std::max(size * 2, size + kFirstRead));
    const ssize_t got = ::read(fd, text_.data() + size, text_.size() - size);
    if (got < 0) break;
    if (got == 0) {
      whole = true;
      break;
    }
    size += static_cast<size_t>(got);
  }
  ::close(fd);
  if (!whole) return std::nullopt;
  return std::string_view(text_).substr(0, size);
}

std::optional<std::string_view> HostFiles::proc(std::string_view path) {
  return read(roots_.proc, path);
}
std::optional<std::string_view> HostFiles::sys(std::string_view path) {
  return read(roots_.sys, path);
}
std::optional<std::string_view> HostFiles::root(std::string_view path) {
  return read(roots_.root, path);
}
std::optional<std::string> HostFiles::proc_text(std::string_view path) {
  return text_of(proc(path));
}
std::optional<std::string> HostFiles::sys_text(std::string_view path) { return text_of(sys(path)); }
std::optional<double> HostFiles::proc_number(std::string_view path) { return value_of(proc(path)); }
std::optional<double> HostFiles::sys_number(std::string_view path) { return value_of(sys(path)); }

std::vector<std::string> HostFiles::list_proc(std::string_view path) const {
  return list_directory(roots_.proc + "/" + std::string(path));
}
std::vector<std::string> HostFiles::list_sys(std::string_view path) const {
  return list_directory(roots_.sys + "/" + std::string(path));
}

bool next_line(std::string_view& text, std::string_view& line) {
  if (text.empty()) return false;
  const size_t end = text.find('\n');
  line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return true;
}

std::string_view next_word(std::string_view& line) {
  const size_t begin = line.find_first_not_of(" \t");
  if (begin == std::string_view::npos) {
    line = {};
    return {};
  }
  line.remove_prefix(begin);
  const size_t end = std::min(line.find_first_of(" \t"), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(end);
  return word;
}

std::optional<double> host_number(std::string_view text) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, value);
  if (text.empty() || read.ec != std::errc() || read.ptr != end) return std::nullopt;
  return value;
}

double number_or_zero(std::string_view text) { return host_number(text).value_or(0); }

std::optional<uint64_t> hex_number(std::string_view text) {
  uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, value, 16);
  if (text.empty() || read.ec != std::errc() || read.ptr != end) return std::nullopt;
  return value;
}

}  // namespace gatehouse::collect

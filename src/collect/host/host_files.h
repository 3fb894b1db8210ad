// Reading the small text files of procfs and sysfs. Both roots are parameters, so
// that a test can write a machine of its own into a directory.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gatehouse::collect {

struct HostRoots {
  std::string proc = "/proc";
  std::string sys = "/sys";
  std::string root;  // before /etc, /run, /var and mount points; "" on a real machine
};

class HostFiles {
 public:
  explicit HostFiles(HostRoots roots) : roots_(std::move(roots)) {}

  const HostRoots& roots() const { return roots_; }

  // The whole file below a root; none: absent, unreadable or over `kFileBytesMax`.
  // Lives until the next of these three.
  std::optional<std::string_view> proc(std::string_view path);
  std::optional<std::string_view> sys(std::string_view path);
  std::optional<std::string_view> root(std::string_view path);

  // One value: without the white space around it.
  std::optional<std::string> proc_text(std::string_view path);
  std::optional<std::string> sys_text(std::string_view path);
  // Decimal, or hexadecimal with 0x.
  std::optional<double> proc_number(std::string_view path);
  std::optional<double> sys_number(std::string_view path);

  // The names in a directory, sorted, without dot files; empty where there is none.
  std::vector<std::string> list_proc(std::string_view path) const;
  std::vector<std::string> list_sys(std::string_view path) const;

  // /proc/interrupts of a machine with 256 cores has some 600 KiB.
  static constexpr size_t kFileBytesMax = 1 << 20;

 private:
  std::optional<std::string_view> read(const std::string& root, std::string_view path);

  HostRoots roots_;
  std::string path_;
  std::string text_;
};

// Takes the next line off `text`, without its end; false at the end.
bool next_line(std::string_view& text, std::string_view& line);
// Takes the next word off `line` (words are parted by spaces and tabs); "" at the end.
std::string_view next_word(std::string_view& line);
// The number that `text` is: decimal, with fraction or exponent. None: it is not one.
std::optional<double> host_number(std::string_view text);
// 0 where it is none.
double number_or_zero(std::string_view text);
std::optional<uint64_t> hex_number(std::string_view text);

}  // namespace gatehouse::collect

// The commands of the program: `gatehouse COMMAND [arguments]`.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gatehouse::app {

// Exit statuses, as sysexits has them where it has one.
inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;

// The arguments after a command: `--name value` or `--name=value`, and the rest.
class Arguments {
 public:
  // `known`: the options that take a value; `flags`: those that do not. The
  // message of an error names what is not known, and the closest that is.
  static bool parse(std::span<const std::string_view> words,
                    std::span<const std::string_view> known,
                    std::span<const std::string_view> flags, Arguments& out, std::string& error);

  std::string get(std::string_view name, std::string_view fallback = {}) const;
  bool has(std::string_view name) const;
  std::span<const std::string> rest() const { return rest_; }

 private:
  std::vector<std::pair<std::string, std::string>> options_;
  std::vector<std::string> rest_;
};

int alertmanager_command(std::span<const std::string_view> words);
int serve_command(std::span<const std::string_view> words);
int check_command(std::span<const std::string_view> words);
int check_rules_command(std::span<const std::string_view> words);
int config_command(std::span<const std::string_view> words);
int key_command(std::span<const std::string_view> words);
int user_command(std::span<const std::string_view> words);
int login_link_command(std::span<const std::string_view> words);
int audit_command(std::span<const std::string_view> words);
int prices_command(std::span<const std::string_view> words);
int records_command(std::span<const std::string_view> words);
int test_command(std::span<const std::string_view> words);
int test_rules_command(std::span<const std::string_view> words);

}  // namespace gatehouse::app

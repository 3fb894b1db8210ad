// simulate [SEEDS | forever] [FIRST]: lives so many lifetimes of the store of samples, each from a
// seed. A violation names its seed, and `simulate seed N` lives that one again, telling what
// happens.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/log.h"
#include "lifetime.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#include <sanitizer/common_interface_defs.h>
#endif

using namespace gatehouse;

int main(int count, char** arguments) {
  // Failures of the disk are wanted here; what is said of them is not.
  set_log_severity(Severity::kError);
  std::string what = count > 1 ? arguments[1] : "1000";
  uint64_t first = count > 2 ? std::strtoull(arguments[2], nullptr, 10) : 1;
  const bool one = what == "seed";
  const uint64_t seeds = one                 ? 1
                         : what == "forever" ? UINT64_MAX
                                             : std::strtoull(what.c_str(), nullptr, 10);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  __sanitizer_set_report_fd(reinterpret_cast<void*>(static_cast<intptr_t>(::dup(STDERR_FILENO))));
#endif
  if (std::freopen("/dev/null", "w", stderr) == nullptr) return 1;
  simulation::Outcome total;
  uint64_t violations = 0;
  const auto begin = std::chrono::steady_clock::now();
  for (uint64_t n = 0; n < seeds; ++n) {
    const simulation::Outcome outcome = simulation::live(first + n, one);
    total.appended += outcome.appended;
    total.crashes += outcome.crashes;
    total.disk_failures += outcome.disk_failures;
    total.checked += outcome.checked;
    if (!outcome.violation.empty()) {
      ++violations;
      std::printf("seed %llu: %s\n", static_cast<unsigned long long>(first + n),
                  outcome.violation.c_str());
    }
    if (seeds == UINT64_MAX && n % 1000 == 999) {
      std::printf("%llu seeds, %llu violations\n", static_cast<unsigned long long>(n + 1),
                  static_cast<unsigned long long>(violations));
      std::fflush(stdout);
    }
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  std::printf(
      "simulate: %llu seeds, %llu samples, %llu ends, %llu failures of the disk, %llu checks, "
      "%llu violations; %.1f s\n",
      static_cast<unsigned long long>(seeds), static_cast<unsigned long long>(total.appended),
      static_cast<unsigned long long>(total.crashes),
      static_cast<unsigned long long>(total.disk_failures),
      static_cast<unsigned long long>(total.checked), static_cast<unsigned long long>(violations),
      took.count());
  return violations == 0 ? 0 : 1;
}

#include "killed.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace gatehouse::crash {

uint64_t run_and_kill(int64_t after_us, const std::function<void(const Acknowledge&)>& write) {
  int ends[2];
  if (::pipe(ends) != 0) std::abort();
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(ends[0]);
    write([&](uint64_t number) {
      if (::write(ends[1], &number, sizeof number) != sizeof number) std::_Exit(3);
    });
    std::_Exit(4);
  }
  ::close(ends[1]);
  uint64_t last = 0;
  uint64_t number = 0;
  if (::read(ends[0], &number, sizeof number) == sizeof number) {
    last = number;
    // Read on while it writes, so that a full pipe does not hold it up; the clock
    // is looked at between reads.
    ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
    timespec start{};
    ::clock_gettime(CLOCK_MONOTONIC, &start);
    for (timespec now = start;
         (now.tv_sec - start.tv_sec) * 1'000'000 + (now.tv_nsec - start.tv_nsec) / 1000 < after_us;
         ::clock_gettime(CLOCK_MONOTONIC, &now)) {
      if (::read(ends[0], &number, sizeof number) == sizeof number) last = number;
    }
  }
  ::kill(child, SIGKILL);
  int status = 0;
  ::waitpid(child, &status, 0);
  while (::read(ends[0], &number, sizeof number) == sizeof number) last = number;
  ::close(ends[0]);
  if (!WIFSIGNALED(status)) {
    std::fprintf(stderr, "the writer ended by itself with status %d\n", WEXITSTATUS(status));
    std::exit(1);
  }
  return last;
}

}  // namespace gatehouse::crash

// A child process that acknowledges numbers down a pipe until it is killed.
#pragma once

#include <cstdint>
#include <functional>

namespace gatehouse::crash {

// In the child: says that `number` is durable.
using Acknowledge = std::function<void(uint64_t number)>;

// Forks a child that runs `write` until SIGKILL comes, `after_us` after its first
// acknowledgement. Returns the last number it acknowledged, 0 for none; ends the
// program if the child ended by itself.
uint64_t run_and_kill(int64_t after_us, const std::function<void(const Acknowledge&)>& write);

}  // namespace gatehouse::crash

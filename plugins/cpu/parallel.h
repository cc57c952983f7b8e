// Threads of this library: few, asleep when idle, never more than a call asked for.
#pragma once

#include <algorithm>
#include <cstdint>

namespace stc::cpu {

/// Callers ask for any number; memory and sums of this one are small.
constexpr int kMostThreads = 256;

/// Calls task(context, index, lane) for every index in [0, tasks), on at most `threads` threads, and returns when all
/// are done. `lane` in [0, threads) differs between calls that run at the same time, so it can name scratch memory.
/// The calling thread works too. While another caller has the threads, this one works alone: two callers never share
/// more threads than the machine was asked for. Works in a forked child. Tasks must not throw.
void parallel_for(int tasks, int threads, void (*task)(void* context, int index, int lane), void* context);

/// The same for anything callable as task(index, lane).
template <class Task>
void parallel_for(int tasks, int threads, Task&& task) {
  parallel_for(
      tasks, threads, [](void* context, int index, int lane) { (*static_cast<Task*>(context))(index, lane); }, &task);
}

/// How the rows of many masks become tasks: whole masks where there are enough of them, else bands of rows.
struct Share {
  int masks, bands, height;

  Share(int count, int rows, int threads)
      : masks(count),
        bands(count % threads == 0 || count >= 4 * threads ? 1 : std::min(rows, (4 * threads + count - 1) / count)),
        height(rows) {}
  int tasks() const { return masks * bands; }
  int instance(int task) const { return task / bands; }
  int begin(int task) const { return static_cast<int>(int64_t{height} * (task % bands) / bands); }
  int end(int task) const { return static_cast<int>(int64_t{height} * (task % bands + 1) / bands); }
};

}  // namespace stc::cpu

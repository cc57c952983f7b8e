#include <ucontext.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <memory>
#include <vector>

#include "cuda_runtime.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#define STC_SWITCH_START(save, stack, size) __sanitizer_start_switch_fiber(save, stack, size)
#define STC_SWITCH_FINISH(saved, stack, size) __sanitizer_finish_switch_fiber(saved, stack, size)
#else
#define STC_SWITCH_START(save, stack, size)
#define STC_SWITCH_FINISH(saved, stack, size)
#endif

namespace emulation {

enum class State { kReady, kAtBarrier, kAtVote, kEnded };

struct Fiber {
  static constexpr size_t kStack = 128 * 1024;
  ucontext_t context;
  std::unique_ptr<char[]> stack{new char[kStack]};
  dim3 index;
  State state = State::kEnded;
  unsigned lanes = 0, ballots = 0;  // of its vote
  bool vote = false;
  [[maybe_unused]] void* fake_stack = nullptr;
};

dim3 block_index, grid_size, block_size, *thread_index = nullptr;

namespace {

ucontext_t scheduler;
Fiber* current = nullptr;
const std::function<void()>* task = nullptr;
std::unique_ptr<float[]> shared;
[[maybe_unused]] const void* scheduler_stack = nullptr;
[[maybe_unused]] size_t scheduler_size = 0;
[[maybe_unused]] void* scheduler_fake = nullptr;

void leave(State reason) {
  Fiber* const self = current;
  self->state = reason;
  STC_SWITCH_START(reason == State::kEnded ? nullptr : &self->fake_stack, scheduler_stack, scheduler_size);
  swapcontext(&self->context, &scheduler);
  STC_SWITCH_FINISH(self->fake_stack, &scheduler_stack, &scheduler_size);
}

void entry() {
  STC_SWITCH_FINISH(nullptr, &scheduler_stack, &scheduler_size);
  (*task)();
  leave(State::kEnded);
}

void resume(Fiber& fiber) {
  current = &fiber;
  thread_index = &fiber.index;
  STC_SWITCH_START(&scheduler_fake, fiber.stack.get(), Fiber::kStack);
  swapcontext(&scheduler, &fiber.context);
  STC_SWITCH_FINISH(scheduler_fake, nullptr, nullptr);
}

[[gnu::noinline]] void start(Fiber& fiber) {
  getcontext(&fiber.context);
  fiber.context.uc_stack.ss_sp = fiber.stack.get();
  fiber.context.uc_stack.ss_size = Fiber::kStack;
  fiber.context.uc_link = nullptr;
  makecontext(&fiber.context, entry, 0);
}

/// Counts the votes of warps whose lanes have all voted; whether there was one.
bool count_votes(std::vector<Fiber>& fibers) {
  constexpr size_t kWarp = 32;
  bool any = false;
  for (size_t first = 0; first < fibers.size(); first += kWarp) {
    const size_t count = std::min(kWarp, fibers.size() - first);
    unsigned here = 0, ballots = 0, lanes = 0;
    for (size_t i = 0; i < count; ++i) {
      const Fiber& fiber = fibers[first + i];
      if (fiber.state != State::kAtVote) continue;
      here |= 1u << i;
      ballots |= unsigned{fiber.vote} << i;
      lanes |= fiber.lanes;
    }
    if (here == 0 || here != lanes) continue;
    any = true;
    for (size_t i = 0; i < count; ++i) {
      if ((lanes >> i & 1) == 0) continue;
      fibers[first + i].state = State::kReady;
      fibers[first + i].ballots = ballots;
    }
  }
  return any;
}

void run_block(std::vector<Fiber>& fibers) {
  for (size_t i = 0; i < fibers.size(); ++i) {
    Fiber& fiber = fibers[i];
    const unsigned n = static_cast<unsigned>(i);
    fiber.index = dim3(n % block_size.x, n / block_size.x % block_size.y, n / block_size.x / block_size.y);
    fiber.state = State::kReady;
    start(fiber);
  }
  for (size_t ended_before = 0;;) {
    for (Fiber& fiber : fibers) {
      if (fiber.state == State::kReady) resume(fiber);
    }
    if (count_votes(fibers)) continue;
    const auto in = [&](State state) {
      return static_cast<size_t>(
          std::count_if(fibers.begin(), fibers.end(), [=](auto& f) { return f.state == state; }));
    };
    const size_t ended = in(State::kEnded);
    if (ended == fibers.size()) return;
    if (ended != ended_before || in(State::kAtVote) != 0) {
      std::fprintf(stderr, "divergent barrier or vote: %zu of %zu threads ended\n", ended, fibers.size());
      std::abort();
    }
    for (Fiber& fiber : fibers) {
      if (fiber.state == State::kAtBarrier) fiber.state = State::kReady;
    }
  }
}

}  // namespace

void wait_at_barrier() { leave(State::kAtBarrier); }

unsigned ballot(unsigned lanes, bool vote) {
  current->lanes = lanes;
  current->vote = vote;
  Fiber* const self = current;
  leave(State::kAtVote);
  return self->ballots;
}

float* dynamic_shared() { return shared.get(); }

void run(dim3 grid, dim3 block, size_t shared_bytes, const std::function<void()>& body) {
  grid_size = grid;
  block_size = block;
  task = &body;
  const size_t floats = shared_bytes / sizeof(float);
  std::vector<Fiber> fibers(size_t{block.x} * block.y * block.z);
  for (unsigned z = 0; z < grid.z; ++z) {
    for (unsigned y = 0; y < grid.y; ++y) {
      for (unsigned x = 0; x < grid.x; ++x) {
        block_index = dim3(x, y, z);
        shared.reset(new float[floats]);
        std::fill_n(shared.get(), floats, std::numeric_limits<float>::quiet_NaN());
        run_block(fibers);
      }
    }
  }
}

}  // namespace emulation

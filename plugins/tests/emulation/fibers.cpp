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

struct Fiber {
  static constexpr size_t kStack = 128 * 1024;
  ucontext_t context;
  std::unique_ptr<char[]> stack{new char[kStack]};
  dim3 index;
  bool done = true;
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

void leave([[maybe_unused]] bool for_good) {
  Fiber* const self = current;
  STC_SWITCH_START(for_good ? nullptr : &self->fake_stack, scheduler_stack, scheduler_size);
  swapcontext(&self->context, &scheduler);
  STC_SWITCH_FINISH(self->fake_stack, &scheduler_stack, &scheduler_size);
}

void entry() {
  STC_SWITCH_FINISH(nullptr, &scheduler_stack, &scheduler_size);
  (*task)();
  current->done = true;
  leave(true);
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

void run_block(std::vector<Fiber>& fibers) {
  for (size_t i = 0; i < fibers.size(); ++i) {
    Fiber& fiber = fibers[i];
    const unsigned n = static_cast<unsigned>(i);
    fiber.index = dim3(n % block_size.x, n / block_size.x % block_size.y, n / block_size.x / block_size.y);
    fiber.done = false;
    start(fiber);
  }
  for (size_t alive = fibers.size(); alive > 0;) {
    size_t ended = 0;
    for (Fiber& fiber : fibers) {
      resume(fiber);
      ended += fiber.done;
    }
    if (ended != 0 && ended != alive) {
      std::fprintf(stderr, "divergent barrier: %zu of %zu threads ended\n", ended, alive);
      std::abort();
    }
    alive -= ended;
  }
}

}  // namespace

void wait_at_barrier() { leave(false); }

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

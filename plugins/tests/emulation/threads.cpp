#include <barrier>
#include <cstdlib>
#include <limits>
#include <memory>
#include <thread>
#include <vector>

#include "cuda_runtime.h"

namespace emulation {

thread_local dim3 thread_index;
dim3 block_index, grid_size, block_size;

namespace {

std::unique_ptr<std::barrier<>> barrier;
std::unique_ptr<float[]> shared;

}  // namespace

void wait_at_barrier() {
  // A test drops the barriers and expects the sanitizer to notice.
  static const bool dropped = std::getenv("STC_DROP_BARRIERS");
  if (!dropped) barrier->arrive_and_wait();
}

float* dynamic_shared() { return shared.get(); }

void run(dim3 grid, dim3 block, size_t shared_bytes, const std::function<void()>& body) {
  grid_size = grid;
  block_size = block;
  const unsigned count = block.x * block.y * block.z;
  const size_t floats = shared_bytes / sizeof(float);
  for (unsigned z = 0; z < grid.z; ++z) {
    for (unsigned y = 0; y < grid.y; ++y) {
      for (unsigned x = 0; x < grid.x; ++x) {
        block_index = dim3(x, y, z);
        barrier = std::make_unique<std::barrier<>>(count);
        shared.reset(new float[floats]);
        std::fill_n(shared.get(), floats, std::numeric_limits<float>::quiet_NaN());
        std::vector<std::thread> threads;
        for (unsigned i = 0; i < count; ++i) {
          threads.emplace_back([&, i] {
            thread_index = dim3(i % block.x, i / block.x % block.y, i / block.x / block.y);
            body();
          });
        }
        for (std::thread& thread : threads) thread.join();
      }
    }
  }
}

}  // namespace emulation

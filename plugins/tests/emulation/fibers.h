// The threads of a block as fibers: one goes on until it waits at a barrier or ends, then the next.
#pragma once

namespace emulation {

struct Fiber;
extern dim3 block_index, grid_size, block_size, *thread_index;
void wait_at_barrier();

}  // namespace emulation

#define threadIdx (*::emulation::thread_index)
#define blockIdx (::emulation::block_index)
#define blockDim (::emulation::block_size)
#define gridDim (::emulation::grid_size)

inline void __syncthreads() { ::emulation::wait_at_barrier(); }

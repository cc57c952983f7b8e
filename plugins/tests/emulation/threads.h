// The threads of a block as threads of the machine, so that ThreadSanitizer sees a barrier that is missing.
#pragma once

namespace emulation {

extern thread_local dim3 thread_index;
extern dim3 block_index, grid_size, block_size;
void wait_at_barrier();

}  // namespace emulation

#define threadIdx (::emulation::thread_index)
#define blockIdx (::emulation::block_index)
#define blockDim (::emulation::block_size)
#define gridDim (::emulation::grid_size)

inline void __syncthreads() { ::emulation::wait_at_barrier(); }

// The threads of a block as fibers: one goes on until it waits at a barrier, votes or ends, then the next.
#pragma once

namespace emulation {

struct Fiber;
extern dim3 block_index, grid_size, block_size, *thread_index;
void wait_at_barrier();
unsigned ballot(unsigned lanes, bool vote);

}  // namespace emulation

#define threadIdx (*::emulation::thread_index)
#define blockIdx (::emulation::block_index)
#define blockDim (::emulation::block_size)
#define gridDim (::emulation::grid_size)

inline unsigned __ballot_sync(unsigned lanes, bool vote) { return ::emulation::ballot(lanes, vote); }
inline void __syncthreads() { ::emulation::wait_at_barrier(); }

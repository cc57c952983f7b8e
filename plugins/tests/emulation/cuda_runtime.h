// CUDA's C++ as far as our kernels use it, on the host: this folder stands first on the include path, and kernels
// compile as they are. Blocks run one after another. A block's threads are fibers (fibers.h: quick, and what a
// sanitizer of memory sees is the kernel's own) or real threads (threads.h, with -DSTC_EMULATE_THREADS: a race is a
// race).
//
// What this cannot show: a GPU's rounding and memory model, warps beyond their votes, speed.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <tuple>
#include <utility>

#define CUDART_VERSION 0
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

using cudaStream_t = struct CUstream_st*;
enum cudaError_t { cudaSuccess = 0, cudaErrorInvalidValue = 1 };
inline const char* cudaGetErrorString(cudaError_t error) {
  return error == cudaSuccess ? "no error" : "invalid argument";
}

using std::max;
using std::min;

inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __clz(int x) { return x ? __builtin_clz(static_cast<unsigned>(x)) : 32; }
inline int __ffs(int x) { return __builtin_ffs(x); }

namespace emulation {

/// A block's dynamic shared memory, exactly as large as the launch asked for, filled with NaN.
float* dynamic_shared();

/// Runs body() for every thread of every block. Ends the process where a thread leaves a block whose others wait at a
/// barrier: on a GPU that is undefined.
void run(dim3 grid, dim3 block, size_t shared_bytes, const std::function<void()>& body);

template <class... Parameters, size_t... Index>
void launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, void** arguments, size_t shared,
            std::index_sequence<Index...>) {
  run(grid, block, shared, [&] { kernel(*static_cast<std::decay_t<Parameters>*>(arguments[Index])...); });
}

/// Takes launches in the place of the host: the kernel, (x, y, z) of the grid, threads, bytes of shared memory.
using Recorder = void (*)(const void* kernel, const unsigned* grid, unsigned threads, unsigned shared,
                          void** arguments);
inline Recorder recorder = nullptr;

}  // namespace emulation

template <class... Parameters>
cudaError_t cudaLaunchKernel(void (*kernel)(Parameters...), dim3 grid, dim3 block, void** arguments, size_t shared,
                             cudaStream_t) {
  if (emulation::recorder) {
    const unsigned blocks[] = {grid.x, grid.y, grid.z};
    emulation::recorder(reinterpret_cast<const void*>(kernel), blocks, block.x, static_cast<unsigned>(shared),
                        arguments);
    return cudaSuccess;
  }
  emulation::launch(kernel, grid, block, arguments, shared, std::index_sequence_for<Parameters...>{});
  return cudaSuccess;
}

#if defined(STC_EMULATE_THREADS)
#include "threads.h"
#else
#include "fibers.h"
#endif

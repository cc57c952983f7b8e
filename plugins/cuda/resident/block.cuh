// What the threads of a block find out together.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace stc::cuda {

constexpr int kObjectThreads = 256;  ///< of the blocks of this folder that work on objects

/// The sum of this thread's value and of those before it. `shared`: Type[kObjectThreads], which holds all of these sums
/// until the next barrier.
template <class Type>
__device__ __forceinline__ Type running_sum(Type value, Type* shared) {
  const int thread = static_cast<int>(threadIdx.x);
  __syncthreads();
  shared[thread] = value;
  for (int step = 1; step < kObjectThreads; step *= 2) {
    __syncthreads();
    const Type before = thread >= step ? shared[thread - step] : Type{0};
    __syncthreads();
    shared[thread] += before;
  }
  __syncthreads();
  return shared[thread];
}

/// The greatest of the block's values[i], for each i and every thread. `shared`: int32_t[N * kObjectThreads].
template <int N>
__device__ __forceinline__ void greatest(int32_t (&values)[N], int32_t* shared) {
  const int thread = static_cast<int>(threadIdx.x);
  __syncthreads();
  for (int i = 0; i < N; ++i) shared[i * kObjectThreads + thread] = values[i];
  for (int step = kObjectThreads / 2; step > 0; step /= 2) {
    __syncthreads();
    if (thread < step) {
      for (int i = 0; i < N; ++i) {
        int32_t* const own = shared + i * kObjectThreads + thread;
        *own = max(*own, own[step]);
      }
    }
  }
  __syncthreads();
  for (int i = 0; i < N; ++i) values[i] = shared[i * kObjectThreads];
}

}  // namespace stc::cuda

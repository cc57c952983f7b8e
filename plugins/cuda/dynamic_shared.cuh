// A block's dynamic shared memory.
#pragma once

#include <cuda_runtime.h>

#if defined(__CUDACC__)
#define STC_DYNAMIC_SHARED(name) extern __shared__ __align__(16) float name[]
#else
#define STC_DYNAMIC_SHARED(name) float* const name = emulation::dynamic_shared()
#endif

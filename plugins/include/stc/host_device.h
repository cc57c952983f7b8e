// One source for nvcc and for C++ compilers.
#pragma once

#if defined(__CUDACC__)
#define STC_HD __host__ __device__ __forceinline__
#elif defined(_MSC_VER)
#define STC_HD __forceinline
#else
// Never emitted out of line: the CPU library compiles these headers once per instruction set.
#define STC_HD inline __attribute__((always_inline))
#endif

#if defined(__CUDA_ARCH__) || defined(__clang__)
#define STC_UNROLL _Pragma("unroll")
#elif defined(__CUDACC__)
#define STC_UNROLL  // nvcc's pass for the host, which runs none of these loops and knows neither pragma
#elif defined(__GNUC__)
#define STC_UNROLL _Pragma("GCC unroll 32")
#else
#define STC_UNROLL
#endif

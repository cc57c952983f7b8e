// What the host wants to know of a frame's objects, in one block of memory.
#pragma once

#include <cuda_runtime.h>

#include "objects.cuh"

namespace stc::cuda {

constexpr int kPackBlocks = 64;
constexpr int kPackAlignment = 16;  ///< bytes
constexpr int kHeader = 4;          ///< int64: objects, words, bytes of the whole, 0

struct Parts {
  stc_part part[STC_MOST_PARTS];
  int32_t count;
};

__device__ __forceinline__ int64_t next_part(int64_t byte) {
  return (byte + kPackAlignment - 1) / kPackAlignment * kPackAlignment;
}

/// Grid (kPackBlocks): all threads share out every part.
__global__ void __launch_bounds__(kObjectThreads) pack_kernel(Parts parts, stc_rows objects, const int64_t* offsets,
                                                              const uint32_t* words, uint8_t* block, int64_t capacity) {
  const int count = count_of(objects);
  const int64_t thread = int64_t{blockIdx.x} * kObjectThreads + threadIdx.x,
                step = int64_t{kPackBlocks} * kObjectThreads;
  const auto put = [&](int64_t byte, uint32_t value) {
    if (byte + static_cast<int64_t>(sizeof value) <= capacity) *reinterpret_cast<uint32_t*>(block + byte) = value;
  };
  int64_t begin = next_part(kHeader * sizeof(int64_t));
  STC_UNROLL
  for (int p = 0; p < STC_MOST_PARTS; ++p) {
    if (p >= parts.count) break;
    const stc_part part = parts.part[p];
    const int row_words = part.row_bytes / static_cast<int>(sizeof(uint32_t));
    const int64_t size = int64_t{count} * row_words;
    for (int64_t i = thread; i < size; i += step) {
      const int64_t object = i / row_words, word = i % row_words;
      const int64_t row = part.gathered && objects.rows ? objects.rows[object] : object;
      put(begin + 4 * i, static_cast<const uint32_t*>(part.table)[row * row_words + word]);
    }
    begin = next_part(begin + 4 * size);
  }
  const int64_t bits = words ? offsets[objects.most] : 0;
  // What the block has no room for may have had none among the words either: it is not read.
  const int64_t readable = min(bits, max(int64_t{0}, capacity - begin) / int64_t{sizeof(uint32_t)});
  for (int64_t i = thread; i < readable; i += step) put(begin + 4 * i, words[i]);
  if (thread == 0) {
    const int64_t header[kHeader] = {count, bits, begin + 4 * bits, 0};
    STC_UNROLL
    for (int i = 0; i < kHeader; ++i) {
      put(8 * i, static_cast<uint32_t>(header[i]));
      put(8 * i + 4, static_cast<uint32_t>(header[i] >> 32));
    }
  }
}

}  // namespace stc::cuda

// Which objects there are, and where their boxes' words lie.
#pragma once

#include <cuda_runtime.h>

#include "../dynamic_shared.cuh"
#include "../stc_cuda.h"
#include "block.cuh"

namespace stc::cuda {

constexpr int kWordBits = 32;

/// A box in frame pixels, x1 and y1 exclusive, and its rows of words.
struct BitBox {
  int x0, y0, x1, y1;

  __device__ explicit BitBox(const int32_t* box) : x0(box[0]), y0(box[1]), x1(box[2]), y1(box[3]) {}
  __device__ bool empty() const { return x0 >= x1 || y0 >= y1; }
  __device__ int first_word() const { return x0 / kWordBits; }
  __device__ int words() const { return (x1 + kWordBits - 1) / kWordBits - first_word(); }
};

/// How many objects there are.
__device__ __forceinline__ int count_of(const stc_rows& objects) { return max(0, min(*objects.count, objects.most)); }

/// The row of object `i` in the model's outputs; -1 where there is no such object, or none of `limit` rows is its.
__device__ __forceinline__ int row_of(const stc_rows& objects, int i, int limit) {
  if (i >= count_of(objects)) return -1;
  const int row = objects.rows ? objects.rows[i] : i;
  return row < limit ? row : -1;
}

/// One block. Shared: int32_t[kObjectThreads].
__global__ void __launch_bounds__(kObjectThreads) select_kernel(stc_selection selection, int32_t* rows, int32_t* kept) {
  STC_DYNAMIC_SHARED(shared);
  int32_t* const sums = reinterpret_cast<int32_t*>(shared);
  const int thread = static_cast<int>(threadIdx.x);
  const int count = max(0, min(*selection.count, selection.most));
  int found = 0;
  for (int start = 0; start < count; start += kObjectThreads) {
    const int row = start + thread;
    int32_t keep = 0;
    if (row < count) {
      const float score = selection.scores[row];
      const int label = selection.labels[row];
      const bool known = label >= 0 && label < selection.classes;
      // NaN is neither; infinity less itself is NaN.
      keep = score >= selection.threshold && score - score == 0.0f && (!known || selection.wanted[label] != 0);
    }
    const int32_t place = running_sum(keep, sums);
    if (keep) rows[found + place - 1] = row;
    found += sums[kObjectThreads - 1];
  }
  for (int i = found + thread; i < selection.most; i += kObjectThreads) rows[i] = -1;
  if (thread == 0) *kept = found;
}

/// One block. Shared: int64_t[kObjectThreads].
__global__ void __launch_bounds__(kObjectThreads)
    box_offsets_kernel(const int32_t* boxes, int32_t most, int64_t* offsets) {
  STC_DYNAMIC_SHARED(shared);
  int64_t* const sums = reinterpret_cast<int64_t*>(shared);
  const int thread = static_cast<int>(threadIdx.x);
  int64_t before = 0;
  if (thread == 0) offsets[0] = 0;
  for (int start = 0; start < most; start += kObjectThreads) {
    const int i = start + thread;
    int64_t words = 0;
    if (i < most) {
      const BitBox box(boxes + int64_t{4} * i);
      if (!box.empty()) words = int64_t{box.words()} * (box.y1 - box.y0);
    }
    const int64_t sum = running_sum(words, sums);
    if (i < most) offsets[i + 1] = before + sum;
    before += sums[kObjectThreads - 1];
  }
}

}  // namespace stc::cuda

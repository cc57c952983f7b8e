// The part of the frame that a mask can reach: what reads a cell above the threshold. Elsewhere every pixel lies
// between cells that are not, and rounding does not lift it.
#pragma once

#include <cuda_runtime.h>

#include "../cells.cuh"
#include "../dynamic_shared.cuh"
#include "block.cuh"
#include "objects.cuh"
#include "stc/frame_mask.h"

namespace stc::cuda {

/// The first pixel of an axis that reads cell `cell` or one after it with its second cell (`Second`), or that reads
/// only cells from `cell` on.
template <bool Second>
__device__ __forceinline__ int first_pixel(const FrameAxis& axis, int cell) {
  int low = 0, high = axis.size;
  while (low < high) {
    const int middle = (low + high) / 2;
    if ((Second ? second_cell(axis, middle) : axis.cells[middle]) < cell) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

/// boxes (most, 4). Grid (most). Shared: int32_t[4 * kObjectThreads].
template <class Type>
__global__ void __launch_bounds__(kObjectThreads) mask_boxes_kernel(FrameMasks op, stc_rows objects, int32_t* boxes) {
  STC_DYNAMIC_SHARED(shared);
  int32_t* const memory = reinterpret_cast<int32_t*>(shared);
  const int object = static_cast<int>(blockIdx.x), thread = static_cast<int>(threadIdx.x);
  const int row = row_of(objects, object, op.instances), cells = op.rows * op.cols;
  constexpr int kNone = INT32_MIN;
  int32_t reach[4] = {kNone, kNone, kNone, kNone};  // of cells: -left, -top, right, bottom
  if (row >= 0) {
    constexpr int kCells = 4;
    const Type* const plane = static_cast<const Type*>(op.probabilities) + int64_t{row} * cells;
    const bool packed = packable<kCells>(plane, cells);
    for (int start = kCells * thread; start < cells; start += kCells * kObjectThreads) {
      const Cells<kCells> found = load<kCells>(plane + start, cells - start, packed);
      STC_UNROLL
      for (int i = 0; i < kCells; ++i) {
        if (!(found.v[i] > kMaskThreshold)) continue;
        const int y = (start + i) / op.cols, x = start + i - y * op.cols;
        reach[0] = max(reach[0], -x);
        reach[1] = max(reach[1], -y);
        reach[2] = max(reach[2], x);
        reach[3] = max(reach[3], y);
      }
    }
  }
  greatest(reach, memory);
  int32_t side = 0;
  if (reach[2] != kNone && thread < 4) {
    const bool across = thread % 2 == 0;
    const FrameAxis axis{across ? op.x.cells : op.y.cells, across ? op.x.shares : op.y.shares,
                         across ? op.x.size : op.y.size};
    const int cell = across ? (thread < 2 ? -reach[0] : reach[2]) : (thread < 2 ? -reach[1] : reach[3]);
    side = thread < 2 ? first_pixel<true>(axis, cell) : first_pixel<false>(axis, cell + 1);
  }
  __syncthreads();  // all have read what was greatest
  if (thread < 4) memory[thread] = side;
  __syncthreads();
  if (thread < 4) {
    const bool some = memory[0] < memory[2] && memory[1] < memory[3];  // not only cells of the letterbox's border
    boxes[int64_t{4} * object + thread] = some ? side : 0;
  }
}

}  // namespace stc::cuda

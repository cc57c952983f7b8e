// Masks at the frame's size as bits, inside of boxes. A warp makes 32 x 32 pixels: a lane has one column, whose cells
// it reads again only where a row reads others, and a ballot makes a word of each row. A block's words wait in shared
// memory, so that they go out as neighbours.
#pragma once

#include <cuda_runtime.h>

#include "../cells.cuh"
#include "../dynamic_shared.cuh"
#include "block.cuh"
#include "objects.cuh"
#include "stc/frame_mask.h"

namespace stc::cuda {

constexpr int kBitRows = 32;                           ///< of a block: one for each lane of a warp
constexpr int kBitWords = kObjectThreads / kWordBits;  ///< of a block at once: one for each warp
constexpr unsigned kWholeWarp = 0xffffffffu;

/// How rows of a band read cells, and the words that are ready, (kBitRows, kBitWords).
struct BitBand {
  int32_t upper[kBitRows], lower[kBitRows];
  float share[kBitRows];
  uint32_t words[kBitRows * kBitWords];
};

/// The word of this warp's columns for each of `rows` rows; row r's is the result of lane r.
template <class Type>
__device__ __forceinline__ uint32_t warp_words(const FrameMasks& op, const Type* cells, const BitBand& band, int rows,
                                               int x, bool inside) {
  const int lane = static_cast<int>(threadIdx.x) % kWordBits, column = min(x, op.x.size - 1);
  const int first = op.x.cells[column], second = second_cell(op.x, column);
  const float share = op.x.shares[column];
  const auto along = [&](int row) {
    const Type* const from = cells + int64_t{row} * op.cols;
    const float low = widen(from[first]);
    return climb(low, share, subtract(widen(from[second]), low));
  };
  uint32_t own = 0;
  int upper = -1, lower = -1;
  float top = 0, bottom = 0;
  for (int row = 0; row < rows; ++row) {
    if (band.upper[row] != upper) {
      top = band.upper[row] == lower ? bottom : along(band.upper[row]);
      upper = band.upper[row];
    }
    if (band.lower[row] != lower) {
      lower = band.lower[row];
      bottom = lower == upper ? top : along(lower);
    }
    const bool set = inside && climb(top, band.share[row], subtract(bottom, top)) > kMaskThreshold;
    const uint32_t word = __ballot_sync(kWholeWarp, set);
    if (lane == row) own = word;
  }
  return own;
}

/// Grid (ceil(H / kBitRows), most). Shared: a BitBand.
template <class Type>
__global__ void __launch_bounds__(kObjectThreads)
    box_bits_kernel(FrameMasks op, stc_rows objects, const int32_t* boxes, const int64_t* offsets, uint32_t* words,
                    int64_t room) {
  STC_DYNAMIC_SHARED(shared);
  BitBand& band = *reinterpret_cast<BitBand*>(shared);
  const int object = static_cast<int>(blockIdx.y), thread = static_cast<int>(threadIdx.x);
  const BitBox box(boxes + int64_t{4} * object);
  const int y0 = box.y0 + static_cast<int>(blockIdx.x) * kBitRows, row = row_of(objects, object, op.instances);
  if (box.empty() || y0 >= box.y1 || row < 0 || offsets[object + 1] > room) return;
  const int rows = min(kBitRows, box.y1 - y0), pitch = box.words();
  uint32_t* const target = words + offsets[object] + int64_t{y0 - box.y0} * pitch;
  const Type* const cells = static_cast<const Type*>(op.probabilities) + int64_t{row} * op.rows * op.cols;
  if (thread < rows) {
    band.upper[thread] = op.y.cells[y0 + thread];
    band.lower[thread] = second_cell(op.y, y0 + thread);
    band.share[thread] = op.y.shares[y0 + thread];
  }
  for (int start = 0; start < pitch; start += kBitWords) {
    const int warp = thread / kWordBits, lane = thread % kWordBits;
    __syncthreads();  // the rows are there, and the words before have gone
    if (start + warp < pitch) {
      const int x = (box.first_word() + start + warp) * kWordBits + lane;
      const uint32_t own = warp_words(op, cells, band, rows, x, x >= box.x0 && x < box.x1);
      if (lane < rows) band.words[lane * kBitWords + warp] = own;
    }
    __syncthreads();
    const int line = thread / kBitWords, word = start + thread % kBitWords;
    if (line < rows && word < pitch) target[int64_t{line} * pitch + word] = band.words[thread];
  }
}

}  // namespace stc::cuda

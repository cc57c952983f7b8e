// Masks of n objects at the size of the frame: a thread makes 32 pixels of one row, as one word of bits. Neighbouring
// pixels read the same cells, so cells are read again only where they change.
#pragma once

#include <cuda_runtime.h>

#include "cells.cuh"
#include "stc/frame_mask.h"

namespace stc::cuda {

constexpr int kWord = 32;

/// The pixels of row `y` from column `x` on as bits, the first the lowest; bits beyond the frame are 0.
template <class Type>
__device__ __forceinline__ uint32_t pixel_bits(const FrameMasks& op, int instance, int y, int x) {
  const int64_t plane = int64_t{op.rows} * op.cols;
  const Type* cells = static_cast<const Type*>(op.probabilities) + instance * plane;
  const Type* upper = cells + int64_t{op.y.cells[y]} * op.cols;
  const Type* lower = cells + int64_t{second_cell(op.y, y)} * op.cols;
  const float down = op.y.shares[y];
  const int count = min(kWord, op.x.size - x);
  uint32_t bits = 0;
  int held = -1, held_second = -1;
  float top = 0, top_rise = 0, bottom = 0, bottom_rise = 0;
  for (int i = 0; i < count; ++i) {
    const int first = op.x.cells[x + i], second = second_cell(op.x, x + i);
    if (first != held || second != held_second) {
      top = widen(upper[first]);
      top_rise = subtract(widen(upper[second]), top);
      bottom = widen(lower[first]);
      bottom_rise = subtract(widen(lower[second]), bottom);
      held = first;
      held_second = second;
    }
    const float a = climb(top, op.x.shares[x + i], top_rise), b = climb(bottom, op.x.shares[x + i], bottom_rise);
    if (climb(a, down, subtract(b, a)) > kMaskThreshold) bits |= 1u << i;
  }
  return bits;
}

/// Bit i of a nibble becomes byte i.
STC_HD uint32_t spread(uint32_t nibble) { return (nibble * 0x00204081u) & 0x01010101u; }

/// Words (instances, H, ceil(W / 32)), or with `Dense` pixels (instances, H, W), 0 or 1. Grid (…, instances).
template <bool Dense, class Type>
__global__ void __launch_bounds__(256) frame_masks_kernel(FrameMasks op, void* out) {
  const int height = op.y.size, width = op.x.size, words = (width + kWord - 1) / kWord;
  const int64_t index = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (index >= int64_t{words} * height) return;
  const int y = static_cast<int>(index / words), word = static_cast<int>(index % words);
  const int instance = static_cast<int>(blockIdx.y);
  const uint32_t bits = pixel_bits<Type>(op, instance, y, word * kWord);
  const int64_t row = int64_t{instance} * height + y;
  if (!Dense) {
    static_cast<uint32_t*>(out)[row * words + word] = bits;
    return;
  }
  uint8_t* pixels = static_cast<uint8_t*>(out) + row * width + word * kWord;
  if (width % kWord == 0 && reinterpret_cast<uintptr_t>(out) % sizeof(Packed<uint32_t, 4>) == 0) {
    STC_UNROLL
    for (int half = 0; half < 2; ++half) {
      Packed<uint32_t, 4> pack;
      STC_UNROLL
      for (int i = 0; i < 4; ++i) pack.v[i] = spread(bits >> (16 * half + 4 * i) & 0xf);
      reinterpret_cast<Packed<uint32_t, 4>*>(pixels)[half] = pack;
    }
  } else {
    for (int i = 0; i < min(kWord, width - word * kWord); ++i) pixels[i] = bits >> i & 1;
  }
}

}  // namespace stc::cuda

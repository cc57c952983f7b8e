// The dynamic mask head of one instance and a band of rows, by one block: network, upsampling and sigmoid in one pass.
//
// A band of whole rows is one contiguous piece of every feature plane and of the output, so reads and writes are
// vectors without a halo along x. Its logits, and those of the neighbouring rows that the upsampling reads, wait in
// shared memory; features are read once per instance (from L2, where they fit), outputs are written once.
#pragma once

#include <cuda_runtime.h>

#include "cells.cuh"
#include "dynamic_shared.cuh"
#include "stc/aligned_bilinear.h"
#include "stc/dynamic_mask_head.h"

namespace stc::cuda {

constexpr int kThreads = 128;
constexpr int kBand = 8;         ///< rows of cells whose outputs one block writes
constexpr int kParamRoom = 256;  ///< floats of shared memory before the logits; the embedded kernel's are baked in

/// Shared memory of one block, in floats: the network, then the band's logits with a row above and one below.
STC_HD constexpr int64_t shared_floats(int64_t params, int64_t width) {
  return (params <= kParamRoom ? kParamRoom : (params + 3) / 4 * 4) + (kBand + 2) * width;
}

/// N outputs of a row that lies `share` of the way from row `upper` to row `lower`, upsampled by 2 from `cell` on:
/// every even one half-way from the cell before to its cell, every odd one on its cell.
template <int N>
__device__ __forceinline__ Cells<N> doubled(const float* upper, const float* lower, float share, int cell) {
  Cells<N> result;
  const int before = max(cell - 1, 0);
  float last = between(upper[before], lower[before], share);
  STC_UNROLL
  for (int i = 0; i < N / 2; ++i) {
    const float own = between(upper[cell + i], lower[cell + i], share);
    result.v[2 * i] = sigmoid(between(last, own, 0.5f));
    result.v[2 * i + 1] = sigmoid(own);
    last = own;
  }
  return result;
}

/// Writes the masks of instance blockIdx.y of image blockIdx.z for cell rows from kBand * blockIdx.x on. `Upsample` 0
/// takes the op's. `shared` is float[shared_floats(...)].
template <int Channels, int Layers, int Upsample, class Type>
__device__ __forceinline__ void mask_head_band(const DynamicMaskHead& op, float* shared) {
  using Net = Layout<Channels, Layers>;
  constexpr int kCells = Channels <= 8 ? 2 : 1;  // per thread and turn: what registers hold without spilling
  constexpr int kOutputs = 16 / sizeof(Type);    // one vector of the machine
  const int height = op.height, width = op.width, thread = threadIdx.x;
  const int upsample = Upsample > 0 ? Upsample : op.upsample;
  const int first = static_cast<int>(blockIdx.x) * kBand, last = min(first + kBand, height);
  const int image = blockIdx.z;
  const int64_t instance = int64_t{image} * op.instances + blockIdx.y;

  const int64_t out_width = int64_t{width} * upsample;
  Type* const masks = static_cast<Type*>(op.masks) + (instance * height + first) * upsample * out_width;
  const int outputs = static_cast<int>((last - first) * upsample * out_width);
  const bool pack_outputs = packable<kOutputs>(masks, out_width);
  if (static_cast<int>(blockIdx.y) >= op.count[image]) {
    for (int o = thread * kOutputs; o < outputs; o += kThreads * kOutputs) {
      store(Cells<kOutputs>(0.0f), masks + o, outputs - o, pack_outputs);
    }
    return;
  }

  float* const network = shared;
  float* const logits = shared + shared_floats(Net::kParams, 0);
  const Type* params = static_cast<const Type*>(op.params) + instance * Net::kParams;
  for (int i = thread; i < Net::kParams; i += kThreads) {
    network[i] = grid_parameter<Channels, Layers>(params, i, op.locations + 2 * instance, op.sizes[instance]);
  }
  __syncthreads();

  // Upsampling reads the row above, and for factors over 2 the one below.
  const int top = upsample > 1 ? max(first - 1, 0) : first;
  const int bottom = upsample > 2 ? min(last + 1, height) : last;
  const int cells = (bottom - top) * width;
  const int64_t plane = int64_t{height} * width;
  const Type* feats = static_cast<const Type*>(op.mask_feats) + image * Channels * plane + int64_t{top} * width;
  const bool pack_cells = packable<kCells>(static_cast<const Type*>(op.mask_feats), width);
  for (int cell = thread * kCells; cell < cells; cell += kThreads * kCells) {
    // Otherwise the compiler reads all weights before the loop, and spills what does not fit the registers.
    asm volatile("" ::: "memory");
    const int count = min(kCells, cells - cell);
    Cells<kCells> features[Channels], x, y, start[Net::kFirstOutputs];
    STC_UNROLL
    for (int c = 0; c < Channels; ++c) features[c] = load<kCells>(feats + c * plane + cell, count, pack_cells);
    STC_UNROLL
    for (int i = 0; i < kCells; ++i) {
      const int row = (cell + i) / width;
      x.v[i] = grid_coordinate(cell + i - row * width, op.stride);
      y.v[i] = grid_coordinate(top + row, op.stride);
    }
    row_start<Channels, Layers>(network, y, start);
    store(cell_logit<Channels, Layers>(network, start, x, features), logits + cell, count, pack_cells);
  }
  __syncthreads();

  for (int o = thread * kOutputs; o < outputs; o += kThreads * kOutputs) {
    Cells<kOutputs> probabilities(0.0f);
    int row = o / static_cast<int>(out_width), column = o - row * static_cast<int>(out_width);
    if (Upsample == 2 && pack_outputs) {
      const Tap down = aligned_tap(first * upsample + row, upsample, height);
      probabilities = doubled<kOutputs>(logits + (down.low - top) * width, logits + (down.high - top) * width,
                                        down.share, column / 2);
    } else {
      STC_UNROLL
      for (int i = 0; i < kOutputs; ++i) {
        if (row >= (last - first) * upsample) break;
        const Tap down = aligned_tap(first * upsample + row, upsample, height);
        const Tap across = aligned_tap(column, upsample, width);
        const float* upper = logits + (down.low - top) * width;
        const float* lower = logits + (down.high - top) * width;
        const float left = between(upper[across.low], lower[across.low], down.share);
        const float right = between(upper[across.high], lower[across.high], down.share);
        probabilities.v[i] = sigmoid(between(left, right, across.share));
        if (++column == out_width) column = 0, ++row;
      }
    }
    store(probabilities, masks + o, outputs - o, pack_outputs);
  }
}

template <int Channels, int Layers, int Upsample, class Type>
__global__ void __launch_bounds__(kThreads, Channels <= 8 ? 4 : 2) mask_head_kernel(DynamicMaskHead op) {
  STC_DYNAMIC_SHARED(shared);
  mask_head_band<Channels, Layers, Upsample, Type>(op, shared);
}

}  // namespace stc::cuda

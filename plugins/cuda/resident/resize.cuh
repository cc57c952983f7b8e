// A frame resized rows first into a picture of a model's input, as the CPU library does it: the same integers, so the
// same bytes. A block makes a tile of the target: it copies the tile's part of the axes into shared memory, blends the
// source rows that the tile needs, each read once, into shared memory in 2^-7 of a level, and then along x; whole words
// go out.
#pragma once

#include <cuda_runtime.h>

#include "../cells.cuh"
#include "../dynamic_shared.cuh"
#include "../stc_cuda.h"
#include "tile.cuh"

namespace stc::cuda {

constexpr int kPixelRows = 4;  ///< of the target, that a thread makes along x
static_assert(kMostColumns * kTileRows == kResizeThreads * kPixelRows, "a thread for every pixel");
constexpr int kChannels = 3;
constexpr int kBetween = 7;      ///< bits below a level between the passes
constexpr int kLevelBits = 5;    ///< of a level while colours are mixed
constexpr int kColourBits = 13;  ///< of a colour's coefficient

/// The kVector bytes at `from`, wherever: the aligned words that they lie in, shifted together.
__device__ __forceinline__ Packed<uint8_t, kVector> shifted(const uint8_t* from, int off) {
  static_assert(kVector == sizeof(uint64_t), "a word");
  const auto* words = reinterpret_cast<const uint64_t*>(from - off);
  // Of the second word in two steps: a shift by 64 is none.
  const uint64_t whole = words[0] >> 8 * off | words[1] << 1 << (63 - 8 * off);
  Packed<uint8_t, kVector> bytes;
  STC_UNROLL
  for (int i = 0; i < kVector; ++i) bytes.v[i] = static_cast<uint8_t>(whole >> 8 * i);
  return bytes;
}

/// Every thread blends its bytes of all rows.
__device__ __forceinline__ void blend_rows(const Surface& s, const Staged& staged, const Span& span) {
  const bool packed = packable<kVector>(s.data, s.row);
  const int shift = s.y.bits - kBetween;
  for (int at = span.begin + static_cast<int>(threadIdx.x) * kVector; at < span.end; at += kResizeThreads * kVector) {
    const int count = min(kVector, span.end - at);
    int32_t sums[kTileRows][kVector];
    STC_UNROLL
    for (int r = 0; r < kTileRows; ++r) {
      STC_UNROLL
      for (int i = 0; i < kVector; ++i) sums[r][i] = 1 << shift >> 1;
    }
    for (int row = 0; row < span.rows; ++row) {
      // Two weights in a word: a source row counts in few target rows, and the others cost half a question each.
      const auto pairs = reinterpret_cast<const Packed<uint32_t, kTileRows / 2>*>(staged.down)[row];
      uint32_t any = 0;
      STC_UNROLL
      for (int p = 0; p < kTileRows / 2; ++p) any |= pairs.v[p];
      if (any == 0) continue;
      // A row that counts exists; only then may it be read.
      const uint8_t* from = s.data + (span.first_row + row) * s.row + at;
      Packed<uint8_t, kVector> bytes{};
      const int off = packed ? 0 : static_cast<int>(reinterpret_cast<uintptr_t>(from) % kVector);
      if (packed && count == kVector) {
        bytes = *reinterpret_cast<const Packed<uint8_t, kVector>*>(from);
      } else if (!packed && at >= off && at - off + 2 * kVector <= s.bytes) {  // both words are in the row
        bytes = shifted(from, off);
      } else {
        STC_UNROLL
        for (int i = 0; i < kVector; ++i) {
          if (i < count) bytes.v[i] = from[i];
        }
      }
      STC_UNROLL
      for (int p = 0; p < kTileRows / 2; ++p) {
        if (pairs.v[p] == 0) continue;
        STC_UNROLL
        for (int r = 0; r < 2; ++r) {
          const int32_t weight = static_cast<int16_t>(pairs.v[p] >> 16 * r);
          if (weight == 0) continue;
          STC_UNROLL
          for (int i = 0; i < kVector; ++i) sums[2 * p + r][i] += weight * bytes.v[i];
        }
      }
    }
    STC_UNROLL
    for (int r = 0; r < kTileRows; ++r) {
      Packed<int16_t, kVector> pack;
      STC_UNROLL
      for (int i = 0; i < kVector; ++i) pack.v[i] = static_cast<int16_t>(sums[r][i] >> shift);
      *reinterpret_cast<Packed<int16_t, kVector>*>(staged.blended + r * s.pitch + at - span.begin) = pack;
    }
  }
}

/// Along x: sums[r][c] of the pixel in `column` and rows from `row0` on of the tile, from the bytes at `first_channel`
/// + c * `channel` of source pixels.
template <int Channels>
__device__ __forceinline__ void blend_pixel(const Surface& s, const Staged& staged, const Span& span, int column,
                                            int columns, int row0, int first_channel, int channel, int rounding,
                                            int32_t (&sums)[kPixelRows][Channels]) {
  STC_UNROLL
  for (int r = 0; r < kPixelRows; ++r) {
    STC_UNROLL
    for (int c = 0; c < Channels; ++c) sums[r][c] = rounding;
  }
  const int first = staged.first[column], taps = min(s.x.taps, s.width - first);  // beyond the end weights are 0
  const int16_t* from = staged.blended + row0 * s.pitch + first * s.pixel - span.begin + first_channel;
  const int16_t* weights = staged.across + column;
  for (int t = 0; t < taps; ++t, from += s.pixel, weights += columns) {
    const int32_t weight = *weights;
    STC_UNROLL
    for (int r = 0; r < kPixelRows; ++r) {
      STC_UNROLL
      for (int c = 0; c < Channels; ++c) sums[r][c] += weight * from[r * s.pitch + c * channel];
    }
  }
}

/// A tile of finished pixels, (kTileRows, columns, 3), on its way to the slot: a word for each thread in every row.
__device__ __forceinline__ void write_tile(const uint8_t* tile, const stc_slot& slot, int x0, int y0, int columns) {
  static_assert(kMostColumns * kChannels <= 4 * kMostColumns, "a thread for every word");
  const int bytes = min(columns, slot.width - x0) * kChannels;
  const bool packed = packable<4>(slot.pixels, slot.row);
  const int thread = static_cast<int>(threadIdx.x), at = 4 * (thread % kMostColumns);
  if (at >= bytes) return;
  for (int r = thread / kMostColumns; r < kTileRows && y0 + r < slot.height; r += kResizeThreads / kMostColumns) {
    const uint8_t* from = tile + r * columns * kChannels;
    uint8_t* to = slot.pixels + (y0 + r) * slot.row + int64_t{x0} * kChannels;
    if (packed && at + 4 <= bytes) {
      *reinterpret_cast<uint32_t*>(to + at) = *reinterpret_cast<const uint32_t*>(from + at);
    } else {
      for (int i = at; i < min(at + 4, bytes); ++i) to[i] = from[i];
    }
  }
}

__device__ __forceinline__ uint8_t colour(int32_t mixed) {
  constexpr int kShift = kLevelBits + kColourBits;
  return static_cast<uint8_t>(max(0, min(255, (mixed + (1 << kShift >> 1)) >> kShift)));
}

/// Grid (ceil(width / columns), ceil(height / kTileRows)) of the slot, kResizeThreads; `columns` a power of two from 4
/// to kMostColumns. Shared: staged_bytes of the surface, then kTileRows * columns * 3. The channels of a pixel are at
/// `first_channel` + {0, 1, 2} * `channel`.
__global__ void __launch_bounds__(kResizeThreads)
    resize_kernel(Surface source, stc_slot slot, int first_channel, int channel, int columns) {
  STC_DYNAMIC_SHARED(shared);
  uint8_t* const memory = reinterpret_cast<uint8_t*>(shared);
  const int x0 = static_cast<int>(blockIdx.x) * columns, y0 = static_cast<int>(blockIdx.y) * kTileRows;
  const Staged staged = staged_at(source, memory, columns);
  uint8_t* const finished = memory + staged_bytes(source, columns);
  const Place at = place_of(columns);
  stage_axes(source, staged, x0, y0, at, columns);
  __syncthreads();
  stage_down(source, staged, y0);
  __syncthreads();
  const Span span = span_of(source, staged, x0, y0, columns);
  blend_rows(source, staged, span);
  __syncthreads();
  const int row0 = at.turn * kPixelRows;
  if (row0 < kTileRows) {
    const int shift = source.x.bits + kBetween;
    const bool inside = x0 + at.column < source.x.size && y0 < source.y.size;
    int32_t sums[kPixelRows][kChannels] = {};
    if (inside) {
      blend_pixel(source, staged, span, at.column, columns, row0, first_channel, channel, 1 << shift >> 1, sums);
    }
    STC_UNROLL
    for (int r = 0; r < kPixelRows; ++r) {
      STC_UNROLL
      for (int c = 0; c < kChannels; ++c) {
        uint8_t level = slot.border[c];
        if (inside && y0 + row0 + r < source.y.size) level = static_cast<uint8_t>(sums[r][c] >> shift);
        finished[((row0 + r) * columns + at.column) * kChannels + c] = level;
      }
    }
  }
  __syncthreads();
  write_tile(finished, slot, x0, y0, columns);
}

/// The same from luma and chroma, whose pixels are u and v. Shared: of both surfaces, then the tile.
__global__ void __launch_bounds__(kResizeThreads)
    resize_yuv_kernel(Surface luma, Surface chroma, stc_yuv_colours colours, stc_slot slot, int columns) {
  STC_DYNAMIC_SHARED(shared);
  uint8_t* const memory = reinterpret_cast<uint8_t*>(shared);
  uint8_t* const second = memory + staged_bytes(luma, columns);
  uint8_t* const finished = second + staged_bytes(chroma, columns);
  const int x0 = static_cast<int>(blockIdx.x) * columns, y0 = static_cast<int>(blockIdx.y) * kTileRows;
  const Staged grey = staged_at(luma, memory, columns), tint = staged_at(chroma, second, columns);
  const Place at = place_of(columns);
  stage_axes(luma, grey, x0, y0, at, columns);
  stage_axes(chroma, tint, x0, y0, at, columns);
  __syncthreads();
  stage_down(luma, grey, y0);
  stage_down(chroma, tint, y0);
  __syncthreads();
  const Span grey_span = span_of(luma, grey, x0, y0, columns), tint_span = span_of(chroma, tint, x0, y0, columns);
  blend_rows(luma, grey, grey_span);
  blend_rows(chroma, tint, tint_span);
  __syncthreads();
  const int row0 = at.turn * kPixelRows;
  if (row0 < kTileRows) {
    constexpr int kFiner = kBetween - kLevelBits;
    const int grey_shift = luma.x.bits + kFiner, tint_shift = chroma.x.bits + kFiner;
    const bool inside = x0 + at.column < luma.x.size && y0 < luma.y.size;
    int32_t level[kPixelRows][1] = {}, uv[kPixelRows][2] = {};
    if (inside) {
      blend_pixel(luma, grey, grey_span, at.column, columns, row0, 0, 0, 1 << grey_shift >> 1, level);
      blend_pixel(chroma, tint, tint_span, at.column, columns, row0, 0, 1, 1 << tint_shift >> 1, uv);
    }
    STC_UNROLL
    for (int r = 0; r < kPixelRows; ++r) {
      const int32_t y = ((level[r][0] >> grey_shift) - (colours.black << kLevelBits)) * colours.luma;
      const int32_t u = (uv[r][0] >> tint_shift) - (128 << kLevelBits);
      const int32_t v = (uv[r][1] >> tint_shift) - (128 << kLevelBits);
      uint8_t levels[kChannels] = {slot.border[0], slot.border[1], slot.border[2]};
      if (inside && y0 + row0 + r < luma.y.size) {
        levels[0] = colour(y + u * colours.blue_u);
        levels[1] = colour(y - u * colours.green_u - v * colours.green_v);
        levels[2] = colour(y + v * colours.red_v);
      }
      STC_UNROLL
      for (int c = 0; c < kChannels; ++c) {
        finished[((row0 + r) * columns + at.column) * kChannels + c] = levels[c];
      }
    }
  }
  __syncthreads();
  write_tile(finished, slot, x0, y0, columns);
}

}  // namespace stc::cuda

// A frame resized rows first into a picture of a model's input, as the CPU library does it: the same integers, so the
// same bytes. A block makes a tile of the target: it blends the source rows that the tile needs, each read once, into
// shared memory in 2^-7 of a level, and then along x; whole words go out.
#pragma once

#include <cuda_runtime.h>

#include "../cells.cuh"
#include "../dynamic_shared.cuh"
#include "../stc_cuda.h"

namespace stc::cuda {

constexpr int kResizeThreads = 128;
constexpr int kTileRows = 4;       ///< of the target
constexpr int kMostColumns = 128;  ///< pixels of the target; one thread each
constexpr int kVector = 8;         ///< bytes of the source that a thread reads at once
constexpr int kSector = 32;        ///< bytes that memory gives at once
constexpr int kChannels = 3;
constexpr int kBetween = 7;      ///< bits below a level between the passes
constexpr int kLevelBits = 5;    ///< of a level while colours are mixed
constexpr int kColourBits = 13;  ///< of a colour's coefficient

/// Rows of bytes of the source with their axes, and the shared memory that a tile's part of them takes.
struct Surface {
  const uint8_t* data;
  int64_t row;            ///< bytes
  int32_t height, width;  ///< pixels
  int32_t pixel, bytes;   ///< bytes of a pixel, and of a row up to the last that is read
  stc_short_axis y, x;
  int32_t rows, pitch;  ///< source rows of a tile at most, bytes of each
};

/// int16 of shared memory for a tile's weights along y, (rows, kTileRows): what a source row counts in each target row.
STC_HD constexpr int64_t weight_room(int64_t rows) { return (rows + 3) / 4 * 4 * kTileRows; }

/// Bytes of shared memory of a surface's tile: its weights, then its blended rows, (kTileRows, pitch).
STC_HD constexpr int64_t staged_bytes(int64_t rows, int64_t pitch) {
  return int64_t{sizeof(int16_t)} * (weight_room(rows) + kTileRows * pitch);
}

/// What a tile reads of a surface: rows, and bytes of each.
struct Span {
  int first_row, rows, begin, end;
};

/// Of the tile at (x0, y0) of `columns` pixels; nothing where it lies in the border.
__device__ __forceinline__ Span span_of(const Surface& s, int x0, int y0, int columns) {
  if (x0 >= s.x.size || y0 >= s.y.size) return {0, 0, 0, 0};
  const int first_row = s.y.first[y0], last_row = s.y.first[min(y0 + kTileRows, s.y.size) - 1] + s.y.taps;
  const int begin = s.x.first[x0], end = s.x.first[min(x0 + columns, s.x.size) - 1] + s.x.taps;
  return {first_row, last_row - first_row, begin * s.pixel / kSector * kSector, min(end * s.pixel, s.bytes)};
}

__device__ __forceinline__ void read_weights(const Surface& s, const Span& span, int y0, int16_t* shared) {
  for (int i = threadIdx.x; i < kTileRows * span.rows; i += kResizeThreads) {
    const int target = y0 + i % kTileRows;
    int16_t weight = 0;
    if (target < s.y.size) {
      const int tap = span.first_row + i / kTileRows - s.y.first[target];
      if (tap >= 0 && tap < s.y.taps) weight = s.y.weights[int64_t{tap} * s.y.size + target];
    }
    shared[i] = weight;
  }
}

/// Every thread blends its bytes of all rows.
__device__ __forceinline__ void blend_rows(const Surface& s, const Span& span, int16_t* shared) {
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
      const auto weights = reinterpret_cast<const Packed<int16_t, kTileRows>*>(shared)[row];
      int any = 0;
      STC_UNROLL
      for (int r = 0; r < kTileRows; ++r) any |= weights.v[r];
      if (any == 0) continue;
      // A row that counts exists; only then may it be read.
      const uint8_t* from = s.data + (span.first_row + row) * s.row + at;
      Packed<uint8_t, kVector> bytes{};
      if (packed && count == kVector) {
        bytes = *reinterpret_cast<const Packed<uint8_t, kVector>*>(from);
      } else {
        STC_UNROLL
        for (int i = 0; i < kVector; ++i) {
          if (i < count) bytes.v[i] = from[i];
        }
      }
      STC_UNROLL
      for (int r = 0; r < kTileRows; ++r) {
        const int32_t weight = weights.v[r];
        if (weight == 0) continue;
        STC_UNROLL
        for (int i = 0; i < kVector; ++i) sums[r][i] += weight * bytes.v[i];
      }
    }
    STC_UNROLL
    for (int r = 0; r < kTileRows; ++r) {
      Packed<int16_t, kVector> pack;
      STC_UNROLL
      for (int i = 0; i < kVector; ++i) pack.v[i] = static_cast<int16_t>(sums[r][i] >> shift);
      *reinterpret_cast<Packed<int16_t, kVector>*>(shared + weight_room(s.rows) + r * s.pitch + at - span.begin) = pack;
    }
  }
}

/// Along x: sums[r][c] of target pixel `x`, from the bytes at `first_channel` + c * `channel` of source pixels.
template <int Channels>
__device__ __forceinline__ void blend_pixel(const Surface& s, const Span& span, const int16_t* shared, int x,
                                            int first_channel, int channel, int rounding,
                                            int32_t (&sums)[kTileRows][Channels]) {
  STC_UNROLL
  for (int r = 0; r < kTileRows; ++r) {
    STC_UNROLL
    for (int c = 0; c < Channels; ++c) sums[r][c] = rounding;
  }
  const int first = s.x.first[x], taps = min(s.x.taps, s.width - first);  // beyond the end weights are 0
  const int16_t* from = shared + weight_room(s.rows) + first * s.pixel - span.begin + first_channel;
  const int16_t* weights = s.x.weights + x;
  for (int t = 0; t < taps; ++t, from += s.pixel, weights += s.x.size) {
    const int32_t weight = *weights;
    STC_UNROLL
    for (int r = 0; r < kTileRows; ++r) {
      STC_UNROLL
      for (int c = 0; c < Channels; ++c) sums[r][c] += weight * from[r * s.pitch + c * channel];
    }
  }
}

/// A tile of finished pixels, (kTileRows, columns, 3), on its way to the slot.
__device__ __forceinline__ void write_tile(const uint8_t* tile, const stc_slot& slot, int x0, int y0, int columns) {
  const int bytes = min(columns, slot.width - x0) * kChannels;
  const bool packed = packable<4>(slot.pixels, slot.row);
  STC_UNROLL
  for (int r = 0; r < kTileRows; ++r) {
    const int y = y0 + r;
    if (y >= slot.height) break;
    const uint8_t* from = tile + r * columns * kChannels;
    uint8_t* to = slot.pixels + y * slot.row + int64_t{x0} * kChannels;
    for (int at = 4 * static_cast<int>(threadIdx.x); at < bytes; at += 4 * kResizeThreads) {
      if (packed && at + 4 <= bytes) {
        *reinterpret_cast<uint32_t*>(to + at) = *reinterpret_cast<const uint32_t*>(from + at);
      } else {
        for (int i = at; i < min(at + 4, bytes); ++i) to[i] = from[i];
      }
    }
  }
}

__device__ __forceinline__ uint8_t colour(int32_t mixed) {
  constexpr int kShift = kLevelBits + kColourBits;
  return static_cast<uint8_t>(max(0, min(255, (mixed + (1 << kShift >> 1)) >> kShift)));
}

/// Grid (ceil(width / columns), ceil(height / kTileRows)) of the slot, kResizeThreads, `columns` at most as many.
/// Shared: staged_bytes of the surface, then kTileRows * columns * 3. The channels of a pixel are at `first_channel` +
/// {0, 1, 2} * `channel`.
__global__ void __launch_bounds__(kResizeThreads)
    resize_kernel(Surface source, stc_slot slot, int first_channel, int channel, int columns) {
  STC_DYNAMIC_SHARED(shared);
  int16_t* const memory = reinterpret_cast<int16_t*>(shared);
  const int x0 = static_cast<int>(blockIdx.x) * columns, y0 = static_cast<int>(blockIdx.y) * kTileRows;
  uint8_t* const finished = reinterpret_cast<uint8_t*>(memory) + staged_bytes(source.rows, source.pitch);
  const Span span = span_of(source, x0, y0, columns);
  read_weights(source, span, y0, memory);
  __syncthreads();
  blend_rows(source, span, memory);
  __syncthreads();
  const int column = static_cast<int>(threadIdx.x), x = x0 + column;
  if (column < columns) {
    const int shift = source.x.bits + kBetween;
    const bool inside = x < source.x.size && y0 < source.y.size;
    int32_t sums[kTileRows][kChannels] = {};
    if (inside) blend_pixel(source, span, memory, x, first_channel, channel, 1 << shift >> 1, sums);
    STC_UNROLL
    for (int r = 0; r < kTileRows; ++r) {
      STC_UNROLL
      for (int c = 0; c < kChannels; ++c) {
        uint8_t level = slot.border[c];
        if (inside && y0 + r < source.y.size) level = static_cast<uint8_t>(sums[r][c] >> shift);
        finished[(r * columns + column) * kChannels + c] = level;
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
  int16_t* const first = reinterpret_cast<int16_t*>(shared);
  int16_t* const second = first + staged_bytes(luma.rows, luma.pitch) / int64_t{sizeof(int16_t)};
  uint8_t* const finished = reinterpret_cast<uint8_t*>(second) + staged_bytes(chroma.rows, chroma.pitch);
  const int x0 = static_cast<int>(blockIdx.x) * columns, y0 = static_cast<int>(blockIdx.y) * kTileRows;
  const Span grey = span_of(luma, x0, y0, columns), tint = span_of(chroma, x0, y0, columns);
  read_weights(luma, grey, y0, first);
  read_weights(chroma, tint, y0, second);
  __syncthreads();
  blend_rows(luma, grey, first);
  blend_rows(chroma, tint, second);
  __syncthreads();
  const int column = static_cast<int>(threadIdx.x), x = x0 + column;
  if (column < columns) {
    constexpr int kFiner = kBetween - kLevelBits;
    const int grey_shift = luma.x.bits + kFiner, tint_shift = chroma.x.bits + kFiner;
    const bool inside = x < luma.x.size && y0 < luma.y.size;
    int32_t level[kTileRows][1] = {}, uv[kTileRows][2] = {};
    if (inside) {
      blend_pixel(luma, grey, first, x, 0, 0, 1 << grey_shift >> 1, level);
      blend_pixel(chroma, tint, second, x, 0, 1, 1 << tint_shift >> 1, uv);
    }
    STC_UNROLL
    for (int r = 0; r < kTileRows; ++r) {
      const int32_t y = ((level[r][0] >> grey_shift) - (colours.black << kLevelBits)) * colours.luma;
      const int32_t u = (uv[r][0] >> tint_shift) - (128 << kLevelBits);
      const int32_t v = (uv[r][1] >> tint_shift) - (128 << kLevelBits);
      uint8_t levels[kChannels] = {slot.border[0], slot.border[1], slot.border[2]};
      if (inside && y0 + r < luma.y.size) {
        levels[0] = colour(y + u * colours.blue_u);
        levels[1] = colour(y - u * colours.green_u - v * colours.green_v);
        levels[2] = colour(y + v * colours.red_v);
      }
      STC_UNROLL
      for (int c = 0; c < kChannels; ++c) finished[(r * columns + column) * kChannels + c] = levels[c];
    }
  }
  __syncthreads();
  write_tile(finished, slot, x0, y0, columns);
}

}  // namespace stc::cuda

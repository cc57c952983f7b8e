// A tile of a resized picture: what it reads of the frame, and its part of the axes, which its threads copy into shared
// memory once.
#pragma once

#include <cuda_runtime.h>

#include "../cells.cuh"
#include "../stc_cuda.h"

namespace stc::cuda {

constexpr int kResizeThreads = 256;
constexpr int kTileRows = 8;       ///< of the target: what tiles share, axes and source rows, is read once for so many
constexpr int kMostColumns = 128;  ///< pixels of the target; one thread each in every kPixelRows
constexpr int kVector = 8;         ///< bytes of the source that a thread reads at once
constexpr int kSector = 32;        ///< bytes that memory gives at once

/// Rows of bytes of the source with their axes, and the shared memory that a tile's part of them takes.
struct Surface {
  const uint8_t* data;
  int64_t row;            ///< bytes
  int32_t height, width;  ///< pixels
  int32_t pixel, bytes;   ///< bytes of a pixel, and of a row up to the last that is read
  stc_short_axis y, x;
  int32_t rows, pitch;  ///< source rows of a tile at most, bytes of each
};

/// A surface's part of the shared memory of a tile of `columns`.
struct Staged {
  int32_t* top;      ///< `first` along y, (kTileRows,)
  int32_t* first;    ///< along x, (columns,)
  int16_t* across;   ///< weights along x, (taps, columns)
  int16_t* down;     ///< weights along y, (rows, kTileRows): what a source row counts in each target row
  int16_t* blended;  ///< (kTileRows, pitch)
};

STC_HD constexpr int64_t first_bytes(int64_t columns) { return 4 * (kTileRows + columns); }
STC_HD constexpr int64_t across_bytes(int64_t taps, int64_t columns) { return (2 * taps * columns + 15) / 16 * 16; }
STC_HD constexpr int64_t rows_bytes(int64_t length) { return 2 * kTileRows * length; }

/// All parts are of whole 16 bytes, for `columns` are a multiple of 4.
STC_HD int64_t staged_bytes(const Surface& s, int64_t columns) {
  return first_bytes(columns) + across_bytes(s.x.taps, columns) + rows_bytes(s.rows) + rows_bytes(s.pitch);
}

__device__ __forceinline__ Staged staged_at(const Surface& s, uint8_t* memory, int columns) {
  int32_t* const top = reinterpret_cast<int32_t*>(memory);
  uint8_t* const across = memory + first_bytes(columns);
  uint8_t* const down = across + across_bytes(s.x.taps, columns);
  return {top, top + kTileRows, reinterpret_cast<int16_t*>(across), reinterpret_cast<int16_t*>(down),
          reinterpret_cast<int16_t*>(down + rows_bytes(s.rows))};
}

/// A thread's column of a tile, its place among the threads of that column, and how many these are.
struct Place {
  int column, turn, turns;
};

/// columns: a power of two.
__device__ __forceinline__ Place place_of(int columns) {
  const int thread = static_cast<int>(threadIdx.x);
  return {thread & (columns - 1), thread / columns, kResizeThreads / columns};
}

/// The tile's part of the axis along x and of `first` along y, and 0 for the weights along y.
__device__ __forceinline__ void stage_axes(const Surface& s, const Staged& to, int x0, int y0, const Place& at,
                                           int columns) {
  const int thread = static_cast<int>(threadIdx.x), x = x0 + at.column;
  const bool inside = x < s.x.size;
  if (thread < kTileRows) to.top[thread] = s.y.first[min(y0 + thread, s.y.size - 1)];
  if (at.turn == 0) to.first[at.column] = inside ? s.x.first[x] : 0;
  for (int tap = at.turn; tap < s.x.taps; tap += at.turns) {
    to.across[tap * columns + at.column] = inside ? s.x.weights[int64_t{tap} * s.x.size + x] : int16_t{0};
  }
  for (int row = thread; row < s.rows; row += kResizeThreads) {
    reinterpret_cast<Packed<int16_t, kTileRows>*>(to.down)[row] = {};
  }
}

/// Weights along y, after a barrier.
__device__ __forceinline__ void stage_down(const Surface& s, const Staged& to, int y0) {
  const int rows = min(kTileRows, s.y.size - y0);
  for (int i = static_cast<int>(threadIdx.x); i < s.y.taps * kTileRows; i += kResizeThreads) {
    const int r = i % kTileRows, tap = i / kTileRows;
    if (r >= rows) continue;
    to.down[(to.top[r] - to.top[0] + tap) * kTileRows + r] = s.y.weights[int64_t{tap} * s.y.size + y0 + r];
  }
}

/// What a tile reads of a surface: rows, and bytes of each.
struct Span {
  int first_row, rows, begin, end;
};

/// Of the tile at (x0, y0), after a barrier; nothing where it lies in the border. Whole vectors within a row.
__device__ __forceinline__ Span span_of(const Surface& s, const Staged& staged, int x0, int y0, int columns) {
  if (x0 >= s.x.size || y0 >= s.y.size) return {0, 0, 0, 0};
  const int begin = staged.first[0], end = staged.first[min(columns, s.x.size - x0) - 1] + s.x.taps;
  return {staged.top[0], staged.top[kTileRows - 1] + s.y.taps - staged.top[0], begin * s.pixel / kSector * kSector,
          min((end * s.pixel + kVector - 1) / kVector * kVector, s.bytes)};
}

}  // namespace stc::cuda

// Masks at frame size as bits; dense pixels and runs are made of these.
#pragma once

#include <algorithm>
#include <cstring>

#include "simd/lanes.h"
#include "simd/spread.h"
#include "stc/frame_mask.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "bits and bytes are laid out for little-endian machines"
#endif

namespace stc::cpu {

/// Where the pixels of a frame's row read, arranged for vectors: a `group` of pixels shares one base cell.
struct ColumnPlan {
  int groups, group;      ///< the last group may reach beyond the frame
  const int32_t* base;    ///< (groups,) the first cell that the group reads
  const uint8_t* narrow;  ///< (groups,) whether it reads only cells base..base + group - 1
  const int32_t* low;     ///< (groups * group,) first cell - base
  const int32_t* high;    ///< (groups * group,) second cell - base
  const float* share;     ///< (groups * group,)

  STC_HD int pixels() const { return groups * group; }
};

/// The part of the frame that a mask can reach: rows [y0, y1) and columns [x0, x1), whole groups of them.
struct Window {
  int y0, y1, x0, x1;
};

/// Pixels in a ColumnPlan's group: bits are written by the byte.
template <class Lanes>
constexpr int kGroup = Lanes::kLanes < 8 ? 8 : Lanes::kLanes;

/// Floats that one thread needs: three rows of the frame, and one of cells that may be read a group beyond its end.
STC_HD int64_t mask_scratch(const FrameMasks& op, const ColumnPlan& plan) {
  return int64_t{3} * plan.pixels() + op.cols + plan.group;
}

/// The rows and columns of cells, [top, bottom) x [left, right), that hold all cells above the threshold.
struct Box {
  int top, bottom, left, right;
};

/// An empty box has top >= bottom. `columns` is scratch, uint16[cols / kLanes + 1]. `probabilities` are of `Type`.
template <class Lanes, class Type>
Box box_above(const void* probabilities, int rows, int cols, uint16_t* columns) {
  const Type* cells = static_cast<const Type*>(probabilities);
  const int vectors = cols / Lanes::kLanes;
  Box box{rows, 0, cols, 0};
  std::memset(columns, 0, sizeof(uint16_t) * (vectors + 1));
  for (int row = 0; row < rows; ++row) {
    const Type* line = cells + int64_t{row} * cols;
    unsigned any = 0;
    for (int i = 0; i < vectors; ++i) {
      const unsigned found = above(Lanes::load(line + i * Lanes::kLanes), kMaskThreshold);
      any |= found;
      columns[i] = static_cast<uint16_t>(columns[i] | found);
    }
    unsigned rest = 0;
    for (int x = vectors * Lanes::kLanes; x < cols; ++x) {
      rest |= static_cast<unsigned>(static_cast<float>(read(line + x)) > kMaskThreshold) << x % Lanes::kLanes;
    }
    columns[vectors] = static_cast<uint16_t>(columns[vectors] | rest);
    if (!(any | rest)) continue;
    box.top = std::min(box.top, row);
    box.bottom = row + 1;
  }
  for (int x = 0; x < cols; ++x) {
    if (!(columns[x / Lanes::kLanes] >> x % Lanes::kLanes & 1)) continue;
    box.left = std::min(box.left, x);
    box.right = x + 1;
  }
  return box;
}

/// One row of cells resampled along x, for the window's columns.
template <class Lanes>
void resample_columns(const float* cells, const ColumnPlan& plan, const Window& window, float* target) {
  for (int x = window.x0; x < window.x1; x += Lanes::kLanes) {
    const int group = x / kGroup<Lanes>;
    const float* from = cells + plan.base[group];
    Lanes low, high;
    look_up(from, plan.low + x, plan.high + x, plan.narrow[group] != 0, low, high);
    climb(low, Lanes::load(plan.share + x), subtract(high, low)).store(target + x);
  }
}

/// `count` cells as floats. Both need no alignment.
template <class Lanes>
void float_row(const float* cells, int count, float* target) {
  std::memcpy(target, cells, sizeof(float) * count);
}
template <class Lanes>
void float_row(const Half* cells, int count, float* target) {
  int x = 0;
  for (; x + Lanes::kLanes <= count; x += Lanes::kLanes) Lanes::load(cells + x).store(target + x);
  for (; x < count; ++x) target[x] = to_float(read(cells + x));
}

/// The mask's bits in rows [y0, y1) of the window: bit i of byte b of row y of `bits`, `pitch` bytes a row, is pixel
/// (y, 8 b + i). `probabilities` is one instance, (rows, cols) of `Type`; bytes outside the window are left alone, bits
/// beyond the frame are 0.
template <class Lanes, class Type>
void mask_bits(const FrameMasks& op, const ColumnPlan& plan, const void* probabilities, const Window& window,
               uint8_t* bits, int64_t pitch, float* scratch) {
  const Type* cells = static_cast<const Type*>(probabilities);
  constexpr int kStep = kGroup<Lanes>;
  const int64_t plane = plan.pixels();
  float* const rise = scratch + 2 * plane;
  float* const padded = scratch + 3 * plane;
  int held[2] = {-1, -1};  // two rows are kept, by parity
  const auto resampled = [&](int row) {
    float* kept = scratch + (row & 1) * plane;
    if (held[row & 1] != row) {
      float_row<Lanes>(cells + int64_t{row} * op.cols, op.cols, padded);
      resample_columns<Lanes>(padded, plan, window, kept);
      held[row & 1] = row;
    }
    return kept;
  };

  const int beyond = window.x1 - op.x.size;  // pixels of the last group, if positive
  const unsigned tail = beyond > 0 ? (1u << (kStep - beyond)) - 1 : 0;
  const float* low = nullptr;
  int current = -1;
  for (int y = window.y0; y < window.y1; ++y) {
    if (op.y.cells[y] != current) {  // many rows of the frame climb from one row of cells to the next
      current = op.y.cells[y];
      low = resampled(current);
      const float* high = current + 1 < op.rows ? resampled(current + 1) : low;
      for (int x = window.x0; x < window.x1; x += Lanes::kLanes) {
        subtract(Lanes::load(high + x), Lanes::load(low + x)).store(rise + x);
      }
    }
    const Lanes share(op.y.shares[y]);
    uint8_t* row = bits + y * pitch;
    for (int x = window.x0; x < window.x1; x += kStep) {
      unsigned word = 0;
      STC_UNROLL
      for (int lane = 0; lane < kStep; lane += Lanes::kLanes) {
        const Lanes value = climb(Lanes::load(low + x + lane), share, Lanes::load(rise + x + lane));
        word |= above(value, kMaskThreshold) << lane;
      }
      std::memcpy(row + x / 8, &word, kStep / 8);
    }
    if (beyond > 0) {
      unsigned word = 0;
      uint8_t* last = row + window.x1 / 8 - kStep / 8;
      std::memcpy(&word, last, kStep / 8);
      word &= tail;
      std::memcpy(last, &word, kStep / 8);
    }
  }
}

/// One byte, 0 or 1, for each of `count` bits.
template <class Lanes>
void spread_bits(const uint8_t* bits, int count, uint8_t* pixels) {
  int x = 0;
  for (; x + Lanes::kSpread <= count; x += Lanes::kSpread) Lanes::spread(bits + x / 8, pixels + x);
  for (; x + 8 <= count; x += 8) spread_byte(bits[x / 8], 8, pixels + x);
  if (x < count) spread_byte(bits[x / 8], count - x, pixels + x);
}

}  // namespace stc::cpu

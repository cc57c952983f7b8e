// Masks at frame size as bits, eight pixels to a byte; dense pixels and runs are made of these.
#pragma once

#include <cstring>

#include "lanes.h"
#include "stc/frame_mask.h"

namespace stc::cpu {

/// The column taps of all frame pixels, arranged for vectors: `group` pixels share one first cell.
struct ColumnPlan {
  static constexpr int kGroup = 8;
  int groups;             ///< of 8 pixels; the last may reach beyond the frame, with weights 0
  const int32_t* base;    ///< (groups,) the first cell that the group reads
  const uint8_t* narrow;  ///< (groups,) whether it reads only cells base..base+7
  const int32_t* index;   ///< (3, groups * 8) cell - base
  const float* weight;    ///< (3, groups * 8)
};

/// The part of the frame that a mask can reach: rows [y0, y1) and groups of columns [g0, g1).
struct Window {
  int y0, y1, g0, g1;
};

/// Cell rows that are kept combined along x. A pixel's row taps are at most three neighbours.
constexpr int kKept = 4;

/// Floats that one thread needs: the kept rows and one row of cells that may be read 8 beyond its end.
STC_HD int64_t mask_scratch(const FrameMasks& op, const ColumnPlan& plan) {
  return int64_t{kKept} * plan.groups * ColumnPlan::kGroup + op.cols + ColumnPlan::kGroup;
}

/// One row of cells combined along x, for the window's groups.
template <class Lanes>
void combine_columns(const float* cells, const ColumnPlan& plan, const Window& window, float* target) {
  const int plane = plan.groups * ColumnPlan::kGroup;
  for (int group = window.g0; group < window.g1; ++group) {
    const float* from = cells + plan.base[group];
    const bool narrow = plan.narrow[group] != 0;
    for (int i = group * ColumnPlan::kGroup; i < (group + 1) * ColumnPlan::kGroup; i += Lanes::kLanes) {
      Lanes a, b, c;
      look_up(from, plan.index + i, narrow, a);
      look_up(from, plan.index + plane + i, narrow, b);
      look_up(from, plan.index + 2 * plane + i, narrow, c);
      combine(Lanes::load(plan.weight + i), a, Lanes::load(plan.weight + plane + i), b,
              Lanes::load(plan.weight + 2 * plane + i), c)
          .store(target + i);
    }
  }
}

/// The mask's bits in rows [y0, y1) of the window: bit i of byte (y, g) of `bits`, `pitch` bytes a row, is pixel
/// (y, 8 g + i). `cells` is one instance, (rows, cols); bytes outside the window are left alone.
template <class Lanes>
void mask_bits(const FrameMasks& op, const ColumnPlan& plan, const float* cells, const Window& window, uint8_t* bits,
               int64_t pitch, float* scratch) {
  const int plane = plan.groups * ColumnPlan::kGroup;
  float* const padded = scratch + int64_t{kKept} * plane;
  int held[kKept] = {-1, -1, -1, -1};
  const auto combined = [&](int row) {
    float* kept = scratch + int64_t{row % kKept} * plane;
    if (held[row % kKept] != row) {
      std::memcpy(padded, cells + int64_t{row} * op.cols, sizeof(float) * op.cols);
      combine_columns<Lanes>(padded, plan, window, kept);
      held[row % kKept] = row;
    }
    return kept;
  };
  for (int y = window.y0; y < window.y1; ++y) {
    const float* a = combined(op.y.cells[y]);
    const float* b = combined(op.y.cells[op.y.size + y]);
    const float* c = combined(op.y.cells[2 * op.y.size + y]);
    const Lanes wa(op.y.weights[y]), wb(op.y.weights[op.y.size + y]), wc(op.y.weights[2 * op.y.size + y]);
    for (int group = window.g0; group < window.g1; ++group) {
      unsigned byte = 0;
      STC_UNROLL
      for (int lane = 0; lane < ColumnPlan::kGroup; lane += Lanes::kLanes) {
        const int x = group * ColumnPlan::kGroup + lane;
        byte |= above(combine(wa, Lanes::load(a + x), wb, Lanes::load(b + x), wc, Lanes::load(c + x)), kMaskThreshold)
                << lane;
      }
      bits[y * pitch + group] = static_cast<uint8_t>(byte);
    }
  }
}

}  // namespace stc::cpu

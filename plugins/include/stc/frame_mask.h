// Masks at frame size. AdelaiDet's two resamplings (aligned_bilinear to the input, a crop, bilinear to the frame) are
// separable, and along each axis their composition is one linear interpolation between neighbouring cells: the bends of
// aligned_bilinear lie on input pixels, so the two that a frame pixel reads lie on one straight piece. There is no
// picture in between.
#pragma once

#include <cstdint>

#include "stc/arithmetic.h"

namespace stc {

/// One axis of the composed resampling: pixel o lies shares[o] of the way from cell cells[o] to the one after it.
struct FrameAxis {
  const int32_t* cells;  ///< (size,) never decreases
  const float* shares;   ///< (size,) in 0..1; where it is 0 the second cell need not exist
  int32_t size;          ///< frame pixels
};

/// The cell after the one that pixel `o` reads first, or that one again.
STC_HD int second_cell(const FrameAxis& axis, int o) { return axis.cells[o] + (axis.shares[o] > 0.0f ? 1 : 0); }

/// Masks of n objects on their way to the frame. Rows and columns are cells, probabilities 0..1.
struct FrameMasks {
  const void* probabilities;  ///< (instances, rows, cols)
  FrameAxis y, x;             ///< how frame pixels read rows and columns
  int32_t instances, rows, cols;
};

/// `low` + share * rise, where `rise` is the next cell less `low`. First along x (within a row of cells), then along y:
/// in this order everywhere, so that pixels, bits and runs agree to the last bit. Where both cells are at most the
/// threshold so is the result, rounding included.
template <class Share, class Number>
STC_HD Number climb(Number low, Share share, Number rise) {
  return multiply_add(share, rise, low);
}

constexpr float kMaskThreshold = 0.5f;  ///< a pixel belongs to the mask where the probability is above it; NaN is not

}  // namespace stc

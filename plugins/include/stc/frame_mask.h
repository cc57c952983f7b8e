// Masks at frame size: AdelaiDet's two resamplings (aligned_bilinear to the input, a crop, bilinear to the frame) are
// linear and separable, so along each axis they are one sparse matrix with at most three neighbouring cells per row:
// mask = (Wy P Wx^T) > 0.5, with no picture in between.
#pragma once

#include <cstdint>

#include "stc/arithmetic.h"

namespace stc {

constexpr int kTaps = 3;

/// One axis of the composed resampling: output `o` is the sum over t of weights[t * size + o] * in[cells[t * size + o]].
/// Weights are a convex combination; a tap that is not needed repeats the first cell with weight 0.
struct FrameAxis {
  const int32_t* cells;  ///< (3, size), the first tap never decreases along the axis
  const float* weights;  ///< (3, size)
  int32_t size;          ///< frame pixels
};

/// Masks of n objects on their way to the frame. Rows and columns are cells, probabilities 0..1.
struct FrameMasks {
  const void* probabilities;  ///< (instances, rows, cols)
  FrameAxis y, x;             ///< how frame pixels read rows and columns
  int32_t instances, rows, cols;
};

/// The combination of three taps. Columns first (within a row of cells), then rows: in this order everywhere, so that
/// pixels, bits and runs agree to the last bit.
template <class Weight, class Number>
STC_HD Number combine(Weight w0, Number a, Weight w1, Number b, Weight w2, Number c) {
  return multiply_add(w2, c, multiply_add(w1, b, multiply(w0, a)));
}

constexpr float kMaskThreshold = 0.5f;  ///< a pixel belongs to the mask where the probability is above it

}  // namespace stc

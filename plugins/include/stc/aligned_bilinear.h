// CondInst's upsampling, in closed form.
#pragma once

#include "stc/arithmetic.h"

namespace stc {

/// Output `o` along one axis is between(in[low], in[high], share). Without a share high is low: nobody need have the
/// next.
struct Tap {
  int low, high;
  float share;
};

/// CondInst defines the upsampling as replicate padding, align-corners bilinear and a crop. Per axis that equals
/// s = max(o - factor / 2, 0) / factor, linear between floor(s) and the next cell: factor / 2 copies of the first
/// value, then a ramp of `factor` values from every cell to the next.
STC_HD Tap aligned_tap(int output, int factor, int cells) {
  const int position = output < factor / 2 ? 0 : output - factor / 2;
  const int low = position / factor;
  const int step = position - low * factor;
  return {low, step > 0 && low + 1 < cells ? low + 1 : low, static_cast<float>(step) / static_cast<float>(factor)};
}

/// (1 - share) * low + share * high; a cell without a share is not looked at, so that its NaN or Inf stays local.
template <class Number>
STC_HD Number between(Number low, Number high, float share) {
  return share == 0.0f ? low : multiply_add(share, high, multiply(1.0f - share, low));
}

}  // namespace stc

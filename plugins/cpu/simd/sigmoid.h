// The sigmoid of every kind of lanes.
#pragma once

#include "stc/arithmetic.h"

namespace stc::cpu {

/// 1 / (1 + e^-x), within 3e-7; NaN stays NaN. e^-x = 2^n 2^f with n whole and |f| <= 1/2. Beyond +-87 the result is 0
/// or 1 up to 2e-38.
template <class Lanes>
STC_HD Lanes sigmoid(Lanes x) {
  constexpr float kMinusLog2E = -1.44269504088896341f;
  // 2^f within 9.1e-8, and 1 at 0: the least maximum of the relative error over |f| <= 1/2, by linear programming.
  constexpr float kPower[] = {0.6931470036506653f, 0.24022242426872253f, 0.05550733953714371f, 0.009671512991189957f,
                              0.001326472032815218f};
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it leaves no room for fractions
  const Lanes bounded = clamp(x, -87.0f, 87.0f);
  const Lanes factor(kMinusLog2E);
  const Lanes n = subtract(multiply_add(factor, bounded, Lanes(kRound)), Lanes(kRound));
  const Lanes f = multiply_add(factor, bounded, multiply(-1.0f, n));
  Lanes power(kPower[4]);
  STC_UNROLL
  for (int i = 3; i >= 0; --i) power = multiply_add(power, f, Lanes(kPower[i]));
  power = multiply_add(power, f, Lanes(1.0f));
  return reciprocal(add(Lanes(1.0f), times_power_of_two(power, n)));
}

}  // namespace stc::cpu

// What the formulas need of a number. A CPU's vector types overload these functions; a number is then several at once.
#pragma once

#include <cmath>

#include "stc/host_device.h"

namespace stc {

STC_HD float multiply(float a, float b) { return a * b; }

STC_HD float subtract(float a, float b) { return a - b; }

/// a * b + c, fused where the machine fuses.
STC_HD float multiply_add(float a, float b, float c) { return a * b + c; }

/// max(x, 0) that keeps NaN, as every framework's ReLU does (fmaxf would drop it).
STC_HD float relu(float x) { return x < 0.0f ? 0.0f : x; }

STC_HD float sigmoid(float x) {
#if defined(__CUDA_ARCH__)
  return __fdividef(1.0f, 1.0f + __expf(-x));
#else
  return 1.0f / (1.0f + std::exp(-x));
#endif
}

/// A number of type `Number` whose every part is `x`.
template <class Number>
STC_HD Number splat(float x) {
  return Number(x);
}

/// Storage to arithmetic: float stays, half types convert.
template <class Storage>
STC_HD float widen(Storage x) {
  return static_cast<float>(x);
}

}  // namespace stc

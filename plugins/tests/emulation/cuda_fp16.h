// CUDA's half type on the host, with the conversions of the CPU library.
#pragma once

#include "../../cpu/simd/half.h"

using __half = stc::cpu::Half;

inline __half __float2half_rn(float x) { return stc::cpu::to_half(x); }

// Sixteen floats in one AVX-512 register (F, BW, DQ and VL).
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "../simd/half.h"
#include "stc/arithmetic.h"

namespace stc::cpu {

struct Avx512 {
  static constexpr int kLanes = 16;
  static constexpr const char* kName = "avx512";
  static constexpr bool kPaired = true;
  __m512 v;

  Avx512() = default;
  STC_HD Avx512(__m512 x) : v(x) {}
  STC_HD explicit Avx512(float x) : v(_mm512_set1_ps(x)) {}
  STC_HD static Avx512 load(const float* p) { return _mm512_loadu_ps(p); }
  STC_HD static Avx512 load(const Half* p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  STC_HD void store(float* p) const { _mm512_storeu_ps(p, v); }
  STC_HD void store(Half* p) const {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
  }

  /// A byte, 0 or 1, for each of 64 bits.
  static constexpr int kSpread = 64;
  STC_HD static void spread(const uint8_t* bits, uint8_t* bytes) {
    uint64_t set;
    std::memcpy(&set, bits, sizeof set);
    _mm512_storeu_si512(bytes, _mm512_maskz_set1_epi8(set, 1));
  }
};

STC_HD Avx512 multiply(Avx512 a, Avx512 b) { return _mm512_mul_ps(a.v, b.v); }
STC_HD Avx512 add(Avx512 a, Avx512 b) { return _mm512_add_ps(a.v, b.v); }
STC_HD Avx512 subtract(Avx512 a, Avx512 b) { return _mm512_sub_ps(a.v, b.v); }
STC_HD Avx512 multiply_add(Avx512 a, Avx512 b, Avx512 c) { return _mm512_fmadd_ps(a.v, b.v, c.v); }

// min and max give their second operand where one is NaN.
STC_HD Avx512 relu(Avx512 x) { return _mm512_max_ps(_mm512_setzero_ps(), x.v); }

/// x taken into low..high; NaN stays.
STC_HD Avx512 clamp(Avx512 x, float low, float high) {
  return _mm512_max_ps(_mm512_set1_ps(low), _mm512_min_ps(_mm512_set1_ps(high), x.v));
}

/// x * 2^n, n whole.
STC_HD Avx512 times_power_of_two(Avx512 x, Avx512 n) { return _mm512_scalef_ps(x.v, n.v); }

/// One step of Newton's from the 14 bits of the estimate.
STC_HD Avx512 reciprocal(Avx512 x) {
  const __m512 estimate = _mm512_rcp14_ps(x.v);
  return _mm512_mul_ps(estimate, _mm512_fnmadd_ps(x.v, estimate, _mm512_set1_ps(2.0f)));
}

/// Bit i tells whether lane i is above `threshold`; NaN is not.
STC_HD unsigned above(Avx512 x, float threshold) {
  return _mm512_cmp_ps_mask(x.v, _mm512_set1_ps(threshold), _CMP_GT_OQ);
}

/// a0 b0 a1 b1 …, in two halves.
STC_HD void interleave(Avx512 a, Avx512 b, Avx512& first, Avx512& second) {
  const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
  first = _mm512_permutex2var_ps(a.v, low, b.v);
  second = _mm512_permutex2var_ps(a.v, high, b.v);
}

/// row[low[i]] and row[high[i]] for every lane. `narrow` promises indices below 16: one load and two permutations
/// instead of thirty-two loads.
STC_HD void look_up(const float* row, const int32_t* low, const int32_t* high, bool narrow, Avx512& a, Avx512& b) {
  const __m512i first = _mm512_loadu_si512(low), second = _mm512_loadu_si512(high);
  if (narrow) {
    const __m512 cells = _mm512_loadu_ps(row);
    a = _mm512_permutexvar_ps(first, cells);
    b = _mm512_permutexvar_ps(second, cells);
  } else {
    a = _mm512_i32gather_ps(first, row, 4);
    b = _mm512_i32gather_ps(second, row, 4);
  }
}

}  // namespace stc::cpu

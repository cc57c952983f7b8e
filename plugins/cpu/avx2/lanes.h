// Eight floats in one AVX2 register (with FMA and F16C, which every AVX2 machine has).
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "../simd/half.h"
#include "stc/arithmetic.h"

namespace stc::cpu {

struct Avx2 {
  static constexpr int kLanes = 8;
  static constexpr const char* kName = "avx2";
  static constexpr bool kPaired = true;
  __m256 v;

  Avx2() = default;
  STC_HD Avx2(__m256 x) : v(x) {}
  STC_HD explicit Avx2(float x) : v(_mm256_set1_ps(x)) {}
  STC_HD static Avx2 load(const float* p) { return _mm256_loadu_ps(p); }
  STC_HD static Avx2 load(const Half* p) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  STC_HD void store(float* p) const { _mm256_storeu_ps(p, v); }
  STC_HD void store(Half* p) const {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
  }

  /// A byte, 0 or 1, for each of 32 bits: every byte gets a copy of its bits' byte and looks at its own bit.
  static constexpr int kSpread = 32;
  STC_HD static void spread(const uint8_t* bits, uint8_t* bytes) {
    int32_t word;
    std::memcpy(&word, bits, sizeof word);
    const __m256i source = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    const __m256i own = _mm256_set1_epi64x(static_cast<int64_t>(0x8040201008040201u));
    const __m256i copies = _mm256_shuffle_epi8(_mm256_set1_epi32(word), source);
    const __m256i set = _mm256_cmpeq_epi8(_mm256_and_si256(copies, own), own);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(bytes), _mm256_and_si256(set, _mm256_set1_epi8(1)));
  }
};

STC_HD Avx2 multiply(Avx2 a, Avx2 b) { return _mm256_mul_ps(a.v, b.v); }
STC_HD Avx2 add(Avx2 a, Avx2 b) { return _mm256_add_ps(a.v, b.v); }
STC_HD Avx2 subtract(Avx2 a, Avx2 b) { return _mm256_sub_ps(a.v, b.v); }
STC_HD Avx2 multiply_add(Avx2 a, Avx2 b, Avx2 c) { return _mm256_fmadd_ps(a.v, b.v, c.v); }

// min and max give their second operand where one is NaN.
STC_HD Avx2 relu(Avx2 x) { return _mm256_max_ps(_mm256_setzero_ps(), x.v); }

/// x taken into low..high; NaN stays.
STC_HD Avx2 clamp(Avx2 x, float low, float high) {
  return _mm256_max_ps(_mm256_set1_ps(low), _mm256_min_ps(_mm256_set1_ps(high), x.v));
}

/// x * 2^n, n whole in -126..126, x in 0.5..2. Of a NaN the conversion gives 0x80000000, which the shift turns into 0.
STC_HD Avx2 times_power_of_two(Avx2 x, Avx2 n) {
  const __m256i exponent = _mm256_slli_epi32(_mm256_cvtps_epi32(n.v), 23);
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x.v), exponent));
}

/// One step of Newton's from the 12 bits of the estimate: a third of a division's time, within 2e-7 of it.
STC_HD Avx2 reciprocal(Avx2 x) {
  const __m256 estimate = _mm256_rcp_ps(x.v);
  return _mm256_mul_ps(estimate, _mm256_fnmadd_ps(x.v, estimate, _mm256_set1_ps(2.0f)));
}

/// Bit i tells whether lane i is above `threshold`; NaN is not.
STC_HD unsigned above(Avx2 x, float threshold) {
  return static_cast<unsigned>(_mm256_movemask_ps(_mm256_cmp_ps(x.v, _mm256_set1_ps(threshold), _CMP_GT_OQ)));
}

/// a0 b0 a1 b1 …, in two halves.
STC_HD void interleave(Avx2 a, Avx2 b, Avx2& first, Avx2& second) {
  const __m256 low = _mm256_unpacklo_ps(a.v, b.v);
  const __m256 high = _mm256_unpackhi_ps(a.v, b.v);
  first = _mm256_permute2f128_ps(low, high, 0x20);
  second = _mm256_permute2f128_ps(low, high, 0x31);
}

/// row[low[i]] and row[high[i]] for every lane. `narrow` promises indices below 8: one load and two permutations
/// instead of sixteen loads.
STC_HD void look_up(const float* row, const int32_t* low, const int32_t* high, bool narrow, Avx2& a, Avx2& b) {
  const __m256i first = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(low));
  const __m256i second = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(high));
  if (narrow) {
    const __m256 cells = _mm256_loadu_ps(row);
    a = _mm256_permutevar8x32_ps(cells, first);
    b = _mm256_permutevar8x32_ps(cells, second);
  } else {
    a = _mm256_i32gather_ps(row, first, 4);
    b = _mm256_i32gather_ps(row, second, 4);
  }
}

}  // namespace stc::cpu

#if defined(__x86_64__)
#include "rows_first.h"

#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "../portable/rows_first.h"
#include "../simd/target.h"
#include "pairing.h"

STC_TARGET("avx2")

namespace stc::cpu {
namespace {

constexpr int kBlock = 32;  // bytes of a row at a time

__m256i load(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }

/// Two weights in every 32 bits.
__m256i pair(const int16_t* weights) {
  int32_t two;
  std::memcpy(&two, weights, sizeof two);
  return _mm256_set1_epi32(two);
}

/// Four weights, the first two in every 32 bits of the lower half, the other two in the upper.
__m256i pairs(const int16_t* weights) {
  int64_t four;
  std::memcpy(&four, weights, sizeof four);
  return _mm256_permutevar8x32_epi32(_mm256_set1_epi64x(four), _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1));
}

/// Bytes [at, at + kBlock) of the rows, two rows at a time.
void blend_block(const int16_t* weights, int taps, int shift, const uint8_t* const* rows, int64_t at, int16_t* target) {
  const __m256i zero = _mm256_setzero_si256();
  __m256i sums[4];
  for (__m256i& sum : sums) sum = _mm256_set1_epi32(1 << shift >> 1);
  for (int t = 0; t < taps; t += 2) {
    const __m256i weight = pair(weights + t), a = load(rows[t] + at), b = load(rows[t + 1] + at);
    // Unpacking works within halves of the register: 0-7 16-23 and 8-15 24-31, of these 0-3 16-19, and so on.
    const __m256i low = _mm256_unpacklo_epi8(a, b), high = _mm256_unpackhi_epi8(a, b);
    const __m256i parts[4] = {_mm256_unpacklo_epi8(low, zero), _mm256_unpackhi_epi8(low, zero),
                              _mm256_unpacklo_epi8(high, zero), _mm256_unpackhi_epi8(high, zero)};
    for (int i = 0; i < 4; ++i) sums[i] = _mm256_add_epi32(sums[i], _mm256_madd_epi16(parts[i], weight));
  }
  const __m128i by = _mm_cvtsi32_si128(shift);
  for (__m256i& sum : sums) sum = _mm256_sra_epi32(sum, by);
  const __m256i low = _mm256_packs_epi32(sums[0], sums[1]), high = _mm256_packs_epi32(sums[2], sums[3]);
  __m256i* const to = reinterpret_cast<__m256i*>(target + at);
  _mm256_storeu_si256(to, _mm256_permute2x128_si256(low, high, 0x20));
  _mm256_storeu_si256(to + 1, _mm256_permute2x128_si256(low, high, 0x31));
}

}  // namespace

void blend_rows_avx2(const int16_t* weights, int taps, int bits, const uint8_t* const* rows, int64_t bytes,
                     int16_t* target) {
  if (bytes < kBlock) return blend_rows_from(0, weights, taps, bits, rows, bytes, target);
  const int shift = bits - kBetween;
  int64_t at = 0;
  for (; at + kBlock <= bytes; at += kBlock) blend_block(weights, taps, shift, rows, at, target);
  if (at < bytes) blend_block(weights, taps, shift, rows, bytes - kBlock, target);  // some bytes twice
}

void blend_pixels_avx2(const ShortAxis& x, const int16_t* row, Spacing spacing, uint8_t* target) {
  const Pairing pairing(spacing, sizeof(int16_t));
  const __m256i channels =
      _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(pairing.bytes)));
  const int shift = x.bits + kBetween;
  const __m128i half = _mm_set1_epi32(1 << shift >> 1), by = _mm_cvtsi32_si128(shift);
  row += pairing.begin;
  for (int pixel = 0; pixel < x.size; ++pixel, target += kChannels) {
    const int16_t* weights = x.weights + int64_t{pixel} * x.taps;
    const int16_t* from = row + int64_t{x.first[pixel]} * spacing.pixel;
    __m256i sum = _mm256_setzero_si256();
    for (int t = 0; t < x.taps; t += 4, from += 4 * spacing.pixel) {
      const __m128i two = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
      const __m128i next = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + 2 * spacing.pixel));
      const __m256i values = _mm256_shuffle_epi8(_mm256_set_m128i(next, two), channels);
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(values, pairs(weights + t)));
    }
    const __m128i both = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    const __m128i levels = _mm_sra_epi32(_mm_add_epi32(both, half), by);
    const __m128i bytes = _mm_packus_epi16(_mm_packus_epi32(levels, levels), levels);
    const int32_t four = _mm_cvtsi128_si32(bytes);
    std::memcpy(target, &four, pixel + 1 < x.size ? 4 : 3);  // the next pixel overwrites the last byte
  }
}

void dots_avx2(const Dots& dots, const int16_t* row, int32_t* target) {
  const auto load = [](const int16_t* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); };
  const __m128i half = _mm_set1_epi32(1 << dots.shift >> 1), by = _mm_cvtsi32_si128(dots.shift);
  int pixel = 0;
  for (; pixel + 4 <= dots.size; pixel += 4) {
    __m128i sums[4];
    for (int i = 0; i < 4; ++i) {
      const int16_t* weights = dots.weights + (pixel + i) * dots.length;
      const int16_t* from = row + dots.first[pixel + i] * dots.step;
      sums[i] = _mm_madd_epi16(load(from), load(weights));
      for (int64_t t = 8; t < dots.length; t += 8) {
        sums[i] = _mm_add_epi32(sums[i], _mm_madd_epi16(load(from + t), load(weights + t)));
      }
    }
    const __m128i all = _mm_hadd_epi32(_mm_hadd_epi32(sums[0], sums[1]), _mm_hadd_epi32(sums[2], sums[3]));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(target + pixel), _mm_sra_epi32(_mm_add_epi32(all, half), by));
  }
  dots_from(pixel, dots, row, target);
}

}  // namespace stc::cpu

STC_TARGET_END
#endif

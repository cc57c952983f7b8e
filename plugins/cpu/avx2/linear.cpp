// The standard headers come before the pragma: their inline functions are shared with code that must run anywhere.
#if defined(__x86_64__)
#include "linear.h"

#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "../portable/linear.h"
#include "pairing.h"

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2")
#endif

namespace stc::cpu {

void interpolate_pixels_avx2(const ShortAxis& x, const SourceRow& row, int16_t* target) {
  constexpr int kRead = 8;  // bytes: two pixels, whatever their spacing
  const Spacing spacing = row.layout.spacing;
  const Pairing pairing(spacing, 1);
  const __m256i channels =
      _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(pairing.bytes)));
  const __m256i own_weights = _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1);
  const int64_t origin = row.layout.origin + pairing.begin;
  const auto at = [&](int pixel) { return origin + int64_t{x.first[pixel]} * spacing.pixel; };
  const auto inside = [&](int pixel) { return at(pixel) >= 0 && at(pixel) + kRead <= row.layout.bytes; };
  const auto load = [&](int pixel) { return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(row.data + at(pixel))); };
  // Pixels never go back, so those that may be read whole follow each other.
  int begin = 0, end = x.size;
  while (begin < end && !inside(begin)) ++begin;
  while (end > begin && !inside(end - 1)) --end;
  interpolate_some(0, begin, x, row, target);
  int pixel = begin;
  for (; pixel + 2 <= end; pixel += 2) {
    const __m256i bytes = _mm256_inserti128_si256(_mm256_castsi128_si256(load(pixel)), load(pixel + 1), 1);
    int64_t four;
    std::memcpy(&four, x.weights + 2 * pixel, sizeof four);
    const __m256i weights = _mm256_permutevar8x32_epi32(_mm256_set1_epi64x(four), own_weights);
    const __m256i sums = _mm256_madd_epi16(_mm256_shuffle_epi8(bytes, channels), weights);
    const __m256i levels = _mm256_srai_epi32(sums, kLinearBits - kBetween);
    const __m256i words = _mm256_packs_epi32(levels, levels);
    int16_t* const to = target + kChannels * pixel;  // what follows overwrites the fourth of each
    _mm_storel_epi64(reinterpret_cast<__m128i*>(to), _mm256_castsi256_si128(words));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(to + kChannels), _mm256_extracti128_si256(words, 1));
  }
  interpolate_some(pixel, x.size, x, row, target);
}

void interpolate_rows_avx2(const int16_t* const* rows, const int16_t* weights, int count, uint8_t* target) {
  const __m256i one = _mm256_set1_epi16(weights[0]), other = _mm256_set1_epi16(weights[1]);
  const __m256i two = _mm256_set1_epi16(2);
  const auto levels = [&](int i) {
    const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(rows[0] + i));
    const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(rows[1] + i));
    const __m256i sum = _mm256_add_epi16(_mm256_mulhi_epi16(a, one), _mm256_mulhi_epi16(b, other));
    return _mm256_srai_epi16(_mm256_add_epi16(sum, two), 2);
  };
  int i = 0;
  for (; i + 32 <= count; i += 32) {
    // Packing works within halves of the register: 0-7 16-23 | 8-15 24-31.
    const __m256i bytes = _mm256_packus_epi16(levels(i), levels(i + 16));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(target + i),
                        _mm256_permute4x64_epi64(bytes, _MM_SHUFFLE(3, 1, 2, 0)));
  }
  interpolate_rows_from(i, rows, weights, count, target);
}

}  // namespace stc::cpu

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#endif

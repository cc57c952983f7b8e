#if defined(__x86_64__)
#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "../resize.h"
#include "../simd/target.h"
#include "linear.h"
#include "rows_first.h"

STC_TARGET("avx2")

namespace stc::cpu {
namespace {

/// Sums of high and low parts to bytes, one in each 32 bits: rounded, without the fraction, not yet below 256.
__m256i finish(__m256i high, __m256i low) {
  const __m256i sum = _mm256_add_epi32(_mm256_slli_epi32(high, kLowBits), low);
  return _mm256_srai_epi32(_mm256_add_epi32(sum, _mm256_set1_epi32(1 << (kFraction - 1))), kFraction);
}

/// Four weights, the first two in every 32 bits of the lower half, the other two in the upper.
__m256i weight_pairs(const int16_t* weights) {
  int64_t four;
  std::memcpy(&four, weights, sizeof four);
  return _mm256_permutevar8x32_epi32(_mm256_set1_epi64x(four), _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1));
}

/// Four pixels at a time: of each half the channels of two pixels side by side, as one multiplication of pairs wants.
template <int Rows>
void columns_at_once(const ResizeAxis& x, const uint8_t* const* rows, int width, uint8_t* const* targets) {
  const __m256i channels = _mm256_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1,  //
                                            6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
  // The last four pixels of a target's taps are read as sixteen bytes, which must not leave the row.
  int safe = 0;
  while (safe < x.size && kChannels * (x.first[safe] + x.taps - 4) + 16 <= kChannels * width) ++safe;
  for (int pixel = 0; pixel < safe; ++pixel) {
    __m256i high[Rows], low[Rows];
    for (int row = 0; row < Rows; ++row) high[row] = low[row] = _mm256_setzero_si256();
    for (int t = 0; t < x.taps; t += 4) {
      const int64_t at = int64_t{pixel} * x.taps + t, from = int64_t{kChannels} * (x.first[pixel] + t);
      const __m256i high_weights = weight_pairs(x.high + at), low_weights = weight_pairs(x.low + at);
      for (int row = 0; row < Rows; ++row) {
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(rows[row] + from));
        const __m256i pairs = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(bytes), channels);
        high[row] = _mm256_add_epi32(high[row], _mm256_madd_epi16(pairs, high_weights));
        low[row] = _mm256_add_epi32(low[row], _mm256_madd_epi16(pairs, low_weights));
      }
    }
    for (int row = 0; row < Rows; ++row) {
      const __m128i high_sum = _mm_add_epi32(_mm256_castsi256_si128(high[row]), _mm256_extracti128_si256(high[row], 1));
      const __m128i low_sum = _mm_add_epi32(_mm256_castsi256_si128(low[row]), _mm256_extracti128_si256(low[row], 1));
      const __m128i values =
          _mm256_castsi256_si128(finish(_mm256_castsi128_si256(high_sum), _mm256_castsi128_si256(low_sum)));
      const __m128i bytes = _mm_packus_epi16(_mm_packus_epi32(values, values), values);
      const int32_t four = _mm_cvtsi128_si32(bytes);
      std::memcpy(targets[row] + pixel * kChannels, &four, sizeof four);  // the next pixel overwrites the last byte
    }
  }
  resize_columns_from(safe, x, rows, width, Rows, targets);
}

void columns(const ResizeAxis& x, const uint8_t* const* rows, int width, int count, uint8_t* const* targets) {
  if (count == kRowsAtOnce) return columns_at_once<kRowsAtOnce>(x, rows, width, targets);
  for (int row = 0; row < count; ++row) columns_at_once<1>(x, rows + row, width, targets + row);
}

void rows(const ResizeAxis& y, int pixel, const uint8_t* const* rows, int bytes, uint8_t* target) {
  const int64_t at = int64_t{pixel} * y.taps;
  for (int i = 0; i < bytes; i += 16) {
    __m256i high[2], low[2];
    for (int half = 0; half < 2; ++half) high[half] = low[half] = _mm256_setzero_si256();
    for (int t = 0; t < y.taps; t += 2) {
      int32_t high_pair, low_pair;
      std::memcpy(&high_pair, y.high + at + t, sizeof high_pair);
      std::memcpy(&low_pair, y.low + at + t, sizeof low_pair);
      const __m256i high_weights = _mm256_set1_epi32(high_pair), low_weights = _mm256_set1_epi32(low_pair);
      const __m128i a = _mm_loadu_si128(reinterpret_cast<const __m128i*>(rows[t] + i));
      const __m128i b = _mm_loadu_si128(reinterpret_cast<const __m128i*>(rows[t + 1] + i));
      const __m256i pairs[2] = {_mm256_cvtepu8_epi16(_mm_unpacklo_epi8(a, b)),
                                _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(a, b))};
      for (int half = 0; half < 2; ++half) {
        high[half] = _mm256_add_epi32(high[half], _mm256_madd_epi16(pairs[half], high_weights));
        low[half] = _mm256_add_epi32(low[half], _mm256_madd_epi16(pairs[half], low_weights));
      }
    }
    // Packing works within halves of the register: 0-3 8-11 | 4-7 12-15.
    const __m256i words = _mm256_permute4x64_epi64(
        _mm256_packus_epi32(finish(high[0], low[0]), finish(high[1], low[1])), _MM_SHUFFLE(3, 1, 2, 0));
    const __m128i result = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    if (i + 16 <= bytes) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(target + i), result);
    } else {
      uint8_t end[16];
      _mm_storeu_si128(reinterpret_cast<__m128i*>(end), result);
      std::memcpy(target + i, end, bytes - i);
    }
  }
}

}  // namespace

ResizeKernels avx2_resize() {
  return {columns, rows, blend_rows_avx2, blend_pixels_avx2, interpolate_pixels_avx2, interpolate_rows_avx2, dots_avx2};
}

}  // namespace stc::cpu

STC_TARGET_END
#endif

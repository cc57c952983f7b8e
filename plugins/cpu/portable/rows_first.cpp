#include "rows_first.h"

#include <algorithm>

namespace stc::cpu {

void blend_rows_from(int64_t begin, const int16_t* weights, int taps, int bits, const uint8_t* const* rows,
                     int64_t bytes, int16_t* target) {
  constexpr int kBlock = 64;  // sums that stay in registers
  const int shift = bits - kBetween;
  for (int64_t start = begin; start < bytes; start += kBlock) {
    const int count = static_cast<int>(std::min<int64_t>(kBlock, bytes - start));
    int32_t sums[kBlock];
    std::fill_n(sums, kBlock, 1 << shift >> 1);
    for (int t = 0; t < taps; ++t) {
      const int32_t weight = weights[t];
      const uint8_t* const from = rows[t] + start;
      for (int i = 0; i < count; ++i) sums[i] += from[i] * weight;
    }
    for (int i = 0; i < count; ++i) target[start + i] = static_cast<int16_t>(sums[i] >> shift);
  }
}

void blend_rows(const int16_t* weights, int taps, int bits, const uint8_t* const* rows, int64_t bytes,
                int16_t* target) {
  blend_rows_from(0, weights, taps, bits, rows, bytes, target);
}

void blend_pixels(const ShortAxis& x, const int16_t* row, Spacing spacing, uint8_t* target) {
  const int shift = x.bits + kBetween;
  for (int pixel = 0; pixel < x.size; ++pixel, target += kChannels) {
    const int16_t* weights = x.weights + int64_t{pixel} * x.taps;
    const int16_t* from = row + int64_t{x.first[pixel]} * spacing.pixel;
    int32_t sums[kChannels];
    std::fill_n(sums, kChannels, 1 << shift >> 1);
    for (int t = 0; t < x.taps; ++t, from += spacing.pixel) {
      for (int c = 0; c < kChannels; ++c) sums[c] += from[c * spacing.channel] * weights[t];
    }
    for (int c = 0; c < kChannels; ++c) target[c] = static_cast<uint8_t>(sums[c] >> shift);
  }
}

void dots_from(int begin, const Dots& dots, const int16_t* row, int32_t* target) {
  for (int pixel = begin; pixel < dots.size; ++pixel) {
    const int16_t* weights = dots.weights + pixel * dots.length;
    const int16_t* from = row + dots.first[pixel] * dots.step;
    int32_t sum = 1 << dots.shift >> 1;
    for (int64_t t = 0; t < dots.length; ++t) sum += from[t] * weights[t];
    target[pixel] = sum >> dots.shift;
  }
}

void dots(const Dots& dots, const int16_t* row, int32_t* target) { dots_from(0, dots, row, target); }

}  // namespace stc::cpu

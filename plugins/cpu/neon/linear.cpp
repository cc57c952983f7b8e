#if defined(__aarch64__)
#include "linear.h"

#include <arm_neon.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "../portable/linear.h"

namespace stc::cpu {

void interpolate_pixels_neon(const ShortAxis& x, const SourceRow& row, int16_t* target) {
  constexpr int kRead = 8;  // bytes: two pixels, whatever their spacing
  const Spacing spacing = row.layout.spacing;
  const int least = std::min(0, spacing.pixel) + std::min(0, (kChannels - 1) * spacing.channel);
  // The channels of the first pixel, then those of the second, as 16 bits.
  uint8_t order[16];
  std::memset(order, 0xff, sizeof order);
  for (int p = 0; p < 2; ++p) {
    for (int c = 0; c < kChannels; ++c) {
      order[8 * p + 2 * c] = static_cast<uint8_t>(p * spacing.pixel + c * spacing.channel - least);
    }
  }
  const uint8x16_t channels = vld1q_u8(order);
  const int64_t origin = row.layout.origin + least;
  const auto at = [&](int pixel) { return origin + int64_t{x.first[pixel]} * spacing.pixel; };
  const auto inside = [&](int pixel) { return at(pixel) >= 0 && at(pixel) + kRead <= row.layout.bytes; };
  // Pixels never go back, so those that may be read whole follow each other.
  int begin = 0, end = x.size;
  while (begin < end && !inside(begin)) ++begin;
  while (end > begin && !inside(end - 1)) --end;
  interpolate_some(0, begin, x, row, target);
  for (int pixel = begin; pixel < end; ++pixel) {
    const uint8x8_t bytes = vld1_u8(row.data + at(pixel));
    const int16x8_t values = vreinterpretq_s16_u8(vqtbl1q_u8(vcombine_u8(bytes, bytes), channels));
    const int32x4_t first = vmull_n_s16(vget_low_s16(values), x.weights[2 * pixel]);
    const int32x4_t sums = vmlal_high_n_s16(first, values, x.weights[2 * pixel + 1]);
    vst1_s16(target + kChannels * pixel, vshrn_n_s32(sums, kLinearBits - kBetween));  // the fourth is overwritten
  }
  interpolate_some(end, x.size, x, row, target);
}

void interpolate_rows_neon(const int16_t* const* rows, const int16_t* weights, int count, uint8_t* target) {
  const auto levels = [&](int i) {
    // Twice the product's upper half, rounded down: half of it, rounded down, is the upper half.
    const int16x8_t one = vqdmulhq_n_s16(vld1q_s16(rows[0] + i), weights[0]);
    const int16x8_t other = vqdmulhq_n_s16(vld1q_s16(rows[1] + i), weights[1]);
    return vqrshrun_n_s16(vsraq_n_s16(vshrq_n_s16(one, 1), other, 1), 2);
  };
  int i = 0;
  for (; i + 16 <= count; i += 16) vst1q_u8(target + i, vcombine_u8(levels(i), levels(i + 8)));
  interpolate_rows_from(i, rows, weights, count, target);
}

}  // namespace stc::cpu
#endif

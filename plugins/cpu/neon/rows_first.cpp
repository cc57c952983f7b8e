#if defined(__aarch64__)
#include "rows_first.h"

#include <arm_neon.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "../portable/rows_first.h"

namespace stc::cpu {
namespace {

constexpr int kBlock = 16;  // bytes of a row at a time

/// Bytes [at, at + kBlock) of the rows.
void blend_block(const int16_t* weights, int taps, int shift, const uint8_t* const* rows, int64_t at, int16_t* target) {
  int32x4_t sums[4];
  for (int32x4_t& sum : sums) sum = vdupq_n_s32(1 << shift >> 1);
  for (int t = 0; t < taps; ++t) {
    const uint8x16_t bytes = vld1q_u8(rows[t] + at);
    const int16x8_t low = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(bytes)));
    const int16x8_t high = vreinterpretq_s16_u16(vmovl_high_u8(bytes));
    sums[0] = vmlal_n_s16(sums[0], vget_low_s16(low), weights[t]);
    sums[1] = vmlal_high_n_s16(sums[1], low, weights[t]);
    sums[2] = vmlal_n_s16(sums[2], vget_low_s16(high), weights[t]);
    sums[3] = vmlal_high_n_s16(sums[3], high, weights[t]);
  }
  const int32x4_t by = vdupq_n_s32(-shift);
  for (int32x4_t& sum : sums) sum = vshlq_s32(sum, by);
  vst1q_s16(target + at, vcombine_s16(vmovn_s32(sums[0]), vmovn_s32(sums[1])));
  vst1q_s16(target + at + 8, vcombine_s16(vmovn_s32(sums[2]), vmovn_s32(sums[3])));
}

/// Three levels, and one that does not count, as bytes: the next pixel overwrites the last, unless there is none.
void put(int32x4_t levels, bool last, uint8_t* target) {
  const uint16x4_t words = vqmovun_s32(levels);
  const uint32_t four = vget_lane_u32(vreinterpret_u32_u8(vqmovn_u16(vcombine_u16(words, words))), 0);
  std::memcpy(target, &four, last ? 3 : 4);
}

}  // namespace

void blend_rows_neon(const int16_t* weights, int taps, int bits, const uint8_t* const* rows, int64_t bytes,
                     int16_t* target) {
  if (bytes < kBlock) return blend_rows_from(0, weights, taps, bits, rows, bytes, target);
  const int shift = bits - kBetween;
  int64_t at = 0;
  for (; at + kBlock <= bytes; at += kBlock) blend_block(weights, taps, shift, rows, at, target);
  if (at < bytes) blend_block(weights, taps, shift, rows, bytes - kBlock, target);  // some bytes twice
}

void blend_pixels_neon(const ShortAxis& x, const int16_t* row, Spacing spacing, uint8_t* target) {
  // One load takes a pixel whose channels are neighbours, as all but odd views have them.
  if (std::abs(spacing.channel) > 1) return blend_pixels(x, row, spacing, target);
  const int begin = std::min(0, (kChannels - 1) * spacing.channel);
  uint8_t order[16] = {};
  for (int c = 0; c < kChannels; ++c) {
    for (int i = 0; i < 4; ++i) order[4 * c + i] = static_cast<uint8_t>(4 * (c * spacing.channel - begin) + i);
  }
  const uint8x16_t channels = vld1q_u8(order);
  const int shift = x.bits + kBetween;
  const int32x4_t half = vdupq_n_s32(1 << shift >> 1), by = vdupq_n_s32(-shift);
  row += begin;
  for (int pixel = 0; pixel < x.size; ++pixel, target += kChannels) {
    const int16_t* weights = x.weights + int64_t{pixel} * x.taps;
    const int16_t* from = row + int64_t{x.first[pixel]} * spacing.pixel;
    int32x4_t even = half, odd = vdupq_n_s32(0);
    for (int t = 0; t < x.taps; t += 4, from += 4 * spacing.pixel) {
      const int16x4_t four = vld1_s16(weights + t);
      even = vmlal_lane_s16(even, vld1_s16(from), four, 0);
      odd = vmlal_lane_s16(odd, vld1_s16(from + spacing.pixel), four, 1);
      even = vmlal_lane_s16(even, vld1_s16(from + 2 * spacing.pixel), four, 2);
      odd = vmlal_lane_s16(odd, vld1_s16(from + 3 * spacing.pixel), four, 3);
    }
    const int32x4_t levels = vshlq_s32(vaddq_s32(even, odd), by);
    put(vreinterpretq_s32_u8(vqtbl1q_u8(vreinterpretq_u8_s32(levels), channels)), pixel + 1 == x.size, target);
  }
}

void dots_neon(const Dots& dots, const int16_t* row, int32_t* target) {
  const int32x4_t half = vdupq_n_s32(1 << dots.shift >> 1), by = vdupq_n_s32(-dots.shift);
  int pixel = 0;
  for (; pixel + 4 <= dots.size; pixel += 4) {
    int32x4_t sums[4];
    for (int i = 0; i < 4; ++i) {
      const int16_t* weights = dots.weights + (pixel + i) * dots.length;
      const int16_t* from = row + dots.first[pixel + i] * dots.step;
      sums[i] = vdupq_n_s32(0);
      for (int64_t t = 0; t < dots.length; t += 8) {
        const int16x8_t values = vld1q_s16(from + t), shares = vld1q_s16(weights + t);
        sums[i] = vmlal_s16(sums[i], vget_low_s16(values), vget_low_s16(shares));
        sums[i] = vmlal_high_s16(sums[i], values, shares);
      }
    }
    const int32x4_t all = vpaddq_s32(vpaddq_s32(sums[0], sums[1]), vpaddq_s32(sums[2], sums[3]));
    vst1q_s32(target + pixel, vshlq_s32(vaddq_s32(all, half), by));
  }
  dots_from(pixel, dots, row, target);
}

}  // namespace stc::cpu
#endif

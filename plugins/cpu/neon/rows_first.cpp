#if defined(__aarch64__)
#include "rows_first.h"

#include <arm_neon.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "../portable/rows_first.h"

namespace stc::cpu {
namespace {

constexpr int kBlock = 32;  // bytes of a row at a time

/// Bytes [at, at + kBlock) of the rows.
inline void blend_block(const int16_t* weights, int taps, int shift, const uint8_t* const* rows, int64_t at,
                        int16_t* target) {
  int32x4_t sums[8];
  for (int32x4_t& sum : sums) sum = vdupq_n_s32(1 << shift >> 1);
  for (int t = 0; t < taps; ++t) {
    const int16x4_t weight = vdup_n_s16(weights[t]);
    const uint8x16_t bytes[2] = {vld1q_u8(rows[t] + at), vld1q_u8(rows[t] + at + 16)};
    for (int i = 0; i < 2; ++i) {
      const int16x8_t low = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(bytes[i])));
      const int16x8_t high = vreinterpretq_s16_u16(vmovl_high_u8(bytes[i]));
      sums[4 * i] = vmlal_lane_s16(sums[4 * i], vget_low_s16(low), weight, 0);
      sums[4 * i + 1] = vmlal_high_lane_s16(sums[4 * i + 1], low, weight, 0);
      sums[4 * i + 2] = vmlal_lane_s16(sums[4 * i + 2], vget_low_s16(high), weight, 0);
      sums[4 * i + 3] = vmlal_high_lane_s16(sums[4 * i + 3], high, weight, 0);
    }
  }
  const int32x4_t by = vdupq_n_s32(-shift);
  for (int i = 0; i < 8; i += 2) {
    const int16x4_t low = vmovn_s32(vshlq_s32(sums[i], by));
    vst1q_s16(target + at + 4 * i, vmovn_high_s32(low, vshlq_s32(sums[i + 1], by)));
  }
}

/// Three levels, and one that does not count, as bytes.
inline uint32_t bytes_of(int32x4_t levels) {
  const uint16x4_t words = vqmovun_s32(levels);
  return vget_lane_u32(vreinterpret_u32_u8(vqmovn_u16(vcombine_u16(words, words))), 0);
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
  const ShortAxis axis = x;  // a copy: bytes that are written might lie in the one that was given
  const int shift = axis.bits + kBetween;
  const int32x4_t half = vdupq_n_s32(1 << shift >> 1), by = vdupq_n_s32(-shift);
  const int64_t step = spacing.pixel;
  const int16_t* weights = axis.weights;
  row += begin;
  const auto next = [&](int pixel) {
    const int16_t* from = row + axis.first[pixel] * step;
    int32x4_t even = half, odd = vdupq_n_s32(0);
    for (int t = 0; t < axis.taps; t += 4, from += 4 * step, weights += 4) {
      const int16x4_t four = vld1_s16(weights);
      even = vmlal_lane_s16(even, vld1_s16(from), four, 0);
      odd = vmlal_lane_s16(odd, vld1_s16(from + step), four, 1);
      even = vmlal_lane_s16(even, vld1_s16(from + 2 * step), four, 2);
      odd = vmlal_lane_s16(odd, vld1_s16(from + 3 * step), four, 3);
    }
    const int32x4_t levels = vshlq_s32(vaddq_s32(even, odd), by);
    return bytes_of(vreinterpretq_s32_u8(vqtbl1q_u8(vreinterpretq_u8_s32(levels), channels)));
  };
  for (int pixel = 0; pixel + 1 < axis.size; ++pixel, target += kChannels) {
    const uint32_t four = next(pixel);
    std::memcpy(target, &four, sizeof four);  // the next pixel overwrites the last byte
  }
  const uint32_t last = next(axis.size - 1);
  std::memcpy(target, &last, kChannels);
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

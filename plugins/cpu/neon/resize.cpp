#if defined(__aarch64__)
#include <arm_neon.h>

#include <cstdint>
#include <cstring>

#include "../resize.h"
#include "linear.h"
#include "rows_first.h"

namespace stc::cpu {
namespace {

/// Which bytes of sixteen become the low bytes of four numbers of 32 bits: `first`, `first + step` … Others are 0.
uint8x16_t widening(int first, int step) {
  uint8_t bytes[16];
  std::memset(bytes, 0xff, sizeof bytes);
  for (int i = 0; i < 4; ++i) bytes[4 * i] = static_cast<uint8_t>(first + i * step);
  return vld1q_u8(bytes);
}

/// The nearest levels of sums in 2^-kFraction, at most 65535.
uint16x4_t levels(int32x4_t sums) { return vqmovun_s32(vrshrq_n_s32(sums, kFraction)); }

/// Four source pixels at a time, of each channel a vector. Products of 8 and 24 bits fit: no weight is taken in parts.
template <int Rows>
void columns_at_once(const ResizeAxis& x, const uint8_t* const* rows, int width, uint8_t* const* targets) {
  uint8x16_t channels[kChannels];
  for (int c = 0; c < kChannels; ++c) channels[c] = widening(c, kChannels);
  // The last four pixels of a target's taps are read as sixteen bytes, which must not leave the row.
  int safe = 0;
  while (safe < x.size && kChannels * (x.first[safe] + x.taps - 4) + 16 <= kChannels * width) ++safe;
  for (int pixel = 0; pixel < safe; ++pixel) {
    int32x4_t sums[Rows][kChannels];
    for (auto& row : sums) {
      for (int32x4_t& sum : row) sum = vdupq_n_s32(0);
    }
    for (int t = 0; t < x.taps; t += 4) {
      const int32x4_t weights = vld1q_s32(x.weights + int64_t{pixel} * x.taps + t);
      for (int row = 0; row < Rows; ++row) {
        const uint8x16_t bytes = vld1q_u8(rows[row] + int64_t{kChannels} * (x.first[pixel] + t));
        for (int c = 0; c < kChannels; ++c) {
          const int32x4_t values = vreinterpretq_s32_u8(vqtbl1q_u8(bytes, channels[c]));
          sums[row][c] = vmlaq_s32(sums[row][c], values, weights);
        }
      }
    }
    for (int row = 0; row < Rows; ++row) {
      const int32x4_t* own = sums[row];
      const uint16x4_t values = levels(vpaddq_s32(vpaddq_s32(own[0], own[1]), vpaddq_s32(own[2], own[2])));
      const uint32_t four = vget_lane_u32(vreinterpret_u32_u8(vqmovn_u16(vcombine_u16(values, values))), 0);
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
  const int32_t* weights = y.weights + int64_t{pixel} * y.taps;
  uint8x16_t quarters[4];
  for (int i = 0; i < 4; ++i) quarters[i] = widening(4 * i, 1);
  for (int start = 0; start < bytes; start += 16) {
    int32x4_t sums[4] = {vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0)};
    for (int t = 0; t < y.taps; ++t) {
      const uint8x16_t own = vld1q_u8(rows[t] + start);
      for (int i = 0; i < 4; ++i) {
        sums[i] = vmlaq_n_s32(sums[i], vreinterpretq_s32_u8(vqtbl1q_u8(own, quarters[i])), weights[t]);
      }
    }
    const uint8x8_t low = vqmovn_u16(vcombine_u16(levels(sums[0]), levels(sums[1])));
    const uint8x8_t high = vqmovn_u16(vcombine_u16(levels(sums[2]), levels(sums[3])));
    if (start + 16 <= bytes) {
      vst1q_u8(target + start, vcombine_u8(low, high));
    } else {
      uint8_t end[16];
      vst1q_u8(end, vcombine_u8(low, high));
      std::memcpy(target + start, end, bytes - start);
    }
  }
}

}  // namespace

ResizeKernels neon_resize() {
  return {columns, rows, blend_rows_neon, blend_pixels_neon, interpolate_pixels_neon, interpolate_rows_neon, dots_neon};
}

}  // namespace stc::cpu
#endif

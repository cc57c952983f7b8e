#include <algorithm>

#include "../resize.h"
#include "linear.h"
#include "rows_first.h"

namespace stc::cpu {
namespace {

void columns(const ResizeAxis& x, const uint8_t* const* rows, int width, int count, uint8_t* const* targets) {
  resize_columns_from(0, x, rows, width, count, targets);
}

void rows(const ResizeAxis& y, int pixel, const uint8_t* const* rows, int bytes, uint8_t* target) {
  constexpr int kBlock = 64;  // sums that stay in registers
  const int32_t* weights = y.weights + int64_t{pixel} * y.taps;
  for (int start = 0; start < bytes; start += kBlock) {
    int32_t sums[kBlock];
    std::fill_n(sums, kBlock, 1 << (kFraction - 1));
    for (int t = 0; t < y.taps; ++t) {
      if (weights[t] == 0) continue;
      for (int i = 0; i < kBlock; ++i) sums[i] += rows[t][start + i] * weights[t];
    }
    for (int i = 0; i < std::min(kBlock, bytes - start); ++i) {
      target[start + i] = static_cast<uint8_t>(std::min(255, sums[i] >> kFraction));
    }
  }
}

}  // namespace

void resize_columns_from(int begin, const ResizeAxis& x, const uint8_t* const* rows, int width, int count,
                         uint8_t* const* targets) {
  for (int pixel = begin; pixel < x.size; ++pixel) {
    const int32_t* weights = x.weights + int64_t{pixel} * x.taps;
    int taps = std::min(x.taps, width - x.first[pixel]);
    while (taps > 1 && weights[taps - 1] == 0) --taps;
    for (int row = 0; row < count; ++row) {
      const uint8_t* from = rows[row] + int64_t{x.first[pixel]} * kChannels;
      int32_t a = 1 << (kFraction - 1), b = a, c = a;
      for (int t = 0; t < taps; ++t, from += kChannels) {
        a += from[0] * weights[t];
        b += from[1] * weights[t];
        c += from[2] * weights[t];
      }
      uint8_t* to = targets[row] + int64_t{pixel} * kChannels;
      to[0] = static_cast<uint8_t>(std::min(255, a >> kFraction));
      to[1] = static_cast<uint8_t>(std::min(255, b >> kFraction));
      to[2] = static_cast<uint8_t>(std::min(255, c >> kFraction));
    }
  }
}

ResizeKernels portable_resize() {
  return {columns, rows, blend_rows, blend_pixels, interpolate_pixels, interpolate_rows, dots};
}

}  // namespace stc::cpu

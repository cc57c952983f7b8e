#include <algorithm>

#include "resize.h"

namespace stc::cpu {
namespace {

void columns(const ResizeAxis& x, const uint8_t* const* rows, int width, int count, uint8_t* const* targets) {
  for (int row = 0; row < count; ++row) {
    for (int pixel = 0; pixel < x.size; ++pixel) resize_pixel(x, pixel, rows[row], width, targets[row]);
  }
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

void resize_pixel(const ResizeAxis& x, int pixel, const uint8_t* row, int width, uint8_t* target) {
  const int first = x.first[pixel], taps = std::min(x.taps, width - first);
  int32_t sums[kChannels];
  std::fill_n(sums, kChannels, 1 << (kFraction - 1));
  for (int t = 0; t < taps; ++t) {
    for (int c = 0; c < kChannels; ++c) sums[c] += row[(first + t) * kChannels + c] * x.weights[pixel * x.taps + t];
  }
  for (int c = 0; c < kChannels; ++c) {
    target[pixel * kChannels + c] = static_cast<uint8_t>(std::min(255, sums[c] >> kFraction));
  }
}

ResizeKernels portable_resize() { return {columns, rows}; }

}  // namespace stc::cpu

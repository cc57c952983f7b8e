#include "linear.h"

#include <algorithm>

namespace stc::cpu {

void interpolate_some(int begin, int end, const ShortAxis& x, const SourceRow& row, int16_t* target) {
  const Spacing spacing = row.layout.spacing;
  const auto at = [&](int pixel) {
    return row.data + row.layout.origin + int64_t{std::clamp(pixel, 0, row.pixels - 1)} * spacing.pixel;
  };
  for (int pixel = begin; pixel < end; ++pixel) {
    const int32_t one = x.weights[2 * pixel], other = x.weights[2 * pixel + 1];
    const uint8_t *first = at(x.first[pixel]), *second = at(x.first[pixel] + 1);
    for (int c = 0; c < kChannels; ++c) {
      const int32_t sum = first[c * spacing.channel] * one + second[c * spacing.channel] * other;
      target[kChannels * pixel + c] = static_cast<int16_t>(sum >> (kLinearBits - kBetween));
    }
  }
}

void interpolate_pixels(const ShortAxis& x, const SourceRow& row, int16_t* target) {
  interpolate_some(0, x.size, x, row, target);
}

void interpolate_rows_from(int begin, const int16_t* const* rows, const int16_t* weights, int count, uint8_t* target) {
  const int32_t one = weights[0], other = weights[1];
  for (int i = begin; i < count; ++i) {
    target[i] = static_cast<uint8_t>(((rows[0][i] * one >> 16) + (rows[1][i] * other >> 16) + 2) >> 2);
  }
}

void interpolate_rows(const int16_t* const* rows, const int16_t* weights, int count, uint8_t* target) {
  interpolate_rows_from(0, rows, weights, count, target);
}

}  // namespace stc::cpu

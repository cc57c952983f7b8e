// What both ways along x share.
#pragma once

#include <algorithm>
#include <cstdint>

#include "../resize.h"

namespace stc::cpu {

/// How the channels of two neighbouring pixels come to lie side by side in 16 bits each, as one multiplication of pairs
/// wants: bytes to choose of a vector of eight elements of one or two bytes, and where it begins, seen from the first
/// pixel.
struct Pairing {
  int8_t bytes[16];
  int begin;

  Pairing(Spacing spacing, int size)
      : begin(std::min(0, spacing.pixel) + std::min(0, (kChannels - 1) * spacing.channel)) {
    std::fill_n(bytes, 16, int8_t{-1});
    for (int c = 0; c < kChannels; ++c) {
      for (int p = 0; p < 2; ++p) {
        const int element = p * spacing.pixel + c * spacing.channel - begin;
        for (int i = 0; i < size; ++i) bytes[4 * c + 2 * p + i] = static_cast<int8_t>(size * element + i);
      }
    }
  }
};

}  // namespace stc::cpu

// Pillow's BILINEAR for pictures of three channels: a triangle filter as wide as the shrinking asks for, columns first,
// each pass rounded to 8 bits. Integer arithmetic, so every instruction set gives the same bytes.
#pragma once

#include <cstdint>

#include "stc_cpu.h"

namespace stc::cpu {

constexpr int kChannels = 3;
constexpr int kFraction = 22;   ///< bits of a weight; 1 is 2^22
constexpr int kLowBits = 11;    ///< a weight in two parts that fit 16 bits: high * 2^11 + low
constexpr int kRowsAtOnce = 4;  ///< every weight that was read serves so many rows

/// One axis, arranged for vectors: `taps` is a multiple of 4, weights beyond the source's end are 0.
struct ResizeAxis {
  int size, taps;
  const int32_t* first;       ///< (size,) the first source pixel that a target pixel reads
  const int32_t* weights;     ///< (size, taps)
  const int16_t *high, *low;  ///< (size, taps) the same in two parts
};

struct ResizeKernels {
  /// `count` rows of `width` source pixels along x: rows[i] to targets[i], which may be written a vector further.
  void (*columns)(const ResizeAxis& x, const uint8_t* const* rows, int width, int count, uint8_t* const* targets);
  /// One row of `bytes` bytes from rows[0..taps - 1], which may be read a vector further.
  void (*rows)(const ResizeAxis& y, int pixel, const uint8_t* const* rows, int bytes, uint8_t* target);
};

inline constexpr int kVector = 64;  ///< bytes that may be read or written beyond a row

ResizeKernels portable_resize();
#if defined(__x86_64__)
ResizeKernels avx2_resize();  ///< only to be called where the machine has AVX2
#endif

/// ResizeKernels::columns from target pixel `begin` on, without vectors: for what none fits.
void resize_columns_from(int begin, const ResizeAxis& x, const uint8_t* const* rows, int width, int count,
                         uint8_t* const* targets);

}  // namespace stc::cpu

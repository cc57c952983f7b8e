// Resizing of pictures of three channels, in three ways. Columns first, each pass rounded to 8 bits, is Pillow's; rows
// first, with 7 more bits in between, reads every source pixel once and in the order of memory: what averages of areas
// want; linear interpolation rounds as OpenCV does. Integer arithmetic, so every instruction set gives the same bytes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "stc_cpu.h"

namespace stc::cpu {

constexpr int kChannels = 3;
constexpr int kFraction = 22;    ///< bits of a weight; 1 is 2^22
constexpr int kLowBits = 11;     ///< a weight in two parts that fit 16 bits: high * 2^11 + low
constexpr int kRowsAtOnce = 4;   ///< every weight that was read serves so many rows
constexpr int kBetween = 7;      ///< bits that rows first and linear keep below a level between their passes
constexpr int kLinearBits = 11;  ///< of a weight of linear

/// One axis, arranged for vectors: `taps` is a multiple of 4, weights beyond the source's end are 0.
struct ResizeAxis {
  int size, taps;
  const int32_t* first;       ///< (size,) the first source pixel that a target pixel reads
  const int32_t* weights;     ///< (size, taps)
  const int16_t *high, *low;  ///< (size, taps) the same in two parts
};

/// The same for rows first and linear: weights in 16 bits, of which `bits` are the fraction.
struct ShortAxis {
  int size, taps, bits;
  const int32_t* first;
  const int16_t* weights;
};

/// Where the channels of a row's pixels lie, in elements: channel c of pixel p at p * pixel + c * channel.
struct Spacing {
  int pixel, channel;

  /// Elements from the least of two neighbouring pixels to the greatest: two pixels fit a vector of eight.
  static bool fits(int64_t pixel, int64_t channel) {
    return std::max(pixel, -pixel) + (kChannels - 1) * std::max(channel, -channel) < 8;
  }
};

/// How rows of a source are read: as they lie, or packed where their pixels lie too far apart for vectors.
struct RowLayout {
  bool packed;
  Spacing spacing;
  int64_t bytes, origin;  ///< from a row's lowest address to its highest; from there to pixel 0

  explicit RowLayout(const stc_resize& op);

  /// Row `y` from its lowest address on, in `copy`, `bytes` long, if rows are packed.
  const uint8_t* row(const stc_resize& op, int y, uint8_t* copy) const;
};

/// A row of `pixels` pixels that lie as the layout says.
struct SourceRow {
  const uint8_t* data;
  int pixels;
  const RowLayout& layout;
};

/// One plane along x: a target pixel is the dot product of its weights with `length` elements, a multiple of 8, of a
/// row.
struct Dots {
  int size, shift;         ///< pixels; bits that a product has too many
  int64_t length, step;    ///< elements of weights; from one source pixel to the next
  const int32_t* first;    ///< (size,) source pixels
  const int16_t* weights;  ///< (size, length)
};

struct ResizeKernels {
  /// `count` rows of `width` source pixels along x: rows[i] to targets[i], which may be written a vector further.
  void (*columns)(const ResizeAxis& x, const uint8_t* const* rows, int width, int count, uint8_t* const* targets);
  /// One row of `bytes` bytes from rows[0..taps - 1], which may be read a vector further.
  void (*rows)(const ResizeAxis& y, int pixel, const uint8_t* const* rows, int bytes, uint8_t* target);

  /// Rows first. Of each of `bytes` bytes the sum over `taps` (even) rows, in 2^-kBetween; reads nothing else.
  void (*blend_rows)(const int16_t* weights, int taps, int bits, const uint8_t* const* rows, int64_t bytes,
                     int16_t* target);
  /// Then along x, rounded to bytes. `row` points at pixel 0; every tap is read, and up to a vector around it.
  void (*blend_pixels)(const ShortAxis& x, const int16_t* row, Spacing spacing, uint8_t* target);
  /// Linear. Of each target pixel the two source pixels along x, in 2^-kBetween, rounded down; pixels beyond either end
  /// are the edge's. `target`, (x.size, 3), may be written one element further.
  void (*interpolate_pixels)(const ShortAxis& x, const SourceRow& row, int16_t* target);
  /// Then of two such rows `count` bytes, each row's share in 2^-2 rounded down, their sum rounded halves up.
  void (*interpolate_rows)(const int16_t* const* rows, const int16_t* weights, int count, uint8_t* target);
  /// Dot products, rounded, without the bits that are too many.
  void (*dots)(const Dots& dots, const int16_t* row, int32_t* target);
};

inline constexpr int kVector = 64;  ///< bytes that may be read or written beyond a row

ResizeKernels portable_resize();
#if defined(__x86_64__)
ResizeKernels avx2_resize();  ///< only to be called where the machine has AVX2
#endif
#if defined(__aarch64__)
ResizeKernels neon_resize();
#endif

/// ResizeKernels::columns from target pixel `begin` on, without vectors: for what none fits.
void resize_columns_from(int begin, const ResizeAxis& x, const uint8_t* const* rows, int width, int count,
                         uint8_t* const* targets);

/// A ShortAxis and the memory that it points to.
struct OwnedShortAxis {
  std::vector<int16_t> weights;
  ShortAxis axis;

  /// `taps` becomes a multiple of `multiple`; the fraction has as many bits as fit, at most `most_bits`.
  OwnedShortAxis(const stc_resize_axis& given, int multiple, int most_bits);
};

/// Whether an axis reads pixels [0, source) only, and a target pixel's weights are not negative and add up to `most`,
/// in 2^-kFraction, or less.
bool sound(const stc_resize_axis& axis, int source, int64_t most);

/// The picture resized rows first, on at most `threads` threads. Throws std::bad_alloc.
void resize_rows_first(const stc_resize& op, int threads);

/// Whether an axis of linear has two taps, and weights that add up to 1 or a rounding more.
bool sound_linear(const stc_resize_axis& axis, int source);

/// The picture interpolated as OpenCV's INTER_LINEAR, on at most `threads` threads. Throws std::bad_alloc.
void resize_linear(const stc_resize& op, int threads);

/// Row `y` of the source as `width` pixels of three bytes side by side.
void pack_row(const stc_resize& op, int y, uint8_t* target);

}  // namespace stc::cpu

// Rows first without vectors of any machine: what the compiler makes of it.
#pragma once

#include "../resize.h"

namespace stc::cpu {

void blend_rows(const int16_t* weights, int taps, int bits, const uint8_t* const* rows, int64_t bytes, int16_t* target);

/// blend_rows from byte `begin` on: for what no vector fits.
void blend_rows_from(int64_t begin, const int16_t* weights, int taps, int bits, const uint8_t* const* rows,
                     int64_t bytes, int16_t* target);

void blend_pixels(const ShortAxis& x, const int16_t* row, Spacing spacing, uint8_t* target);

void dots(const Dots& dots, const int16_t* row, int32_t* target);

/// Dots from pixel `begin` on.
void dots_from(int begin, const Dots& dots, const int16_t* row, int32_t* target);

}  // namespace stc::cpu

// Rows first with AVX2.
#pragma once

#include "../resize.h"

namespace stc::cpu {

void blend_rows_avx2(const int16_t* weights, int taps, int bits, const uint8_t* const* rows, int64_t bytes,
                     int16_t* target);
void blend_pixels_avx2(const ShortAxis& x, const int16_t* row, Spacing spacing, uint8_t* target);

void dots_avx2(const Dots& dots, const int16_t* row, int32_t* target);

}  // namespace stc::cpu

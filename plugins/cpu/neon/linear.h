// Linear interpolation with NEON.
#pragma once

#include "../resize.h"

namespace stc::cpu {

void interpolate_pixels_neon(const ShortAxis& x, const SourceRow& row, int16_t* target);

void interpolate_rows_neon(const int16_t* const* rows, const int16_t* weights, int count, uint8_t* target);

}  // namespace stc::cpu

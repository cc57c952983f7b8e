// Linear interpolation without vectors of any machine: what the compiler makes of it.
#pragma once

#include "../resize.h"

namespace stc::cpu {

void interpolate_pixels(const ShortAxis& x, const SourceRow& row, int16_t* target);

/// Target pixels [begin, end) of it: for what no vector fits.
void interpolate_some(int begin, int end, const ShortAxis& x, const SourceRow& row, int16_t* target);

void interpolate_rows(const int16_t* const* rows, const int16_t* weights, int count, uint8_t* target);

/// interpolate_rows from byte `begin` on.
void interpolate_rows_from(int begin, const int16_t* const* rows, const int16_t* weights, int count, uint8_t* target);

}  // namespace stc::cpu

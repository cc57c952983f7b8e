// Four floats in the vectors that GCC and Clang offer for every machine: SSE on x86, plain code where there are none.
#pragma once

#include <cstdint>
#include <cstring>

#include "../simd/half.h"
#include "../simd/spread.h"
#include "stc/arithmetic.h"

namespace stc::cpu {

struct Portable {
  static constexpr int kLanes = 4;
  static constexpr const char* kName = "portable";
  static constexpr bool kPaired = true;
  typedef float Vector __attribute__((vector_size(4 * kLanes)));
  Vector v;

  Portable() = default;
  STC_HD Portable(Vector x) : v(x) {}
  STC_HD explicit Portable(float x) : v(Vector{} + x) {}
  STC_HD static Portable load(const float* p) {
    Portable r;
    std::memcpy(&r.v, p, sizeof r.v);
    return r;
  }
  STC_HD static Portable load(const Half* p) {
    Portable r;
    for (int i = 0; i < kLanes; ++i) r.v[i] = to_float(read(p + i));
    return r;
  }
  STC_HD void store(float* p) const { std::memcpy(p, &v, sizeof v); }
  STC_HD void store(Half* p) const {
    for (int i = 0; i < kLanes; ++i) write(p + i, to_half(v[i]));
  }

  /// A byte, 0 or 1, for each of 8 bits.
  static constexpr int kSpread = 8;
  STC_HD static void spread(const uint8_t* bits, uint8_t* bytes) { spread_byte(*bits, 8, bytes); }
};

STC_HD Portable multiply(Portable a, Portable b) { return a.v * b.v; }
STC_HD Portable add(Portable a, Portable b) { return a.v + b.v; }
STC_HD Portable subtract(Portable a, Portable b) { return a.v - b.v; }
STC_HD Portable multiply_add(Portable a, Portable b, Portable c) { return a.v * b.v + c.v; }
STC_HD Portable relu(Portable x) { return x.v < 0.0f ? Portable(0.0f).v : x.v; }

/// x taken into low..high; NaN stays.
STC_HD Portable clamp(Portable x, float low, float high) {
  const Portable::Vector least = Portable(low).v, most = Portable(high).v;
  return x.v > most ? most : x.v < least ? least : x.v;
}

/// x * 2^n, n whole in -126..126, x in 0.5..2; NaN stays.
STC_HD Portable times_power_of_two(Portable x, Portable n) {
  typedef int32_t Integers __attribute__((vector_size(4 * Portable::kLanes)));
  const Portable::Vector shifted = n.v + 12582912.0f;  // 1.5 * 2^23: n is in the low bits
  Integers bits, exponent;
  std::memcpy(&bits, &x.v, sizeof bits);
  std::memcpy(&exponent, &shifted, sizeof exponent);
  bits += exponent << 23;
  Portable::Vector scaled;
  std::memcpy(&scaled, &bits, sizeof scaled);
  return x.v == x.v ? scaled : x.v;
}

STC_HD Portable reciprocal(Portable x) { return 1.0f / x.v; }

/// Bit i tells whether lane i is above `threshold`; NaN is not.
STC_HD unsigned above(Portable x, float threshold) {
  unsigned bits = 0;
  for (int i = 0; i < Portable::kLanes; ++i) bits |= static_cast<unsigned>(x.v[i] > threshold) << i;
  return bits;
}

/// a0 b0 a1 b1 …, in two halves.
STC_HD void interleave(Portable a, Portable b, Portable& first, Portable& second) {
  for (int i = 0; i < Portable::kLanes / 2; ++i) {
    first.v[2 * i] = a.v[i];
    first.v[2 * i + 1] = b.v[i];
    second.v[2 * i] = a.v[i + Portable::kLanes / 2];
    second.v[2 * i + 1] = b.v[i + Portable::kLanes / 2];
  }
}

/// row[low[i]] and row[high[i]] for every lane. That they are small (`narrow`) is of no use here.
STC_HD void look_up(const float* row, const int32_t* low, const int32_t* high, bool /*narrow*/, Portable& a,
                    Portable& b) {
  for (int i = 0; i < Portable::kLanes; ++i) {
    a.v[i] = row[low[i]];
    b.v[i] = row[high[i]];
  }
}

}  // namespace stc::cpu

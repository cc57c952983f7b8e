// Four floats in the vectors that GCC and Clang offer for every machine: NEON on Arm, SSE on x86, plain code elsewhere.
#pragma once

#include <cstdint>
#include <cstring>

#include "half.h"
#include "spread.h"
#include "stc/arithmetic.h"

namespace stc::cpu {

struct Portable {
  static constexpr int kLanes = 4;
  static constexpr const char* kName = "portable";
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
    for (int i = 0; i < kLanes; ++i) r.v[i] = to_float(p[i]);
    return r;
  }
  STC_HD void store(float* p) const { std::memcpy(p, &v, sizeof v); }
  STC_HD void store(Half* p) const {
    for (int i = 0; i < kLanes; ++i) p[i] = to_half(v[i]);
  }

  /// A byte, 0 or 1, for each of 8 bits.
  static constexpr int kSpread = 8;
  STC_HD static void spread(const uint8_t* bits, uint8_t* bytes) { spread_byte(*bits, 8, bytes); }
};

STC_HD Portable multiply(Portable a, Portable b) { return a.v * b.v; }
STC_HD Portable subtract(Portable a, Portable b) { return a.v - b.v; }
STC_HD Portable multiply_add(Portable a, Portable b, Portable c) { return a.v * b.v + c.v; }
STC_HD Portable relu(Portable x) { return x.v < 0.0f ? Portable(0.0f).v : x.v; }

/// As in lanes_avx2.h, which says how.
STC_HD Portable sigmoid(Portable x) {
  typedef int32_t Integers __attribute__((vector_size(4 * Portable::kLanes)));
  using Vector = Portable::Vector;
  const Vector limit = Portable(87.0f).v;
  const Vector bounded = x.v > limit ? limit : x.v < -limit ? -limit : x.v;
  // Adding 1.5 * 2^23 rounds to whole numbers, and leaves them in the low bits.
  const Vector magic = Portable(12582912.0f).v;
  const Vector shifted = bounded * -1.44269504088896341f + magic;
  const Vector whole = shifted - magic;
  const Vector r = (-bounded - whole * 0.693359375f) - whole * -2.12194440e-4f;
  Vector p = r * (1.0f / 720) + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  Integers bits, exponent;
  std::memcpy(&bits, &p, sizeof p);
  std::memcpy(&exponent, &shifted, sizeof shifted);
  bits += exponent << 23;
  Vector e;
  std::memcpy(&e, &bits, sizeof e);
  const Vector result = 1.0f / (1.0f + e);
  return x.v == x.v ? result : x.v;
}

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

/// row[low[i]] and row[high[i]] for every lane. `narrow` promises small indices, which faster hardware makes use of.
STC_HD void look_up(const float* row, const int32_t* low, const int32_t* high, [[maybe_unused]] bool narrow, Portable& a,
                    Portable& b) {
  for (int i = 0; i < Portable::kLanes; ++i) {
    a.v[i] = row[low[i]];
    b.v[i] = row[high[i]];
  }
}

}  // namespace stc::cpu

// Eight floats in two NEON registers: what every 64-bit Arm has.
#pragma once

#include <arm_neon.h>

#include <cstdint>
#include <cstring>

#include "../simd/half.h"
#include "stc/arithmetic.h"

namespace stc::cpu {

struct Neon {
  static constexpr int kLanes = 8;
  static constexpr const char* kName = "neon";
  static constexpr bool kPaired = false;  // a cell's features and sums fill the 32 registers already
  float32x4_t a, b;

  Neon() = default;
  STC_HD Neon(float32x4_t first, float32x4_t second) : a(first), b(second) {}
  STC_HD explicit Neon(float x) : a(vdupq_n_f32(x)), b(a) {}
  // As bytes: these addresses need no alignment.
  STC_HD static Neon load(const float* p) {
    const uint8_t* bytes = reinterpret_cast<const uint8_t*>(p);
    return {vreinterpretq_f32_u8(vld1q_u8(bytes)), vreinterpretq_f32_u8(vld1q_u8(bytes + 16))};
  }
  STC_HD static Neon load(const Half* p) {
    const float16x8_t halves = vreinterpretq_f16_u8(vld1q_u8(reinterpret_cast<const uint8_t*>(p)));
    return {vcvt_f32_f16(vget_low_f16(halves)), vcvt_high_f32_f16(halves)};
  }
  STC_HD void store(float* p) const {
    uint8_t* bytes = reinterpret_cast<uint8_t*>(p);
    vst1q_u8(bytes, vreinterpretq_u8_f32(a));
    vst1q_u8(bytes + 16, vreinterpretq_u8_f32(b));
  }
  STC_HD void store(Half* p) const {
    vst1q_u8(reinterpret_cast<uint8_t*>(p), vreinterpretq_u8_f16(vcvt_high_f16_f32(vcvt_f16_f32(a), b)));
  }

  /// A byte, 0 or 1, for each of 32 bits: every byte gets a copy of its bits' byte and looks at its own bit.
  static constexpr int kSpread = 32;
  STC_HD static void spread(const uint8_t* bits, uint8_t* bytes) {
    uint32_t word;
    std::memcpy(&word, bits, sizeof word);
    const uint8x16_t copies = vreinterpretq_u8_u32(vdupq_n_u32(word));
    const uint8x16_t own = vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201u));
    const uint8x16_t source = vcombine_u8(vdup_n_u8(0), vdup_n_u8(1));
    const uint8x16_t first = vtstq_u8(vqtbl1q_u8(copies, source), own);
    const uint8x16_t second = vtstq_u8(vqtbl1q_u8(copies, vaddq_u8(source, vdupq_n_u8(2))), own);
    vst1q_u8(bytes, vshrq_n_u8(first, 7));
    vst1q_u8(bytes + 16, vshrq_n_u8(second, 7));
  }
};

STC_HD Neon multiply(Neon x, Neon y) { return {vmulq_f32(x.a, y.a), vmulq_f32(x.b, y.b)}; }
STC_HD Neon add(Neon x, Neon y) { return {vaddq_f32(x.a, y.a), vaddq_f32(x.b, y.b)}; }
STC_HD Neon subtract(Neon x, Neon y) { return {vsubq_f32(x.a, y.a), vsubq_f32(x.b, y.b)}; }
STC_HD Neon multiply_add(Neon x, Neon y, Neon z) { return {vfmaq_f32(z.a, x.a, y.a), vfmaq_f32(z.b, x.b, y.b)}; }

// min and max of a NaN are a NaN.
STC_HD Neon relu(Neon x) { return {vmaxq_f32(x.a, vdupq_n_f32(0)), vmaxq_f32(x.b, vdupq_n_f32(0))}; }

/// x taken into low..high; NaN stays.
STC_HD Neon clamp(Neon x, float low, float high) {
  const float32x4_t least = vdupq_n_f32(low), most = vdupq_n_f32(high);
  return {vmaxq_f32(least, vminq_f32(most, x.a)), vmaxq_f32(least, vminq_f32(most, x.b))};
}

/// x * 2^n, n whole in -126..126, x in 0.5..2. Of a NaN the conversion gives 0.
STC_HD Neon times_power_of_two(Neon x, Neon n) {
  const auto scale = [](float32x4_t number, float32x4_t power) {
    return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(number), vshlq_n_s32(vcvtq_s32_f32(power), 23)));
  };
  return {scale(x.a, n.a), scale(x.b, n.b)};
}

/// Two steps of Newton's from the 8 bits of the estimate, within 2e-7 of a division. Five instructions that overlap,
/// where a division keeps its unit busy for 10 (Cortex-A76) to 40 cycles (A53).
STC_HD Neon reciprocal(Neon x) {
  const auto invert = [](float32x4_t number) {
    float32x4_t estimate = vrecpeq_f32(number);
    estimate = vmulq_f32(estimate, vrecpsq_f32(number, estimate));
    return vmulq_f32(estimate, vrecpsq_f32(number, estimate));
  };
  return {invert(x.a), invert(x.b)};
}

/// Bit i tells whether lane i is above `threshold`; NaN is not.
STC_HD unsigned above(Neon x, float threshold) {
  static constexpr uint16_t kBits[] = {1, 2, 4, 8, 16, 32, 64, 128};
  const float32x4_t least = vdupq_n_f32(threshold);
  const uint16x8_t found = vuzp1q_u16(vreinterpretq_u16_u32(vcgtq_f32(x.a, least)),  //
                                      vreinterpretq_u16_u32(vcgtq_f32(x.b, least)));
  return vaddvq_u16(vandq_u16(found, vld1q_u16(kBits)));
}

/// a0 b0 a1 b1 …, in two halves.
STC_HD void interleave(Neon x, Neon y, Neon& first, Neon& second) {
  first = {vzip1q_f32(x.a, y.a), vzip2q_f32(x.a, y.a)};
  second = {vzip1q_f32(x.b, y.b), vzip2q_f32(x.b, y.b)};
}

/// row[low[i]] and row[high[i]] for every lane. `narrow` promises indices below 8: two loads and four permutations of
/// bytes instead of sixteen loads.
STC_HD void look_up(const float* row, const int32_t* low, const int32_t* high, bool narrow, Neon& x, Neon& y) {
  if (narrow) {
    const uint8_t* bytes = reinterpret_cast<const uint8_t*>(row);
    const uint8x16x2_t cells = {{vld1q_u8(bytes), vld1q_u8(bytes + 16)}};
    const auto pick = [&cells](const int32_t* index) {
      const uint32x4_t four = vreinterpretq_u32_s32(vld1q_s32(index));
      // Bytes 4 i to 4 i + 3.
      const uint32x4_t places = vmlaq_n_u32(vdupq_n_u32(0x03020100u), four, 0x04040404u);
      return vreinterpretq_f32_u8(vqtbl2q_u8(cells, vreinterpretq_u8_u32(places)));
    };
    x = {pick(low), pick(low + 4)};
    y = {pick(high), pick(high + 4)};
    return;
  }
  float first[Neon::kLanes], second[Neon::kLanes];
  for (int i = 0; i < Neon::kLanes; ++i) {
    first[i] = row[low[i]];
    second[i] = row[high[i]];
  }
  x = Neon::load(first);
  y = Neon::load(second);
}

/// c + weights[Lane] * x
template <int Lane>
STC_HD Neon add_weighted(float32x4_t weights, Neon x, Neon c) {
  return {vfmaq_laneq_f32(c.a, x.a, weights, Lane), vfmaq_laneq_f32(c.b, x.b, weights, Lane)};
}

/// stc::accumulate, with four weights of an output from one load: a multiplication takes any lane of a register.
template <int Inputs, int Outputs, int Stride>
STC_HD void accumulate(const float* weights, const Neon* in, Neon* sums) {
  static_assert(Inputs % 4 == 0, "weights are read in fours");
  constexpr int kBlock = 4;
  STC_UNROLL
  for (int start = 0; start < Outputs; start += kBlock) {
    STC_UNROLL
    for (int i = 0; i < Inputs; i += 4) {
      STC_UNROLL
      for (int o = start; o < start + kBlock; ++o) {
        if (o >= Outputs) continue;
        const float32x4_t four = vld1q_f32(weights + o * Stride + i);
        sums[o] = add_weighted<0>(four, in[i], sums[o]);
        sums[o] = add_weighted<1>(four, in[i + 1], sums[o]);
        sums[o] = add_weighted<2>(four, in[i + 2], sums[o]);
        sums[o] = add_weighted<3>(four, in[i + 3], sums[o]);
      }
    }
  }
}

}  // namespace stc::cpu

// IEEE 754 half precision as storage, for machines whose compiler has no such type.
#pragma once

#include <cstdint>
#include <cstring>

#include "stc/host_device.h"

namespace stc::cpu {

struct Half {
  uint16_t bits;

  STC_HD explicit operator float() const;
};

STC_HD float to_float(Half half) {
  const uint32_t sign = static_cast<uint32_t>(half.bits & 0x8000u) << 16;
  const uint32_t magnitude = half.bits & 0x7fffu;
  uint32_t bits;
  if (magnitude >= 0x7c00u) {  // Inf and NaN keep their payload
    bits = sign | 0x7f800000u | (magnitude & 0x3ffu) << 13;
  } else if (magnitude >= 0x400u) {
    bits = sign | ((magnitude << 13) + 0x38000000u);
  } else {  // subnormal: magnitude * 2^-24, exact
    const float value = static_cast<float>(magnitude) * 5.9604644775390625e-8f;
    std::memcpy(&bits, &value, sizeof bits);
    bits |= sign;
  }
  float result;
  std::memcpy(&result, &bits, sizeof result);
  return result;
}

STC_HD Half::operator float() const { return to_float(*this); }

/// Rounds to nearest, ties to even, as hardware does.
STC_HD Half to_half(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  const uint16_t sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return {static_cast<uint16_t>(sign | 0x7e00u)};
  if (magnitude >= 0x477ff000u) return {static_cast<uint16_t>(sign | 0x7c00u)};  // 65520 and more round to Inf
  if (magnitude >= 0x38800000u) {
    const uint32_t rounded = magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1u);
    return {static_cast<uint16_t>(sign | rounded >> 13)};
  }
  // Subnormal: adding 0.5 leaves magnitude / 2^-24, rounded by the adder, in the low bits.
  float absolute;
  std::memcpy(&absolute, &magnitude, sizeof absolute);
  const float shifted = absolute + 0.5f;
  std::memcpy(&bits, &shifted, sizeof bits);
  return {static_cast<uint16_t>(sign | (bits - 0x3f000000u))};
}

/// A number that need not be aligned.
template <class T>
STC_HD T read(const T* p) {
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
}
template <class T>
STC_HD void write(T* p, T value) {
  std::memcpy(p, &value, sizeof value);
}

}  // namespace stc::cpu

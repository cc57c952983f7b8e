// What check.cpp hands over: heap buffers of exactly the size that is needed, random numbers, and halves.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>

template <class T>
using Buffer = std::unique_ptr<T[]>;

template <class T>
Buffer<T> buffer(int64_t count) {
  return Buffer<T>(new T[count]);
}

inline void require(bool fine, const char* what, double a = 0, double b = 0) {
  if (fine) return;
  std::fprintf(stderr, "failed: %s (%g, %g)\n", what, a, b);
  std::_Exit(1);
}

using Random = std::mt19937;

inline int between(Random& random, int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); }

inline Buffer<float> normal(Random& random, int64_t count) {
  std::normal_distribution<float> distribution;
  Buffer<float> values = buffer<float>(count);
  for (int64_t i = 0; i < count; ++i) values[i] = distribution(random);
  return values;
}

/// A tensor that begins one byte after an aligned address.
template <class T>
class Shifted {
 public:
  explicit Shifted(int64_t count) : bytes_(count * sizeof(T)), memory_(buffer<char>(bytes_ + 1)) {}
  Shifted(const T* values, int64_t count) : Shifted(count) { std::memcpy(memory_.get() + 1, values, bytes_); }
  void* get() { return memory_.get() + 1; }
  T operator[](int64_t i) const {
    T value;
    std::memcpy(&value, memory_.get() + 1 + i * sizeof(T), sizeof(T));
    return value;
  }

 private:
  size_t bytes_;
  Buffer<char> memory_;
};

/// float to IEEE half, by the definition: the nearest of the numbers, ties to even.
inline uint16_t half(float value) {
  const double magnitude = std::fabs(value);
  int exponent = magnitude == 0 ? -14 : std::max(-14, std::ilogb(magnitude));
  const double units = std::nearbyint(std::ldexp(magnitude, 10 - exponent));
  const uint32_t bits = static_cast<uint32_t>(units) + (static_cast<uint32_t>(exponent + 14) << 10);
  return static_cast<uint16_t>(bits | (std::signbit(value) ? 0x8000u : 0u));
}

inline double number(uint16_t half) {
  const int exponent = half >> 10 & 31;
  const double value = std::ldexp((half & 1023) + (exponent ? 1024 : 0), std::max(exponent, 1) - 25);
  return half & 0x8000 ? -value : value;
}

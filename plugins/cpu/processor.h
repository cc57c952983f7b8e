// What the processor can do, and the system lets a program use. Asked of the processor itself: what a compiler offers
// for it (__builtin_cpu_supports) always says no where its runtime library does not fill the table in, as zig's does
// not.
#pragma once

#if defined(__x86_64__)

#include <cpuid.h>

#include <cstdint>

namespace stc::cpu {

struct Processor {
  bool avx2;    ///< with FMA and half precision conversions
  bool avx512;  ///< F, BW, DQ and VL, besides the former
};

/// Intel's manual, volume 1, 14.3 and 15.2 to 15.4: the instructions are there, and the system saves their registers.
inline Processor processor() {
  constexpr uint32_t kFma = 1u << 12, kSaved = 1u << 27, kAvx = 1u << 28, kF16c = 1u << 29;           // leaf 1, ECX
  constexpr uint32_t kAvx2 = 1u << 5, kF = 1u << 16, kDq = 1u << 17, kBw = 1u << 30, kVl = 1u << 31;  // leaf 7, EBX
  constexpr uint32_t kYmm = 0x06, kZmm = 0xe6;                                                        // XCR0
  const auto all = [](uint32_t bits, uint32_t wanted) { return (bits & wanted) == wanted; };

  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !all(ecx, kFma | kSaved | kAvx | kF16c)) return {};
  if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) return {};
  uint32_t saved = 0, high = 0;
  asm("xgetbv" : "=a"(saved), "=d"(high) : "c"(0));
  const bool avx2 = all(saved, kYmm) && all(ebx, kAvx2);
  return {avx2, avx2 && all(saved, kZmm) && all(ebx, kF | kDq | kBw | kVl)};
}

}  // namespace stc::cpu

#endif

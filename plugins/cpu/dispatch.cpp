#include "dispatch.h"

#include <cstdlib>
#include <cstring>

#include "stc_cpu.h"

namespace stc::cpu {
namespace {

Kernels choose() {
#if defined(__x86_64__)
  const char* asked = std::getenv("STC_CPU");
  const bool portable = asked && std::strcmp(asked, "portable") == 0;
  __builtin_cpu_init();
  if (!portable && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c")) {
    return avx2_kernels();
  }
#endif
  return portable_kernels();
}

}  // namespace

const Kernels& best_kernels() {
  static const Kernels chosen = choose();
  return chosen;
}

}  // namespace stc::cpu

int32_t stc_cpu_abi(void) { return STC_CPU_ABI; }

const char* stc_cpu_kernels(void) { return stc::cpu::best_kernels().name; }

#include "dispatch.h"

#include <cstdlib>
#include <cstring>

#include "processor.h"
#include "stc_cpu.h"

namespace stc::cpu {
namespace {

/// The best that the machine can run, or what STC_CPU asks for where that is less.
Kernels choose() {
  [[maybe_unused]] const auto ruled_out = [asked = std::getenv("STC_CPU")](auto... lower) {
    return asked && (... || (std::strcmp(asked, lower) == 0));
  };
#if defined(__x86_64__)
  const Processor can = processor();
  if (can.avx512 && !ruled_out("avx2", "portable")) return avx512_kernels();
  if (can.avx2 && !ruled_out("portable")) return avx2_kernels();
#elif defined(__aarch64__)
  if (!ruled_out("portable")) return neon_kernels();  // every such machine has it
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

int32_t stc_cpu_struct_size(int32_t which) {
  constexpr int32_t kSizes[] = {sizeof(stc_dynamic_mask_head), sizeof(stc_frame_masks), sizeof(stc_resize),
                                sizeof(stc_outlines), sizeof(stc_resize_yuv)};
  return which >= 0 && which < 5 ? kSizes[which] : 0;
}

const char* stc_cpu_kernels(void) { return stc::cpu::best_kernels().name; }

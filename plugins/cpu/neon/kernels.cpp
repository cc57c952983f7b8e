#if defined(__aarch64__)
#include "../kernels.h"
#include "lanes.h"

namespace stc::cpu {
Kernels neon_kernels() { return kernels<Neon>(neon_resize()); }
}  // namespace stc::cpu
#endif

#if defined(__x86_64__)
#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "../simd/target.h"

STC_TARGET("avx2,fma,f16c")

#include "../kernels.h"
#include "lanes.h"

namespace stc::cpu {
Kernels avx2_kernels() { return kernels<Avx2>(avx2_resize()); }
}  // namespace stc::cpu

STC_TARGET_END
#endif

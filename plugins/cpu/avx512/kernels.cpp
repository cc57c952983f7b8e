#if defined(__x86_64__)
#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "../simd/target.h"

STC_TARGET("avx512f,avx512bw,avx512dq,avx512vl,f16c")
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // GCC 12 warns of its own intrinsics (bug 105593)
#endif

#include "../kernels.h"
#include "lanes.h"

namespace stc::cpu {
Kernels avx512_kernels() { return kernels<Avx512>(avx2_resize()); }
}  // namespace stc::cpu

STC_TARGET_END
#endif

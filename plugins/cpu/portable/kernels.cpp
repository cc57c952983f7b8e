#include "../kernels.h"
#include "lanes.h"

namespace stc::cpu {
Kernels portable_kernels() { return kernels<Portable>(portable_resize()); }
}  // namespace stc::cpu

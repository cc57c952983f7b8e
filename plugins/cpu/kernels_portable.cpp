#include "kernels.h"
#include "lanes_portable.h"

namespace stc::cpu {
Kernels portable_kernels() { return kernels<Portable>(portable_resize()); }
}  // namespace stc::cpu

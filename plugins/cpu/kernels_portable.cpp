#include "kernels.h"
#include "lanes_portable.h"

namespace stc::cpu {
Kernels portable_kernels() { return kernels<Portable>(); }
}  // namespace stc::cpu

#pragma once

#include "kernels.h"

namespace stc::cpu {

/// The kernels for this machine, chosen on the first call.
const Kernels& best_kernels();

}  // namespace stc::cpu

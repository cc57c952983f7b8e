// The op on a GPU, as C++ calls it.
#pragma once

#include <cuda_runtime.h>

#include "stc/dynamic_mask_head.h"

namespace stc::cuda {

/// Why this op cannot run on a GPU, nullptr where it can. Looks at sizes and attributes, not at memory.
const char* refusal(const DynamicMaskHead& op) noexcept;

/// Enqueues the op on `stream`; all pointers are device memory. One kernel, no allocation, no synchronisation: safe
/// while a stream is captured. cudaErrorInvalidValue where refusal() has something to say; nothing was enqueued then.
cudaError_t dynamic_mask_head(const DynamicMaskHead& op, cudaStream_t stream) noexcept;

}  // namespace stc::cuda

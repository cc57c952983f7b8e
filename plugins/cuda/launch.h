// The op and masks at frame size on a GPU, as C++ calls them.
#pragma once

#include <cuda_runtime.h>

#include "stc/dynamic_mask_head.h"
#include "stc/frame_mask.h"

namespace stc::cuda {

/// Why this op cannot run on a GPU, nullptr where it can. Looks at sizes and attributes, not at memory.
const char* refusal(const DynamicMaskHead& op) noexcept;

/// Enqueues the op on `stream`; all pointers are device memory. One kernel, no allocation, no synchronisation: safe
/// while a stream is captured. cudaErrorInvalidValue where refusal() has something to say; nothing was enqueued then.
cudaError_t dynamic_mask_head(const DynamicMaskHead& op, cudaStream_t stream) noexcept;

/// Enqueue on `stream`; all pointers, those of the axes too, are device memory. One kernel, no allocation, no
/// synchronisation. `storage` is the type of the probabilities. cudaErrorInvalidValue for sizes out of range.
/// words: (instances, H, ceil(W / 32)), pixel x is bit x % 32 of word x / 32.
cudaError_t bit_masks(const FrameMasks& masks, Storage storage, uint32_t* words, cudaStream_t stream) noexcept;
/// pixels: (instances, H, W), 0 or 1.
cudaError_t dense_masks(const FrameMasks& masks, Storage storage, uint8_t* pixels, cudaStream_t stream) noexcept;

}  // namespace stc::cuda

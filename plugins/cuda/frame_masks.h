// Masks at frame size on a GPU, as C++ calls it.
#pragma once

#include <cuda_runtime.h>

#include "stc/dynamic_mask_head.h"
#include "stc/frame_mask.h"

namespace stc::cuda {

/// Enqueue on `stream`; all pointers, those of the axes too, are device memory. One kernel, no allocation, no
/// synchronisation. `storage` is the type of the probabilities. cudaErrorInvalidValue for sizes out of range.
/// words: (instances, H, ceil(W / 32)), pixel x is bit x % 32 of word x / 32.
cudaError_t bit_masks(const FrameMasks& masks, Storage storage, uint32_t* words, cudaStream_t stream) noexcept;
/// pixels: (instances, H, W), 0 or 1.
cudaError_t dense_masks(const FrameMasks& masks, Storage storage, uint8_t* pixels, cudaStream_t stream) noexcept;

}  // namespace stc::cuda

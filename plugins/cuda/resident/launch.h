// What keeps a frame on the device, as C++ calls it: the functions of stc_cuda.h, which says what they do.
#pragma once

#include <cuda_runtime.h>

#include "../stc_cuda.h"
#include "stc/dynamic_mask_head.h"
#include "stc/frame_mask.h"

namespace stc::cuda {

cudaError_t resize(const stc_device_resize& op, cudaStream_t stream) noexcept;
cudaError_t resize_yuv(const stc_device_resize_yuv& op, cudaStream_t stream) noexcept;

cudaError_t select(const stc_selection& selection, int32_t* rows, int32_t* kept, cudaStream_t stream) noexcept;
cudaError_t mask_boxes(const FrameMasks& masks, Storage storage, const stc_rows& objects, int32_t* boxes,
                       cudaStream_t stream) noexcept;
cudaError_t box_offsets(const int32_t* boxes, int32_t most, int64_t* offsets, cudaStream_t stream) noexcept;
cudaError_t box_bits(const FrameMasks& masks, Storage storage, const stc_rows& objects, const int32_t* boxes,
                     const int64_t* offsets, uint32_t* words, int64_t room, cudaStream_t stream) noexcept;
cudaError_t box_facts(const int32_t* boxes, const int64_t* offsets, int32_t most, const uint32_t* words, int64_t room,
                      int64_t* areas, int32_t* tight, cudaStream_t stream) noexcept;
cudaError_t pack(const stc_part* parts, int32_t count, const stc_rows& objects, const int64_t* offsets,
                 const uint32_t* words, void* block, int64_t capacity, cudaStream_t stream) noexcept;

}  // namespace stc::cuda

#include <cstring>
#include <iterator>

#include "launch.h"
#include "stc/same_layout.h"
#include "stc_cuda.h"

#define STC_TEXT_OF(number) #number
#define STC_TEXT(number) STC_TEXT_OF(number)

namespace {

template <class Native, class Plain>
Native native(const Plain* plain) {
  Native result;
  std::memcpy(&result, plain, sizeof result);
  return result;
}

}  // namespace

int32_t stc_cuda_abi(void) { return STC_CUDA_ABI; }

const char* stc_cuda_built_with(void) { return "stc: CUDART_VERSION=" STC_TEXT(CUDART_VERSION); }

int32_t stc_cuda_struct_size(int32_t which) {
  constexpr size_t kSizes[] = {
      sizeof(stc_dynamic_mask_head), sizeof(stc_frame_masks), sizeof(stc_device_resize), sizeof(stc_device_resize_yuv),
      sizeof(stc_selection),         sizeof(stc_rows),        sizeof(stc_part)};
  return which < 0 || which >= static_cast<int32_t>(std::size(kSizes)) ? 0 : static_cast<int32_t>(kSizes[which]);
}

int32_t stc_cuda_dynamic_mask_head(const stc_dynamic_mask_head* op, void* stream) {
  return stc::cuda::dynamic_mask_head(native<stc::DynamicMaskHead>(op), static_cast<cudaStream_t>(stream));
}

int32_t stc_cuda_bit_masks(const stc_frame_masks* masks, int32_t storage, uint32_t* words, void* stream) {
  return stc::cuda::bit_masks(native<stc::FrameMasks>(masks), static_cast<stc::Storage>(storage), words,
                              static_cast<cudaStream_t>(stream));
}

int32_t stc_cuda_dense_masks(const stc_frame_masks* masks, int32_t storage, uint8_t* pixels, void* stream) {
  return stc::cuda::dense_masks(native<stc::FrameMasks>(masks), static_cast<stc::Storage>(storage), pixels,
                                static_cast<cudaStream_t>(stream));
}

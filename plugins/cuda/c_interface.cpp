#include <cstring>
#include <iterator>

#include "launch.h"
#include "resident/launch.h"
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

int32_t stc_cuda_resize(const stc_device_resize* op, void* stream) {
  return stc::cuda::resize(*op, static_cast<cudaStream_t>(stream));
}

int32_t stc_cuda_resize_yuv(const stc_device_resize_yuv* op, void* stream) {
  return stc::cuda::resize_yuv(*op, static_cast<cudaStream_t>(stream));
}

int32_t stc_cuda_select(const stc_selection* selection, int32_t* rows, int32_t* kept, void* stream) {
  return stc::cuda::select(*selection, rows, kept, static_cast<cudaStream_t>(stream));
}

int32_t stc_cuda_mask_boxes(const stc_frame_masks* masks, int32_t storage, const stc_rows* objects, int32_t* boxes,
                            void* stream) {
  return stc::cuda::mask_boxes(native<stc::FrameMasks>(masks), static_cast<stc::Storage>(storage), *objects, boxes,
                               static_cast<cudaStream_t>(stream));
}

int32_t stc_cuda_box_offsets(const int32_t* boxes, int32_t most, int64_t* offsets, void* stream) {
  return stc::cuda::box_offsets(boxes, most, offsets, static_cast<cudaStream_t>(stream));
}

int32_t stc_cuda_box_bits(const stc_frame_masks* masks, int32_t storage, const stc_rows* objects, const int32_t* boxes,
                          const int64_t* offsets, uint32_t* words, int64_t room, void* stream) {
  return stc::cuda::box_bits(native<stc::FrameMasks>(masks), static_cast<stc::Storage>(storage), *objects, boxes,
                             offsets, words, room, static_cast<cudaStream_t>(stream));
}

int32_t stc_cuda_box_facts(const int32_t* boxes, const int64_t* offsets, int32_t most, const uint32_t* words,
                           int64_t room, int64_t* areas, int32_t* tight, void* stream) {
  return stc::cuda::box_facts(boxes, offsets, most, words, room, areas, tight, static_cast<cudaStream_t>(stream));
}

int32_t stc_cuda_pack(const stc_part* parts, int32_t count, const stc_rows* objects, const int64_t* offsets,
                      const uint32_t* words, void* block, int64_t capacity, void* stream) {
  return stc::cuda::pack(parts, count, *objects, offsets, words, block, capacity, static_cast<cudaStream_t>(stream));
}

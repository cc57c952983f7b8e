#include "launch.h"

#include "box_bits.cuh"
#include "box_facts.cuh"
#include "mask_boxes.cuh"
#include "objects.cuh"
#include "pack.cuh"

namespace stc::cuda {
namespace {

constexpr int kGridLimit = 65535;  // blocks along y

bool sound(int32_t most) { return most >= 0 && most <= kGridLimit; }

bool sound(const FrameMasks& masks, Storage storage, const stc_rows& objects) {
  return masks.instances >= 0 && masks.rows >= 1 && masks.cols >= 1 && masks.x.size >= 1 && masks.y.size >= 1 &&
         int64_t{masks.rows} * masks.cols <= INT32_MAX / 2 &&
         (storage == Storage::kFloat || storage == Storage::kHalf) && objects.count && sound(objects.most);
}

template <class... Parameters, class... Arguments>
cudaError_t launch(void (*kernel)(Parameters...), dim3 grid, size_t shared, cudaStream_t stream, Arguments... values) {
  void* arguments[] = {&values...};
  return cudaLaunchKernel(kernel, grid, dim3(kObjectThreads), arguments, shared, stream);
}

}  // namespace

cudaError_t select(const stc_selection& selection, int32_t* rows, int32_t* kept, cudaStream_t stream) noexcept {
  if (!sound(selection.most) || selection.classes < 0 || !selection.count) return cudaErrorInvalidValue;
  return launch(select_kernel, dim3(1), sizeof(int32_t) * kObjectThreads, stream, selection, rows, kept);
}

cudaError_t mask_boxes(const FrameMasks& masks, Storage storage, const stc_rows& objects, int32_t* boxes,
                       cudaStream_t stream) noexcept {
  if (!sound(masks, storage, objects)) return cudaErrorInvalidValue;
  if (objects.most == 0) return cudaSuccess;
  const auto kernel = storage == Storage::kHalf ? mask_boxes_kernel<__half> : mask_boxes_kernel<float>;
  return launch(kernel, dim3(objects.most), 4 * sizeof(int32_t) * kObjectThreads, stream, masks, objects, boxes);
}

cudaError_t box_offsets(const int32_t* boxes, int32_t most, int64_t* offsets, cudaStream_t stream) noexcept {
  if (!sound(most)) return cudaErrorInvalidValue;
  return launch(box_offsets_kernel, dim3(1), sizeof(int64_t) * kObjectThreads, stream, boxes, most, offsets);
}

cudaError_t box_bits(const FrameMasks& masks, Storage storage, const stc_rows& objects, const int32_t* boxes,
                     const int64_t* offsets, uint32_t* words, int64_t room, cudaStream_t stream) noexcept {
  if (!sound(masks, storage, objects) || room < 0) return cudaErrorInvalidValue;
  if (objects.most == 0) return cudaSuccess;
  const auto kernel = storage == Storage::kHalf ? box_bits_kernel<__half> : box_bits_kernel<float>;
  const dim3 grid((masks.y.size - 1) / kBitRows + 1, objects.most);
  return launch(kernel, grid, sizeof(BitBand), stream, masks, objects, boxes, offsets, words, room);
}

cudaError_t box_facts(const int32_t* boxes, const int64_t* offsets, int32_t most, const uint32_t* words, int64_t room,
                      int64_t* areas, int32_t* tight, cudaStream_t stream) noexcept {
  if (!sound(most) || room < 0) return cudaErrorInvalidValue;
  if (most == 0) return cudaSuccess;
  return launch(box_facts_kernel, dim3(most), 4 * sizeof(int32_t) * kObjectThreads, stream, boxes, offsets, words, room,
                areas, tight);
}

cudaError_t pack(const stc_part* parts, int32_t count, const stc_rows& objects, const int64_t* offsets,
                 const uint32_t* words, void* block, int64_t capacity, cudaStream_t stream) noexcept {
  if (count < 0 || count > STC_MOST_PARTS || !objects.count || !sound(objects.most) || capacity < 0 ||
      (words && !offsets)) {
    return cudaErrorInvalidValue;
  }
  Parts all{};
  all.count = count;
  for (int p = 0; p < count; ++p) {
    if (parts[p].row_bytes < 0 || parts[p].row_bytes % 4 != 0) return cudaErrorInvalidValue;
    all.part[p] = parts[p];
  }
  return launch(pack_kernel, dim3(kPackBlocks), 0, stream, all, objects, offsets, words, static_cast<uint8_t*>(block),
                capacity);
}

}  // namespace stc::cuda

#include "launch.h"

#include "frame_masks.cuh"

namespace stc::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kGridLimit = 65535;
constexpr int64_t kBlockLimit = (int64_t{1} << 31) - 1;

template <bool Dense>
cudaError_t launch(FrameMasks masks, Storage storage, void* out, cudaStream_t stream) noexcept {
  if (masks.instances < 0 || masks.instances > kGridLimit || masks.rows < 1 || masks.cols < 1 || masks.x.size < 1 ||
      masks.y.size < 1 || (storage != Storage::kFloat && storage != Storage::kHalf)) {
    return cudaErrorInvalidValue;
  }
  if (masks.instances == 0) return cudaSuccess;
  const auto kernel = storage == Storage::kHalf ? frame_masks_kernel<Dense, __half> : frame_masks_kernel<Dense, float>;
  const int64_t words = int64_t{(masks.x.size - 1) / kWord + 1} * masks.y.size;
  const int64_t blocks = (words + kThreads - 1) / kThreads;
  if (blocks > kBlockLimit) return cudaErrorInvalidValue;
  const dim3 grid(static_cast<unsigned>(blocks), masks.instances);
  void* arguments[] = {&masks, &out};
  return cudaLaunchKernel(kernel, grid, dim3(kThreads), arguments, 0, stream);
}

}  // namespace

cudaError_t bit_masks(const FrameMasks& masks, Storage storage, uint32_t* words, cudaStream_t stream) noexcept {
  return launch<false>(masks, storage, words, stream);
}

cudaError_t dense_masks(const FrameMasks& masks, Storage storage, uint8_t* pixels, cudaStream_t stream) noexcept {
  return launch<true>(masks, storage, pixels, stream);
}

}  // namespace stc::cuda

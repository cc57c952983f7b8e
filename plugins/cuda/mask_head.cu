#include "launch.h"

#include "mask_head.cuh"

namespace stc::cuda {
namespace {

constexpr int64_t kSharedBytes = 48 * 1024;  // what every GPU gives without asking
constexpr int kGridLimit = 65535;            // blocks along y and z

template <int Channels, int Layers, class Type>
cudaError_t launch(DynamicMaskHead op, cudaStream_t stream) {
  const auto kernel =
      op.upsample == 2 ? mask_head_kernel<Channels, Layers, 2, Type> : mask_head_kernel<Channels, Layers, 0, Type>;
  const dim3 grid((op.height + kBand - 1) / kBand, op.instances, op.batch);
  const size_t shared = sizeof(float) * shared_floats(Layout<Channels, Layers>::kParams, op.width);
  void* arguments[] = {&op};
  return cudaLaunchKernel(kernel, grid, dim3(kThreads), arguments, shared, stream);
}

}  // namespace

const char* refusal(const DynamicMaskHead& op) noexcept {
  bool compiled = false;
#define STC_NETWORK(C, L) compiled = compiled || (op.channels == C && op.layers == L);
  STC_MASK_HEAD_NETWORKS(STC_NETWORK)
#undef STC_NETWORK
  if (!compiled) return "no kernel is compiled for these channels and layers";
  if (op.storage != Storage::kFloat && op.storage != Storage::kHalf) return "storage must be float32 or float16";
  if (op.stride < 1 || op.upsample < 1) return "stride and upsample must be at least 1";
  if (op.batch < 0 || op.instances < 0 || op.height < 1 || op.width < 1) return "a size is out of range";
  if (op.batch > kGridLimit || op.instances > kGridLimit) return "batch and instances must be at most 65535";
  if (shared_floats(parameter_count(op.channels, op.layers), op.width) * int64_t{sizeof(float)} > kSharedBytes) {
    return "rows are too long: ten of them must fit 48 KiB of shared memory";
  }
  if (int64_t{kBand} * op.upsample * op.upsample * op.width > INT32_MAX / 2) return "upsample is too large";
  return nullptr;
}

cudaError_t dynamic_mask_head(const DynamicMaskHead& op, cudaStream_t stream) noexcept {
  if (refusal(op)) return cudaErrorInvalidValue;
  if (op.batch == 0 || op.instances == 0) return cudaSuccess;
  const bool half = op.storage == Storage::kHalf;
#define STC_NETWORK(C, L)                                                             \
  if (op.channels == C && op.layers == L) {                                           \
    return half ? launch<C, L, __half>(op, stream) : launch<C, L, float>(op, stream); \
  }
  STC_MASK_HEAD_NETWORKS(STC_NETWORK)
#undef STC_NETWORK
  return cudaErrorInvalidValue;
}

}  // namespace stc::cuda

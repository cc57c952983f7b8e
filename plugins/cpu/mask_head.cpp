// The op as the C interface offers it: checks, scratch memory, and the work shared out over threads.
#include "mask_head.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>
#include <new>

#include "dispatch.h"
#include "parallel.h"
#include "stc/same_layout.h"
#include "stc_cpu.h"

namespace stc::cpu {
namespace {

bool sound(const DynamicMaskHead& op, int threads) {
  const auto positive = [](auto... sizes) { return (... && (sizes >= 1)); };
  if (op.batch < 0 || op.instances < 0 ||
      !positive(op.height, op.width, op.channels, op.layers, op.stride, op.upsample, threads)) {
    return false;
  }
  if (op.storage != Storage::kFloat && op.storage != Storage::kHalf) return false;
  // Rows and columns of the output are counted in int.
  const int64_t most = std::numeric_limits<int32_t>::max();
  if (int64_t{op.height} * op.upsample > most || int64_t{op.width + kRowStep} * op.upsample > most) return false;
  if (op.batch == 0 || op.instances == 0) return true;
  return op.mask_feats && op.params && op.locations && op.sizes && op.count && op.masks;
}

int run(const DynamicMaskHead& op, int threads) {
  if (!sound(op, threads)) return STC_BAD_ARGUMENT;
  threads = std::min(threads, kMostThreads);
  const MaskHeadKernel kernel = best_kernels().mask_head(op.channels, op.layers, op.storage);
  if (!kernel.mask_rows) return STC_UNSUPPORTED;

  const int64_t scratch_floats = scratch_size(op);
  const std::unique_ptr<float[]> features(new (std::nothrow) float[FeatureRows::size(op)]);
  const std::unique_ptr<float[]> scratch(new (std::nothrow) float[scratch_floats * threads]());
  if (!features || !scratch) return STC_OUT_OF_MEMORY;

  const int64_t item = op.storage == Storage::kHalf ? 2 : 4;
  const int64_t mask_bytes = item * op.height * op.upsample * op.width * op.upsample;
  for (int image = 0; image < op.batch; ++image) {
    const int64_t first = int64_t{image} * op.instances;
    const int valid = std::clamp(read(op.count + image), 0, op.instances);
    if (valid > 0) {
      const FeatureRows rows = kernel.features(op, image, features.get());
      const Share share(valid, op.height * op.upsample, threads);
      parallel_for(share.tasks(), threads, [&](int task, int lane) {
        kernel.mask_rows(op, rows, first + share.instance(task), share.begin(task), share.end(task),
                         scratch.get() + lane * scratch_floats);
      });
    }
    std::memset(static_cast<char*>(op.masks) + (first + valid) * mask_bytes, 0, (op.instances - valid) * mask_bytes);
  }
  return STC_OK;
}

}  // namespace
}  // namespace stc::cpu

int32_t stc_cpu_dynamic_mask_head(const stc_dynamic_mask_head* op, int32_t threads) {
  stc::DynamicMaskHead native;
  std::memcpy(&native, op, sizeof native);
  return stc::cpu::run(native, threads);
}

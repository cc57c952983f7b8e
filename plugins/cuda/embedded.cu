// The op as PTX that TensorRT writes into a plan (quick-deploy plugins, ahead of time): C names, pointers in the order
// inputs, scalars, outputs, and the default attributes baked in. Grid (ceil(height / 8), instances, batch), 256 threads,
// shared_floats(169, width) floats of dynamic shared memory.
#include "mask_head.cuh"

namespace {

template <class Type>
__device__ __forceinline__ void embedded(const Type* mask_feats, const Type* params, const float* locations,
                                         const float* sizes, const int32_t* count, int32_t instances, int32_t height,
                                         int32_t width, Type* masks) {
  STC_DYNAMIC_SHARED(shared);
  stc::DynamicMaskHead op{};
  op.mask_feats = mask_feats;
  op.params = params;
  op.locations = locations;
  op.sizes = sizes;
  op.count = count;
  op.masks = masks;
  op.instances = instances;
  op.height = height;
  op.width = width;
  op.stride = 8;
  stc::cuda::mask_head_band<8, 3, 2, Type>(op, shared);
}

}  // namespace

#define STC_EMBEDDED(NAME, TYPE)                                                                                   \
  extern "C" __global__ void __launch_bounds__(stc::cuda::kThreads, 2)                                             \
      NAME(const TYPE* mask_feats, const TYPE* params, const float* locations, const float* sizes,                 \
           const int32_t* count, int32_t instances, int32_t height, int32_t width, TYPE* masks) {                  \
    embedded(mask_feats, params, locations, sizes, count, instances, height, width, masks);                        \
  }
STC_EMBEDDED(stc_dynamic_mask_head_f32, float)
STC_EMBEDDED(stc_dynamic_mask_head_f16, __half)
#undef STC_EMBEDDED

// What is compiled once per instruction set.
#pragma once

#include <cstring>

#include "frame_masks.h"
#include "mask_head.h"
#include "resize.h"

namespace stc::cpu {

struct MaskHeadKernel {
  FeatureRows (*features)(const DynamicMaskHead&, int image, float* buffer);
  void (*mask_rows)(const DynamicMaskHead&, const FeatureRows&, int64_t instance, int begin, int end, float* scratch);
};

/// For one type of the probabilities.
struct FrameMaskKernels {
  Box (*box_above)(const void* probabilities, int rows, int cols, uint16_t* columns);
  void (*mask_bits)(const FrameMasks&, const ColumnPlan&, const void* probabilities, const Window&, uint8_t* bits,
                    int64_t pitch, float* scratch);
};

struct Kernels {
  const char* name;
  /// Both members are null for a network that is not among STC_MASK_HEAD_NETWORKS.
  MaskHeadKernel (*mask_head)(int channels, int layers, Storage storage);
  int group;  ///< of the ColumnPlan that mask_bits reads
  FrameMaskKernels (*frame_masks)(Storage storage);
  void (*spread_bits)(const uint8_t* bits, int count, uint8_t* pixels);
  ResizeKernels resize;
};

template <class Lanes, class Type>
MaskHeadKernel mask_head_kernel(int channels, int layers) {
#define STC_NETWORK(C, L) \
  if (channels == C && layers == L) return {feature_rows<Lanes, Type>, mask_rows<C, L, Lanes, Type>};
  STC_MASK_HEAD_NETWORKS(STC_NETWORK)
#undef STC_NETWORK
  return {nullptr, nullptr};
}

template <class Lanes>
Kernels kernels(const ResizeKernels& resize) {
  const auto mask_head = [](int channels, int layers, Storage storage) {
    return storage == Storage::kHalf ? mask_head_kernel<Lanes, Half>(channels, layers)
                                     : mask_head_kernel<Lanes, float>(channels, layers);
  };
  const auto frame_masks = [](Storage storage) -> FrameMaskKernels {
    if (storage == Storage::kHalf) return {box_above<Lanes, Half>, mask_bits<Lanes, Half>};
    return {box_above<Lanes, float>, mask_bits<Lanes, float>};
  };
  return {Lanes::kName, mask_head, kGroup<Lanes>, frame_masks, spread_bits<Lanes>, resize};
}

Kernels portable_kernels();
#if defined(__x86_64__)
Kernels avx2_kernels();    ///< only to be called where the machine has AVX2, FMA and F16C
Kernels avx512_kernels();  ///< and AVX-512 F, BW, DQ and VL
#endif
#if defined(__aarch64__)
Kernels neon_kernels();
#endif

}  // namespace stc::cpu

// What is compiled once per instruction set.
#pragma once

#include <cstring>

#include "frame_masks.h"
#include "mask_head.h"

namespace stc::cpu {

struct MaskHeadKernel {
  FeatureRows (*features)(const DynamicMaskHead&, int image, float* buffer);
  void (*mask_rows)(const DynamicMaskHead&, const FeatureRows&, int64_t instance, int begin, int end, float* scratch);
};

struct Kernels {
  const char* name;
  /// Both members are null for a network that is not among STC_MASK_HEAD_NETWORKS.
  MaskHeadKernel (*mask_head)(int channels, int layers, Storage storage);
  int group;  ///< of the ColumnPlan that mask_bits reads
  Box (*box_above)(const float* cells, int rows, int cols, uint16_t* columns);
  void (*mask_bits)(const FrameMasks&, const ColumnPlan&, const float* cells, const Window&, uint8_t* bits,
                    int64_t pitch, float* scratch);
  void (*spread_bits)(const uint8_t* bits, int count, uint8_t* pixels);
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
Kernels kernels() {
  const auto mask_head = [](int channels, int layers, Storage storage) {
    return storage == Storage::kHalf ? mask_head_kernel<Lanes, Half>(channels, layers)
                                     : mask_head_kernel<Lanes, float>(channels, layers);
  };
  return {Lanes::kName, mask_head, kGroup<Lanes>, box_above<Lanes>, mask_bits<Lanes>, spread_bits<Lanes>};
}

Kernels portable_kernels();
#if defined(__x86_64__)
Kernels avx2_kernels();    ///< only to be called where the machine has AVX2, FMA and F16C
Kernels avx512_kernels();  ///< and AVX-512 F, BW, DQ and VL
#endif

}  // namespace stc::cpu

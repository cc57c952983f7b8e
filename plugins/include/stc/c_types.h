/* What the C interfaces of the CPU library and of the CUDA library have in common. */
#ifndef STC_C_TYPES_H
#define STC_C_TYPES_H

#include <stdint.h>

/* The op stc::DynamicMaskHead, version 1. All arrays contiguous; storage 0: float32, 1: IEEE half. */
typedef struct {
  const void* mask_feats; /* storage (batch, channels, height, width) */
  const void* params;     /* storage (batch, instances, P), P given by channels and layers */
  const float* locations; /* (batch, instances, 2) x, y in input pixels */
  const float* sizes;     /* (batch, instances) input pixels */
  const int32_t* count;   /* (batch,): masks from row count[b] on are zero; taken into 0..instances */
  void* masks;            /* out, storage (batch, instances, height * upsample, width * upsample), 0..1 */
  int32_t batch, instances, height, width;
  int32_t channels, layers, stride, upsample;
  int32_t storage;
} stc_dynamic_mask_head;

/* One axis of the way from mask cells to frame pixels: pixel o lies shares[o] (0..1) of the way from cell cells[o] to
   the one after it. `cells` never decreases; where a share is 0, the cell after need not exist. */
typedef struct {
  const int32_t* cells; /* (size,) */
  const float* shares;  /* (size,) */
  int32_t size;         /* pixels */
} stc_frame_axis;

/* Masks of n objects at frame size, W = x.size by H = y.size: the pixels where the probability, resampled along both
   axes, is above 0.5. All forms give the same pixels to the last bit. */
typedef struct {
  const void* probabilities; /* (instances, rows, cols), 0..1; the call says their storage */
  stc_frame_axis y, x;
  int32_t instances, rows, cols;
} stc_frame_masks;

/* From levels to colours, in 2^-13, each factor below 4: with l = luma * (y - black), blue is l + blue_u * (u - 128),
   green l - green_u * (u - 128) - green_v * (v - 128), red l + red_v * (v - 128); clipped to 0..255. */
typedef struct {
  int32_t black; /* a level, 0..255 */
  int32_t luma, blue_u, green_u, green_v, red_v;
} stc_yuv_colours;

#endif

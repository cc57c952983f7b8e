// The structs of the C interfaces are those of the headers, field by field: one is copied over the other as bytes.
#pragma once

#include <cstddef>

#include "c_types.h"
#include "dynamic_mask_head.h"
#include "frame_mask.h"

namespace stc {

#define STC_SAME_FIELD(Plain, Native, field)                                                                        \
  static_assert(offsetof(Plain, field) == offsetof(Native, field) && sizeof(Plain::field) == sizeof(Native::field), \
                "field " #field " of " #Plain " lies elsewhere in " #Native)

static_assert(sizeof(stc_dynamic_mask_head) == sizeof(DynamicMaskHead), "the C struct and the header's are one");
STC_SAME_FIELD(stc_dynamic_mask_head, DynamicMaskHead, mask_feats);
STC_SAME_FIELD(stc_dynamic_mask_head, DynamicMaskHead, params);
STC_SAME_FIELD(stc_dynamic_mask_head, DynamicMaskHead, locations);
STC_SAME_FIELD(stc_dynamic_mask_head, DynamicMaskHead, sizes);
STC_SAME_FIELD(stc_dynamic_mask_head, DynamicMaskHead, count);
STC_SAME_FIELD(stc_dynamic_mask_head, DynamicMaskHead, masks);
STC_SAME_FIELD(stc_dynamic_mask_head, DynamicMaskHead, batch);
STC_SAME_FIELD(stc_dynamic_mask_head, DynamicMaskHead, instances);
STC_SAME_FIELD(stc_dynamic_mask_head, DynamicMaskHead, height);
STC_SAME_FIELD(stc_dynamic_mask_head, DynamicMaskHead, width);
STC_SAME_FIELD(stc_dynamic_mask_head, DynamicMaskHead, channels);
STC_SAME_FIELD(stc_dynamic_mask_head, DynamicMaskHead, layers);
STC_SAME_FIELD(stc_dynamic_mask_head, DynamicMaskHead, stride);
STC_SAME_FIELD(stc_dynamic_mask_head, DynamicMaskHead, upsample);
STC_SAME_FIELD(stc_dynamic_mask_head, DynamicMaskHead, storage);

static_assert(sizeof(stc_frame_axis) == sizeof(FrameAxis), "the C struct and the header's are one");
STC_SAME_FIELD(stc_frame_axis, FrameAxis, cells);
STC_SAME_FIELD(stc_frame_axis, FrameAxis, shares);
STC_SAME_FIELD(stc_frame_axis, FrameAxis, size);

static_assert(sizeof(stc_frame_masks) == sizeof(FrameMasks), "the C struct and the header's are one");
STC_SAME_FIELD(stc_frame_masks, FrameMasks, probabilities);
STC_SAME_FIELD(stc_frame_masks, FrameMasks, y);
STC_SAME_FIELD(stc_frame_masks, FrameMasks, x);
STC_SAME_FIELD(stc_frame_masks, FrameMasks, instances);
STC_SAME_FIELD(stc_frame_masks, FrameMasks, rows);
STC_SAME_FIELD(stc_frame_masks, FrameMasks, cols);

#undef STC_SAME_FIELD

}  // namespace stc

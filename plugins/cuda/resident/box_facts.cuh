// Areas and the smallest boxes of masks, from their bits. A block has an object.
#pragma once

#include <cuda_runtime.h>

#include "../dynamic_shared.cuh"
#include "block.cuh"
#include "objects.cuh"

namespace stc::cuda {

/// areas (most,), tight (most, 4). Grid (most). Shared: int32_t[4 * kObjectThreads].
__global__ void __launch_bounds__(kObjectThreads)
    box_facts_kernel(const int32_t* boxes, const int64_t* offsets, const uint32_t* words, int64_t room, int64_t* areas,
                     int32_t* tight) {
  STC_DYNAMIC_SHARED(shared);
  int32_t* const memory = reinterpret_cast<int32_t*>(shared);
  const int object = static_cast<int>(blockIdx.x), thread = static_cast<int>(threadIdx.x);
  const BitBox box(boxes + int64_t{4} * object);
  const bool there = box.empty() || offsets[object + 1] <= room;
  constexpr int kNone = INT32_MIN;
  int32_t reach[4] = {kNone, kNone, kNone, kNone}, area = 0;  // -left, -top, right, bottom; of set pixels
  if (there && !box.empty()) {
    const int pitch = box.words(), count = pitch * (box.y1 - box.y0);
    const uint32_t* const own = words + offsets[object];
    for (int i = thread; i < count; i += kObjectThreads) {
      const uint32_t word = own[i];
      if (word == 0) continue;
      const int y = box.y0 + i / pitch, x = (box.first_word() + i % pitch) * kWordBits;
      area += __popc(word);
      reach[0] = max(reach[0], -(x + __ffs(static_cast<int>(word)) - 1));
      reach[1] = max(reach[1], -y);
      reach[2] = max(reach[2], x + kWordBits - 1 - __clz(static_cast<int>(word)));
      reach[3] = max(reach[3], y);
    }
  }
  greatest(reach, memory);
  running_sum(area, memory);
  if (thread != 0) return;
  areas[object] = there ? memory[kObjectThreads - 1] : -1;
  const bool some = reach[2] != kNone;
  int32_t* const found = tight + int64_t{4} * object;
  found[0] = some ? -reach[0] : 0;
  found[1] = some ? -reach[1] : 0;
  found[2] = some ? reach[2] + 1 : 0;
  found[3] = some ? reach[3] + 1 : 0;
}

}  // namespace stc::cuda

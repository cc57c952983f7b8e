// Masks at frame size as the C interface offers them: pixels, bits or COCO's runs, all from the same bits.
#include "frame_masks.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <new>
#include <string>
#include <vector>

#include "dispatch.h"
#include "encodings/outlines.h"
#include "encodings/runs.h"
#include "parallel.h"
#include "stc/same_layout.h"
#include "stc_cpu.h"

namespace stc::cpu {
namespace {

bool sound(const FrameAxis& axis, int cells) {
  if (axis.size < 1 || cells < 1 || !axis.cells || !axis.shares) return false;
  for (int o = 0; o < axis.size; ++o) {
    if (axis.cells[o] < (o > 0 ? axis.cells[o - 1] : 0)) return false;
    if (!(axis.shares[o] >= 0 && axis.shares[o] <= 1) || second_cell(axis, o) >= cells) return false;
  }
  return true;
}

bool sound(const FrameMasks& op, int threads) {
  return threads >= 1 && op.instances >= 0 && (op.instances == 0 || op.probabilities) && sound(op.y, op.rows) &&
         sound(op.x, op.cols);
}

/// A ColumnPlan and the memory it points to.
struct OwnedPlan {
  std::vector<int32_t> base, low, high;
  std::vector<uint8_t> narrow;
  std::vector<float> share;
  ColumnPlan plan;

  OwnedPlan(const FrameAxis& x, int group)
      : base((x.size + group - 1) / group),
        low(base.size() * group),
        high(base.size() * group),
        narrow(base.size()),
        share(base.size() * group) {
    const int groups = static_cast<int>(base.size());
    for (int g = 0; g < groups; ++g) {
      const int start = g * group, end = std::min(x.size, start + group);
      base[g] = x.cells[start];
      for (int o = start; o < end; ++o) {
        low[o] = x.cells[o] - base[g];
        high[o] = second_cell(x, o) - base[g];
        share[o] = x.shares[o];
      }
      narrow[g] = *std::max_element(high.begin() + start, high.begin() + end) < group;
    }
    plan = {groups, group, base.data(), narrow.data(), low.data(), high.data(), share.data()};
  }
};

/// The first and one past the last frame pixel that read any cell of [start, stop).
std::array<int, 2> reach(const FrameAxis& axis, int start, int stop) {
  int low = 0, high = axis.size;
  while (low < high && second_cell(axis, low) < start) ++low;
  while (high > low && axis.cells[high - 1] >= stop) --high;
  return {low, high};
}

/// Outside of it nothing is above the threshold: every pixel is a convex combination of the cells that it reads.
Window window_of(const FrameMasks& op, const Box& box, int group) {
  if (box.top >= box.bottom) return {0, 0, 0, 0};
  const auto [y0, y1] = reach(op.y, box.top, box.bottom);
  const auto [x0, x1] = reach(op.x, box.left, box.right);
  if (y0 >= y1 || x0 >= x1) return {0, 0, 0, 0};  // only cells of the letterbox's border
  return {y0, y1, x0 / group * group, (x1 + group - 1) / group * group};
}

/// What all forms begin with. Throws std::bad_alloc.
class Work {
 public:
  Work(const FrameMasks& masks, Storage storage, int threads)
      : op(masks),
        form_(kernels_.frame_masks(storage)),
        item_(storage == Storage::kHalf ? sizeof(Half) : sizeof(float)),
        columns_(op.x, kernels_.group),
        floats_(mask_scratch(op, columns_.plan)),
        scratch_(floats_ * threads),
        above_((op.cols + 1) * threads) {}

  /// Bytes of a row that is as wide as whole groups.
  int64_t pitch() const { return columns_.plan.pixels() / 8; }

  Window window(int instance, int lane) {
    const Box box = form_.box_above(cells(instance), op.rows, op.cols, above_.data() + lane * (op.cols + 1));
    return window_of(op, box, kernels_.group);
  }

  /// Bits of rows [y0, y1) of an instance's window into `target`, whose first row is row 0 of the frame.
  void bits(int instance, Window window, int y0, int y1, int lane, uint8_t* target, int64_t pitch) {
    window.y0 = std::max(window.y0, y0);
    window.y1 = std::min(window.y1, y1);
    if (window.y0 >= window.y1) return;
    form_.mask_bits(op, columns_.plan, cells(instance), window, target, pitch, scratch_.data() + lane * floats_);
  }

  const FrameMasks& op;

 private:
  const void* cells(int instance) const {
    return static_cast<const uint8_t*>(op.probabilities) + item_ * instance * op.rows * op.cols;
  }

  const Kernels& kernels_ = best_kernels();
  FrameMaskKernels form_;
  int64_t item_;  // bytes
  OwnedPlan columns_;
  int64_t floats_;
  std::vector<float> scratch_;
  std::vector<uint16_t> above_;
};

void bit_masks(const FrameMasks& op, Storage storage, uint8_t* words, int threads) {
  Work work(op, storage, threads);
  const Share share(op.instances, op.y.size, threads);
  const int64_t pitch = 4 * ((int64_t{op.x.size} + 31) / 32);
  parallel_for(share.tasks(), threads, [&](int task, int lane) {
    const int i = share.instance(task), begin = share.begin(task), end = share.end(task);
    uint8_t* frame = words + i * op.y.size * pitch;
    std::memset(frame + begin * pitch, 0, (end - begin) * pitch);
    work.bits(i, work.window(i, lane), begin, end, lane, frame, pitch);
  });
}

void dense_masks(const FrameMasks& op, Storage storage, uint8_t* pixels, int32_t* written, int threads) {
  Work work(op, storage, threads);
  const Share share(op.instances, op.y.size, threads);
  const int64_t pitch = work.pitch(), frame_bytes = op.y.size * pitch, width = op.x.size;
  std::vector<uint8_t> frames(frame_bytes * threads);
  parallel_for(share.tasks(), threads, [&](int task, int lane) {
    const int i = share.instance(task), begin = share.begin(task), end = share.end(task);
    const Window window = work.window(i, lane);
    const int right = std::min(window.x1, op.x.size);
    if (written && begin == 0) {  // of an instance's tasks the first
      const int32_t edges[] = {window.y0, window.y1, window.x0, right};
      std::copy_n(edges, 4, written + int64_t{4} * i);
    }
    uint8_t* bits = frames.data() + lane * frame_bytes;
    work.bits(i, window, begin, end, lane, bits, pitch);
    for (int y = std::max(begin, window.y0); y < std::min(end, window.y1); ++y) {
      uint8_t* row = pixels + (int64_t{i} * op.y.size + y) * width;
      best_kernels().spread_bits(bits + y * pitch + window.x0 / 8, right - window.x0, row + window.x0);
    }
  });
}

int64_t rle_masks(const FrameMasks& op, Storage storage, char* text, int64_t capacity, int64_t* ends, int64_t* areas,
                  int threads) {
  Work work(op, storage, threads);
  const int64_t pitch = work.pitch(), frame_bytes = op.y.size * pitch;
  std::vector<uint8_t> frames(frame_bytes * threads);
  std::vector<Runs> runs(threads);
  std::vector<std::string> texts(op.instances);
  std::atomic<bool> failed{false};
  parallel_for(op.instances, threads, [&](int i, int lane) noexcept {
    const Window window = work.window(i, lane);
    uint8_t* bits = frames.data() + lane * frame_bytes;
    work.bits(i, window, 0, op.y.size, lane, bits, pitch);
    try {
      runs[lane].find(bits, pitch, window, op.y.size, op.x.size);
      texts[i] = runs[lane].coco();
      areas[i] = runs[lane].area();
    } catch (const std::bad_alloc&) {
      failed = true;
    }
  });
  if (failed) throw std::bad_alloc();
  int64_t end = 0;
  for (int i = 0; i < op.instances; ++i) ends[i] = end += static_cast<int64_t>(texts[i].size());
  if (end > capacity) return end;
  for (int i = 0; i < op.instances; ++i) {
    std::memcpy(text + ends[i] - texts[i].size(), texts[i].data(), texts[i].size());
  }
  return STC_OK;
}

/// Throws std::bad_alloc. Whether corners and rings had room; then they are written, `counts` always.
bool outline_masks(const FrameMasks& op, Storage storage, stc_outlines& found, int threads) {
  Work work(op, storage, threads);
  const int64_t pitch = work.pitch(), frame_bytes = op.y.size * pitch;
  std::vector<uint8_t> frames(frame_bytes * threads);
  std::vector<Outlines> outlines(op.instances);
  std::atomic<bool> failed{false};
  parallel_for(op.instances, threads, [&](int i, int lane) noexcept {
    const Window window = work.window(i, lane);
    uint8_t* bits = frames.data() + lane * frame_bytes;
    work.bits(i, window, 0, op.y.size, lane, bits, pitch);
    try {
      outlines[i].find(bits, pitch, window);
    } catch (const std::bad_alloc&) {
      failed = true;
    }
  });
  if (failed) throw std::bad_alloc();
  found.corners = found.rings = 0;
  for (const Outlines& one : outlines) {
    found.corners += static_cast<int64_t>(one.corners().size()) / 2;
    found.rings += static_cast<int64_t>(one.rings().size());
  }
  if (found.corners > found.corner_room || found.rings > found.ring_room) return false;
  int32_t* corner = found.xy;
  int64_t *ring = found.ring, end = 0;
  for (int i = 0; i < op.instances; ++i) {
    corner = std::copy(outlines[i].corners().begin(), outlines[i].corners().end(), corner);
    for (const Outlines::Ring& one : outlines[i].rings()) {
      *ring++ = i;
      *ring++ = one.part;
      *ring++ = end += one.corners;
    }
  }
  return true;
}

/// Calls form(op, storage, threads) when the arguments are sound and there is something to do.
template <class Form>
int64_t checked(const stc_frame_masks* masks, int32_t storage, int threads, Form form) {
  FrameMasks op;
  std::memcpy(&op, masks, sizeof op);
  if (!sound(op, threads) || (storage != 0 && storage != 1)) return STC_BAD_ARGUMENT;
  if (op.instances == 0) return STC_OK;
  try {
    return form(op, static_cast<Storage>(storage), std::min(threads, kMostThreads));
  } catch (const std::bad_alloc&) {
    return STC_OUT_OF_MEMORY;
  }
}

}  // namespace
}  // namespace stc::cpu

using stc::FrameMasks;
using stc::Storage;

int32_t stc_cpu_dense_masks(const stc_frame_masks* masks, int32_t storage, uint8_t* pixels, int32_t* written,
                            int32_t threads) {
  const auto form = [&](const FrameMasks& op, Storage type, int most) {
    stc::cpu::dense_masks(op, type, pixels, written, most);
    return STC_OK;
  };
  return static_cast<int32_t>(stc::cpu::checked(masks, storage, threads, form));
}

int32_t stc_cpu_bit_masks(const stc_frame_masks* masks, int32_t storage, uint32_t* words, int32_t threads) {
  const auto form = [&](const FrameMasks& op, Storage type, int most) {
    stc::cpu::bit_masks(op, type, reinterpret_cast<uint8_t*>(words), most);
    return STC_OK;
  };
  return static_cast<int32_t>(stc::cpu::checked(masks, storage, threads, form));
}

int64_t stc_cpu_rle_masks(const stc_frame_masks* masks, int32_t storage, char* text, int64_t capacity, int64_t* ends,
                          int64_t* areas, int32_t threads) {
  return stc::cpu::checked(masks, storage, threads, [&](const FrameMasks& op, Storage type, int most) {
    return stc::cpu::rle_masks(op, type, text, capacity, ends, areas, most);
  });
}

int32_t stc_cpu_outline_masks(const stc_frame_masks* masks, int32_t storage, stc_outlines* found, int32_t threads) {
  found->corners = found->rings = 0;
  return static_cast<int32_t>(
      stc::cpu::checked(masks, storage, threads, [&](const FrameMasks& op, Storage type, int most) {
        return stc::cpu::outline_masks(op, type, *found, most) ? STC_OK : STC_NO_ROOM;
      }));
}

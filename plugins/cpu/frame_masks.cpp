// Masks at frame size as the C interface offers them: pixels, bits or COCO's runs, all from the same bits.
#include "frame_masks.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "dispatch.h"
#include "parallel.h"
#include "runs.h"
#include "stc_cpu.h"

namespace stc::cpu {
namespace {

constexpr int kGroup = ColumnPlan::kGroup;

bool sound(const FrameAxis& axis, int cells) {
  if (axis.size < 1 || cells < 1 || !axis.cells || !axis.weights) return false;
  for (int o = 0; o < axis.size; ++o) {
    const int first = axis.cells[o];
    if (first < 0 || (o > 0 && first < axis.cells[o - 1])) return false;
    for (int t = 0; t < kTaps; ++t) {
      const int cell = axis.cells[t * axis.size + o];
      if (cell < first || cell > first + 2 || cell >= cells) return false;
    }
  }
  return true;
}

bool sound(const FrameMasks& op, int threads) {
  return threads >= 1 && op.instances >= 0 && (op.instances == 0 || op.probabilities) && sound(op.y, op.rows) &&
         sound(op.x, op.cols);
}

/// A ColumnPlan and the memory it points to.
struct OwnedPlan {
  std::vector<int32_t> base, index;
  std::vector<uint8_t> narrow;
  std::vector<float> weight;
  ColumnPlan plan;

  explicit OwnedPlan(const FrameAxis& x) {
    const int groups = (x.size + kGroup - 1) / kGroup, plane = groups * kGroup;
    base.resize(groups);
    narrow.resize(groups);
    index.resize(kTaps * plane);
    weight.resize(kTaps * plane);
    for (int group = 0; group < groups; ++group) {
      const int end = std::min(x.size, (group + 1) * kGroup);
      base[group] = x.cells[group * kGroup];
      int last = 0;
      for (int o = group * kGroup; o < end; ++o) {
        for (int t = 0; t < kTaps; ++t) {
          const int cell = x.cells[t * x.size + o] - base[group];
          index[t * plane + o] = cell;
          weight[t * plane + o] = x.weights[t * x.size + o];
          last = std::max(last, cell);
        }
      }
      narrow[group] = last < 8;
    }
    plan = {groups, base.data(), narrow.data(), index.data(), weight.data()};
  }
};

/// The first and one past the last frame pixel that read any cell of [start, stop): a cell is read between its row's
/// first tap and its last.
std::array<int, 2> reach(const FrameAxis& axis, int start, int stop) {
  const int32_t *first = axis.cells, *second = first + axis.size, *third = second + axis.size;
  int low = 0, high = axis.size;
  while (low < high && std::max({first[low], second[low], third[low]}) < start) ++low;
  while (high > low && first[high - 1] >= stop) --high;
  return {low, high};
}

/// Outside of it nothing is above the threshold: every pixel is a convex combination of the cells that it reads.
Window window_of(const FrameMasks& op, const float* cells) {
  int top = op.rows, bottom = 0, left = op.cols, right = 0;
  for (int row = 0; row < op.rows; ++row) {
    const float* line = cells + int64_t{row} * op.cols;
    int first = 0, last = op.cols;
    while (first < op.cols && !(line[first] > kMaskThreshold)) ++first;
    if (first == op.cols) continue;
    while (!(line[last - 1] > kMaskThreshold)) --last;
    top = std::min(top, row);
    bottom = row + 1;
    left = std::min(left, first);
    right = std::max(right, last);
  }
  if (top >= bottom) return {0, 0, 0, 0};
  const auto [y0, y1] = reach(op.y, top, bottom);
  const auto [x0, x1] = reach(op.x, left, right);
  if (y0 >= y1 || x0 >= x1) return {0, 0, 0, 0};  // only cells of the letterbox's border
  return {y0, y1, x0 / kGroup, (x1 + kGroup - 1) / kGroup};
}

/// How instances are shared out: whole ones where there are enough of them, else in bands of rows.
struct Share {
  int instances, bands, height;

  Share(const FrameMasks& op, int threads)
      : instances(op.instances),
        bands(op.instances >= 2 * threads ? 1 : std::min(op.y.size, (2 * threads + op.instances - 1) / op.instances)),
        height(op.y.size) {}
  int tasks() const { return instances * bands; }
  int instance(int task) const { return task / bands; }
  int begin(int task) const { return static_cast<int>(int64_t{height} * (task % bands) / bands); }
  int end(int task) const { return static_cast<int>(int64_t{height} * (task % bands + 1) / bands); }
};

/// Byte i of entry b is bit i of b.
constexpr std::array<uint64_t, 256> spread_bits() {
  std::array<uint64_t, 256> table{};
  for (unsigned byte = 0; byte < 256; ++byte) {
    for (unsigned bit = 0; bit < 8; ++bit) table[byte] |= uint64_t{byte >> bit & 1} << 8 * bit;
  }
  return table;
}
constexpr std::array<uint64_t, 256> kSpread = spread_bits();
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "bits and bytes are laid out for little-endian machines"
#endif

/// One row of pixels from the window's bits; `begin`, `end` in groups.
void spread_row(const uint8_t* bits, int begin, int end, int width, uint8_t* pixels) {
  std::memset(pixels, 0, begin * kGroup);
  int group = begin;
  for (; group < end && (group + 1) * kGroup <= width; ++group) {
    std::memcpy(pixels + group * kGroup, &kSpread[bits[group]], kGroup);
  }
  if (group < end) {
    std::memcpy(pixels + group * kGroup, &kSpread[bits[group]], width - group * kGroup);
    return;
  }
  std::memset(pixels + group * kGroup, 0, width - group * kGroup);
}

/// What all forms begin with. Throws std::bad_alloc.
struct Work {
  const FrameMasks& op;
  OwnedPlan columns;
  std::vector<Window> windows;
  int64_t scratch_floats;
  std::vector<float> scratch;

  Work(const FrameMasks& masks, int threads)
      : op(masks),
        columns(op.x),
        windows(op.instances),
        scratch_floats(mask_scratch(op, columns.plan)),
        scratch(scratch_floats * threads) {
    parallel_for(op.instances, threads, [&](int i, int) { windows[i] = window_of(op, cells(i)); });
  }
  const float* cells(int instance) const {
    return static_cast<const float*>(op.probabilities) + int64_t{instance} * op.rows * op.cols;
  }
  /// Bits of rows [y0, y1) of an instance's window into `bits`, whose first row is row 0 of the frame.
  void bits(int instance, int y0, int y1, int lane, uint8_t* target, int64_t pitch) {
    Window part = windows[instance];
    part.y0 = std::max(part.y0, y0);
    part.y1 = std::min(part.y1, y1);
    if (part.y0 >= part.y1) return;
    best_kernels().mask_bits(op, columns.plan, cells(instance), part, target, pitch,
                             scratch.data() + lane * scratch_floats);
  }
};

void bit_masks(const FrameMasks& op, uint8_t* words, int threads) {
  Work work(op, threads);
  const Share share(op, threads);
  const int64_t pitch = 4 * ((int64_t{op.x.size} + 31) / 32);
  parallel_for(share.tasks(), threads, [&](int task, int lane) {
    const int i = share.instance(task), begin = share.begin(task), end = share.end(task);
    uint8_t* frame = words + i * op.y.size * pitch;
    std::memset(frame + begin * pitch, 0, (end - begin) * pitch);
    work.bits(i, begin, end, lane, frame, pitch);
  });
}

void dense_masks(const FrameMasks& op, uint8_t* pixels, int threads) {
  Work work(op, threads);
  const Share share(op, threads);
  const int64_t pitch = work.columns.plan.groups, frame_bytes = op.y.size * pitch;
  std::vector<uint8_t> frames(frame_bytes * threads);
  parallel_for(share.tasks(), threads, [&](int task, int lane) {
    const int i = share.instance(task);
    const Window& window = work.windows[i];
    uint8_t* bits = frames.data() + lane * frame_bytes;
    work.bits(i, share.begin(task), share.end(task), lane, bits, pitch);
    for (int y = share.begin(task); y < share.end(task); ++y) {
      uint8_t* row = pixels + (int64_t{i} * op.y.size + y) * op.x.size;
      const bool inside = window.y0 <= y && y < window.y1;
      spread_row(bits + y * pitch, inside ? window.g0 : 0, inside ? window.g1 : 0, op.x.size, row);
    }
  });
}

int64_t rle_masks(const FrameMasks& op, char* text, int64_t capacity, int64_t* ends, int64_t* areas, int threads) {
  Work work(op, threads);
  const int64_t pitch = work.columns.plan.groups, frame_bytes = op.y.size * pitch;
  std::vector<uint8_t> frames(frame_bytes * threads);
  std::vector<Runs> runs(threads);
  std::vector<std::string> texts(op.instances);
  std::vector<char> failed(op.instances);
  parallel_for(op.instances, threads, [&](int i, int lane) noexcept {
    const Window& window = work.windows[i];
    uint8_t* bits = frames.data() + lane * frame_bytes;
    work.bits(i, 0, op.y.size, lane, bits, pitch);
    try {
      runs[lane].find(bits, pitch, window, op.y.size, op.x.size);
      texts[i] = runs[lane].coco();
      areas[i] = runs[lane].area();
    } catch (const std::bad_alloc&) {
      failed[i] = 1;
    }
  });
  if (std::find(failed.begin(), failed.end(), 1) != failed.end()) throw std::bad_alloc();
  int64_t end = 0;
  for (int i = 0; i < op.instances; ++i) ends[i] = end += static_cast<int64_t>(texts[i].size());
  if (end > capacity) return end;
  for (int i = 0; i < op.instances; ++i) std::memcpy(text + ends[i] - texts[i].size(), texts[i].data(), texts[i].size());
  return STC_OK;
}

static_assert(sizeof(stc_frame_masks) == sizeof(FrameMasks), "the C struct and the header's are one");

/// Calls form(op) when the arguments are sound and there is something to do.
template <class Form>
int64_t checked(const stc_frame_masks* masks, int threads, Form form) {
  FrameMasks op;
  std::memcpy(&op, masks, sizeof op);
  if (!sound(op, threads)) return STC_BAD_ARGUMENT;
  if (op.instances == 0) return STC_OK;
  try {
    return form(op);
  } catch (const std::bad_alloc&) {
    return STC_OUT_OF_MEMORY;
  }
}

}  // namespace
}  // namespace stc::cpu

using stc::FrameMasks;

int32_t stc_cpu_dense_masks(const stc_frame_masks* masks, uint8_t* pixels, int32_t threads) {
  return static_cast<int32_t>(stc::cpu::checked(masks, threads, [&](const FrameMasks& op) {
    stc::cpu::dense_masks(op, pixels, threads);
    return STC_OK;
  }));
}

int32_t stc_cpu_bit_masks(const stc_frame_masks* masks, uint32_t* words, int32_t threads) {
  return static_cast<int32_t>(stc::cpu::checked(masks, threads, [&](const FrameMasks& op) {
    stc::cpu::bit_masks(op, reinterpret_cast<uint8_t*>(words), threads);
    return STC_OK;
  }));
}

int64_t stc_cpu_rle_masks(const stc_frame_masks* masks, char* text, int64_t capacity, int64_t* ends, int64_t* areas,
                          int32_t threads) {
  return stc::cpu::checked(masks, threads, [&](const FrameMasks& op) {
    return stc::cpu::rle_masks(op, text, capacity, ends, areas, threads);
  });
}

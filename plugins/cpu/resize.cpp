// Resizing as the C interface offers it: checks, and columns first in bands of rows shared out over threads.
#include "resize.h"

#include <cstring>
#include <new>
#include <vector>

#include "dispatch.h"
#include "parallel.h"

namespace stc::cpu {

bool sound(const stc_resize_axis& axis, int source, int64_t most) {
  if (axis.size < 1 || axis.taps < 1 || source < 1 || !axis.first || !axis.weights) return false;
  for (int o = 0; o < axis.size; ++o) {
    if (axis.first[o] < (o > 0 ? axis.first[o - 1] : 0) || axis.first[o] >= source) return false;
    int64_t sum = 0;
    for (int t = 0; t < axis.taps; ++t) {
      const int32_t weight = axis.weights[int64_t{o} * axis.taps + t];
      if (weight < 0 || (weight > 0 && t >= source - axis.first[o])) return false;
      sum += weight;
    }
    if (sum > most) return false;
  }
  return true;
}

namespace {

/// A ResizeAxis and the memory it points to.
struct OwnedAxis {
  std::vector<int32_t> weights;
  std::vector<int16_t> high, low;
  ResizeAxis axis;

  explicit OwnedAxis(const stc_resize_axis& given) {
    const int taps = (given.taps + 3) / 4 * 4;
    const size_t count = static_cast<size_t>(given.size) * taps;
    weights.resize(count);
    high.resize(count);
    low.resize(count);
    for (int o = 0; o < given.size; ++o) {
      for (int t = 0; t < given.taps; ++t) {
        const int32_t weight = given.weights[int64_t{o} * given.taps + t];
        const size_t at = static_cast<size_t>(o) * taps + t;
        weights[at] = weight;
        high[at] = static_cast<int16_t>(weight >> kLowBits);
        low[at] = static_cast<int16_t>(weight & ((1 << kLowBits) - 1));
      }
    }
    axis = {given.size, taps, given.first, weights.data(), high.data(), low.data()};
  }
};

/// Throws std::bad_alloc.
void resize_columns_first(const stc_resize& op, int threads) {
  const OwnedAxis x(op.x), y(op.y);
  const ResizeKernels& kernels = best_kernels().resize;
  const int bytes = op.x.size * kChannels, taps = y.axis.taps;
  const int64_t pitch = bytes + kVector;
  const Share share(1, op.y.size, threads);
  // A band reads the rows from its first target row's first to its last one's last.
  int most = 0;
  const auto rows_of = [&](int band) {
    return std::min(op.height, y.axis.first[share.end(band) - 1] + taps) - y.axis.first[share.begin(band)];
  };
  for (int band = 0; band < share.tasks(); ++band) most = std::max(most, rows_of(band));
  const bool packed = op.source_pixel != kChannels || op.source_channel != 1;
  const int64_t copy = packed ? int64_t{kChannels} * op.width : 0;
  std::vector<uint8_t> narrowed(most * pitch * threads), copies(copy * kRowsAtOnce * threads);
  std::vector<const uint8_t*> pointers(static_cast<size_t>(taps) * threads);

  parallel_for(share.tasks(), threads, [&](int band, int lane) {
    uint8_t* const kept = narrowed.data() + lane * most * pitch;
    const uint8_t** const read = pointers.data() + lane * taps;
    const int begin = y.axis.first[share.begin(band)], count = rows_of(band);
    for (int row = 0; row < count; row += kRowsAtOnce) {
      const uint8_t* from[kRowsAtOnce];
      uint8_t* to[kRowsAtOnce];
      const int some = std::min(kRowsAtOnce, count - row);
      for (int i = 0; i < some; ++i) {
        from[i] = op.source + (begin + row + i) * op.source_row;
        if (packed) {
          uint8_t* const own = copies.data() + (lane * kRowsAtOnce + i) * copy;
          pack_row(op, begin + row + i, own);
          from[i] = own;
        }
        to[i] = kept + (row + i) * pitch;
      }
      kernels.columns(x.axis, from, op.width, some, to);
    }
    for (int pixel = share.begin(band); pixel < share.end(band); ++pixel) {
      // A tap beyond the last row has weight 0 and may read any.
      for (int t = 0; t < taps; ++t) read[t] = kept + std::min(y.axis.first[pixel] - begin + t, count - 1) * pitch;
      kernels.rows(y.axis, pixel, read, bytes, op.target + pixel * op.target_pitch);
    }
  });
}

}  // namespace
}  // namespace stc::cpu

int32_t stc_cpu_resize(const stc_resize* op, int32_t threads) {
  using stc::cpu::kChannels;
  // 255 times the sum of the weights stays below 2^31; rows first has a bit less room.
  const int64_t most = int64_t{op->order == STC_COLUMNS_FIRST ? 2 : 1} << stc::cpu::kFraction;
  const auto sound = [op, most](const stc_resize_axis& axis, int source) {
    return op->order == STC_LINEAR ? stc::cpu::sound_linear(axis, source) : stc::cpu::sound(axis, source, most);
  };
  if (threads < 1 || op->order < STC_COLUMNS_FIRST || op->order > STC_LINEAR || !sound(op->y, op->height) ||
      !sound(op->x, op->width) || !op->source || !op->target || op->target_pitch < int64_t{kChannels} * op->x.size) {
    return STC_BAD_ARGUMENT;
  }
  try {
    const int most_threads = std::min(threads, stc::cpu::kMostThreads);
    if (op->order == STC_ROWS_FIRST) {
      stc::cpu::resize_rows_first(*op, most_threads);
    } else if (op->order == STC_LINEAR) {
      stc::cpu::resize_linear(*op, most_threads);
    } else {
      stc::cpu::resize_columns_first(*op, most_threads);
    }
  } catch (const std::bad_alloc&) {
    return STC_OUT_OF_MEMORY;
  }
  return STC_OK;
}

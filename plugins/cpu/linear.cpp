// Linear interpolation with the roundings of OpenCV's INTER_LINEAR: weights of 11 bits; along x and then along y.
#include <algorithm>
#include <vector>

#include "dispatch.h"
#include "parallel.h"
#include "resize.h"

namespace stc::cpu {
namespace {

constexpr int kSpare = kFraction - kLinearBits;  // bits of a given weight that are 0

/// A ShortAxis and the memory that it points to.
struct LinearAxis {
  std::vector<int16_t> weights;
  ShortAxis axis;

  explicit LinearAxis(const stc_resize_axis& given) : weights(2 * static_cast<size_t>(given.size)) {
    for (size_t i = 0; i < weights.size(); ++i) weights[i] = static_cast<int16_t>(given.weights[i] >> kSpare);
    axis = {given.size, 2, kLinearBits, given.first, weights.data()};
  }
};

}  // namespace

bool sound_linear(const stc_resize_axis& axis, int source) {
  if (axis.size < 1 || axis.taps != 2 || source < 1 || !axis.first || !axis.weights) return false;
  for (int o = 0; o < axis.size; ++o) {
    if (axis.first[o] < (o > 0 ? axis.first[o - 1] : -1) || axis.first[o] >= source) return false;
    const int64_t one = axis.weights[2 * int64_t{o}], other = axis.weights[2 * int64_t{o} + 1];
    if (one < 0 || other < 0 || one + other > (1 << kFraction) + (1 << kSpare)) return false;
  }
  return true;
}

void resize_linear(const stc_resize& op, int threads) {
  const LinearAxis y(op.y), x(op.x);
  const ResizeKernels& kernels = best_kernels().resize;
  const RowLayout layout(op);
  const int count = kChannels * op.x.size;
  const int64_t line = count + 1;
  std::vector<int16_t> lines(2 * line * threads);
  std::vector<uint8_t> copies(layout.packed ? layout.bytes * threads : 0);
  const Share share(1, op.y.size, threads);
  parallel_for(share.tasks(), threads, [&](int band, int lane) {
    int held[2] = {-1, -1};  // two rows are kept, by parity: neighbours differ in it
    const auto narrowed = [&](int row) -> const int16_t* {
      row = std::clamp(row, 0, op.height - 1);
      int16_t* const kept = lines.data() + (2 * lane + (row & 1)) * line;
      if (held[row & 1] != row) {
        const uint8_t* data = layout.row(op, row, copies.data() + lane * layout.bytes);
        kernels.interpolate_pixels(x.axis, {data, op.width, layout}, kept);
        held[row & 1] = row;
      }
      return kept;
    };
    for (int o = share.begin(band); o < share.end(band); ++o) {
      const int16_t* const rows[2] = {narrowed(y.axis.first[o]), narrowed(y.axis.first[o] + 1)};
      kernels.interpolate_rows(rows, y.weights.data() + 2 * int64_t{o}, count, op.target + o * op.target_pitch);
    }
  });
}

}  // namespace stc::cpu

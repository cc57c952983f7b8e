// Resizing rows first: every target row is a blend of source rows, which is then blended along x.
#include <cstdlib>
#include <vector>

#include "dispatch.h"
#include "parallel.h"
#include "resize.h"

namespace stc::cpu {
namespace {

/// Taps of a target pixel up to the last that counts, as an even number.
int counting(const ShortAxis& axis, int pixel) {
  const int16_t* weights = axis.weights + int64_t{pixel} * axis.taps;
  int taps = axis.taps;
  while (taps > 2 && weights[taps - 1] == 0 && weights[taps - 2] == 0) taps -= 2;
  return taps;
}

}  // namespace

OwnedShortAxis::OwnedShortAxis(const stc_resize_axis& given, int multiple, int most_bits) {
  const int taps = (given.taps + multiple - 1) / multiple * multiple;
  int32_t greatest = 1;
  for (int64_t i = 0; i < int64_t{given.size} * given.taps; ++i) greatest = std::max(greatest, given.weights[i]);
  int bits = most_bits;
  while ((int64_t{greatest} << bits >> kFraction) + 1 > INT16_MAX) --bits;
  weights.resize(static_cast<size_t>(given.size) * taps);
  for (int o = 0; o < given.size; ++o) {
    // The sums are rounded and not the weights, so that rounding adds up to nothing.
    int64_t sum = 0, rounded = 0;
    for (int t = 0; t < given.taps; ++t) {
      sum += given.weights[int64_t{o} * given.taps + t];
      const int64_t next = (sum + (int64_t{1} << (kFraction - bits) >> 1)) >> (kFraction - bits);
      weights[static_cast<size_t>(o) * taps + t] = static_cast<int16_t>(next - rounded);
      rounded = next;
    }
  }
  axis = {given.size, taps, bits, given.first, weights.data()};
}

void pack_row(const stc_resize& op, int y, uint8_t* target) {
  const uint8_t* from = op.source + y * op.source_row;
  for (int x = 0; x < op.width; ++x, from += op.source_pixel, target += kChannels) {
    for (int c = 0; c < kChannels; ++c) target[c] = from[c * op.source_channel];
  }
}

RowLayout::RowLayout(const stc_resize& op)
    : packed(!Spacing::fits(op.source_pixel, op.source_channel)),
      spacing(packed ? Spacing{kChannels, 1}
                     : Spacing{static_cast<int>(op.source_pixel), static_cast<int>(op.source_channel)}) {
  const int64_t last = int64_t{op.width - 1} * spacing.pixel, across = (kChannels - 1) * spacing.channel;
  origin = -(std::min<int64_t>(0, last) + std::min<int64_t>(0, across));
  bytes = std::max<int64_t>(0, last) + std::max<int64_t>(0, across) + 1 + origin;
}

const uint8_t* RowLayout::row(const stc_resize& op, int y, uint8_t* copy) const {
  if (!packed) return op.source + y * op.source_row - origin;
  pack_row(op, y, copy);
  return copy;
}

void resize_rows_first(const stc_resize& op, int threads) {
  const OwnedShortAxis y(op.y, 2, kFraction), x(op.x, 4, 16);
  const ResizeKernels& kernels = best_kernels().resize;
  const RowLayout layout(op);
  // Taps of weight 0 may lie beyond a row's end.
  const int64_t margin = int64_t{x.axis.taps} * std::abs(layout.spacing.pixel) + kVector;
  const int64_t bytes = layout.bytes, line = bytes + 2 * margin, taps = y.axis.taps;
  std::vector<int16_t> lines(line * threads);
  std::vector<const uint8_t*> pointers(taps * threads);
  std::vector<uint8_t> copies(layout.packed ? taps * bytes * threads : 0);

  const Share share(1, op.y.size, threads);
  parallel_for(share.tasks(), threads, [&](int band, int lane) {
    int16_t* const blended = lines.data() + lane * line + margin;
    const uint8_t** const rows = pointers.data() + lane * taps;
    for (int o = share.begin(band); o < share.end(band); ++o) {
      const int count = counting(y.axis, o);
      for (int t = 0; t < count; ++t) {
        const int row = std::min(y.axis.first[o] + t, op.height - 1);  // a tap beyond the last row has weight 0
        rows[t] = layout.row(op, row, copies.data() + (lane * taps + t) * bytes);
      }
      kernels.blend_rows(y.axis.weights + o * taps, count, y.axis.bits, rows, bytes, blended);
      kernels.blend_pixels(x.axis, blended + layout.origin, layout.spacing, op.target + o * op.target_pitch);
    }
  });
}

}  // namespace stc::cpu

// Planes of luma and chroma resized rows first, and then converted: linear as both are, their order makes no difference
// but for clipping, and there are few pixels left to convert.
#include <algorithm>
#include <new>
#include <vector>

#include "dispatch.h"
#include "parallel.h"
#include "resize.h"

namespace stc::cpu {
namespace {

constexpr int kLevelBits = 5;    // of a level while colours are mixed: 255 * 2^5 * 2^15 stays far below 2^31
constexpr int kColourBits = 13;  // of a colour's coefficient, which is below 4

uint8_t level(int32_t mixed) {
  constexpr int kShift = kLevelBits + kColourBits;
  return static_cast<uint8_t>(std::clamp((mixed + (1 << kShift >> 1)) >> kShift, 0, 255));
}

/// Row of `size` pixels: their Y, U and V one after the other, each int32 (size,), to blue, green, red. levels: uint8
/// (3, size), to compute in, channel by channel: in loops that compilers make vectors of. colours:
/// by value, or every level that is written might be one of them.
void convert(const stc_yuv_colours colours, const int32_t* yuv, int size, uint8_t* levels, uint8_t* target) {
  const int32_t black = colours.black << kLevelBits, grey = 128 << kLevelBits;
  const int32_t *const u = yuv + size, *const v = u + size;
  uint8_t *const blue = levels, *const green = levels + size, *const red = green + size;
  for (int i = 0; i < size; ++i) {
    blue[i] = level((yuv[i] - black) * colours.luma + (u[i] - grey) * colours.blue_u);
  }
  for (int i = 0; i < size; ++i) {
    green[i] =
        level((yuv[i] - black) * colours.luma - (u[i] - grey) * colours.green_u - (v[i] - grey) * colours.green_v);
  }
  for (int i = 0; i < size; ++i) {
    red[i] = level((yuv[i] - black) * colours.luma + (v[i] - grey) * colours.red_v);
  }
  for (int i = 0; i < size; ++i, target += kChannels) {
    target[0] = blue[i];
    target[1] = green[i];
    target[2] = red[i];
  }
}

/// Whether `v` lies between the pixels of `u`, as in NV12: then one blended row has both.
bool interleaved(const stc_plane& u, const stc_plane& v) {
  return u.pixel == 2 && v.pixel == 2 && u.row == v.row && v.data == u.data + 1;
}

/// One plane of the source with its axes. Along x a target pixel's weights lie as far apart as the plane's pixels, with
/// zeros between, so that a mean is a dot product, which compilers make vectors of.
struct Plane {
  static constexpr int kStep = 8;
  const stc_plane& source;
  OwnedShortAxis y, x;
  int64_t bytes, length;
  std::vector<int16_t> weights;  // (x.size, length)

  /// more: bytes of a row behind the last pixel that are blended, too.
  Plane(const stc_plane& plane, const stc_resize_axis& along_y, const stc_resize_axis& along_x, int width, int more = 0)
      : source(plane),
        y(along_y, 2, kFraction),
        x(along_x, 1, 16),
        bytes((width - 1) * plane.pixel + 1 + more),
        length((x.axis.taps * plane.pixel + kStep - 1) / kStep * kStep),
        weights(x.axis.size * length) {
    for (int64_t o = 0; o < x.axis.size; ++o) {
      for (int t = 0; t < x.axis.taps; ++t) weights[o * length + t * plane.pixel] = x.weights[o * x.axis.taps + t];
    }
  }

  int64_t line() const { return bytes + length; }  // weights of 0 may lie beyond the row

  /// Target row `o` before the pass along x, into `own`.
  void blend(int o, int height, const uint8_t** rows, int16_t* own) const {
    for (int t = 0; t < y.axis.taps; ++t) {
      rows[t] = source.data + std::min(y.axis.first[o] + t, height - 1) * source.row;
    }
    best_kernels().resize.blend_rows(y.axis.weights + int64_t{o} * y.axis.taps, y.axis.taps, y.axis.bits, rows, bytes,
                                     own);
  }

  /// The means of a blended row, in 2^-kLevelBits of a level.
  void means(const int16_t* row, int32_t* target) const {
    const Dots dots{x.axis.size,   x.axis.bits + kBetween - kLevelBits, length, source.pixel, x.axis.first,
                    weights.data()};
    best_kernels().resize.dots(dots, row, target);
  }
};

/// Throws std::bad_alloc.
void resize_yuv(const stc_resize_yuv& op, int threads) {
  const int height = (op.height + 1) / 2, width = (op.width + 1) / 2;
  const bool together = interleaved(op.planes[1], op.planes[2]);
  const Plane planes[3] = {{op.planes[0], op.y, op.x, op.width},
                           {op.planes[1], op.chroma_y, op.chroma_x, width, together ? 1 : 0},
                           {op.planes[2], op.chroma_y, op.chroma_x, width}};
  const int64_t lines[3] = {planes[0].line(), planes[1].line(), planes[2].line()};
  const int64_t line = lines[0] + lines[1] + lines[2];
  const int64_t taps = std::max(planes[0].y.axis.taps, planes[1].y.axis.taps);
  std::vector<int16_t> scratch(line * threads);
  std::vector<const uint8_t*> pointers(taps * threads);
  std::vector<int32_t> means(int64_t{3} * op.x.size * threads);
  std::vector<uint8_t> levels(int64_t{3} * op.x.size * threads);
  const Share share(1, op.y.size, threads);
  parallel_for(share.tasks(), threads, [&](int band, int lane) {
    const uint8_t** const rows = pointers.data() + lane * taps;
    for (int o = share.begin(band); o < share.end(band); ++o) {
      int16_t* const own[3] = {scratch.data() + lane * line, scratch.data() + lane * line + lines[0],
                               scratch.data() + lane * line + lines[0] + lines[1]};
      const int64_t begin = int64_t{3} * op.x.size * lane;
      int32_t* const yuv = means.data() + begin;
      for (int p = 0; p < 3; ++p) {
        const bool blended = p == 2 && together;
        if (!blended) planes[p].blend(o, p ? height : op.height, rows, own[p]);
        planes[p].means(blended ? own[1] + 1 : own[p], yuv + p * op.x.size);
      }
      convert(op.colours, yuv, op.x.size, levels.data() + begin, op.target + o * op.target_pitch);
    }
  });
}

}  // namespace
}  // namespace stc::cpu

int32_t stc_cpu_resize_yuv(const stc_resize_yuv* op, int32_t threads) {
  using namespace stc::cpu;
  const int64_t one = int64_t{1} << kFraction;
  const int height = op->height / 2 + op->height % 2, width = op->width / 2 + op->width % 2;
  const stc_yuv_colours& c = op->colours;
  for (const int32_t factor : {c.luma, c.blue_u, c.green_u, c.green_v, c.red_v}) {
    if (factor < 0 || factor >= 4 << kColourBits) return STC_BAD_ARGUMENT;
  }
  for (const stc_plane& plane : op->planes) {
    if (!plane.data || plane.pixel < 1 || plane.pixel > 2) return STC_BAD_ARGUMENT;
  }
  if (threads < 1 || c.black < 0 || c.black > 255 || !sound(op->y, op->height, one) || !sound(op->x, op->width, one) ||
      !sound(op->chroma_y, height, one) || !sound(op->chroma_x, width, one) || op->chroma_y.size != op->y.size ||
      op->chroma_x.size != op->x.size || !op->target || op->target_pitch < int64_t{kChannels} * op->x.size) {
    return STC_BAD_ARGUMENT;
  }
  try {
    resize_yuv(*op, std::min(threads, kMostThreads));
  } catch (const std::bad_alloc&) {
    return STC_OUT_OF_MEMORY;
  }
  return STC_OK;
}

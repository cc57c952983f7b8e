#include "resize.cuh"

#include "launch.h"

namespace stc::cuda {
namespace {

constexpr int64_t kSharedBytes = 40 * 1024;  // of the 48 KiB that every GPU gives without asking
constexpr int64_t kGridLimit = 65535;        // blocks along y
constexpr int kLeastColumns = 4;
constexpr int kMostBits = 22;

bool sound(const stc_short_axis& axis, int source) {
  return axis.size >= 1 && axis.taps >= 1 && source >= 1 && axis.first && axis.weights && axis.bits >= kBetween &&
         axis.bits <= kMostBits;
}

bool sound(const stc_slot& slot, const stc_short_axis& y, const stc_short_axis& x) {
  return slot.pixels && slot.height >= y.size && slot.width >= x.size && slot.row >= int64_t{kChannels} * slot.width &&
         (slot.height - 1) / kTileRows < kGridLimit;
}

/// Source pixels that `count` neighbouring target pixels read at most.
int64_t reach(const stc_short_axis& axis, int64_t source, int64_t count) {
  return (count * source + axis.size - 1) / axis.size + 1 + axis.taps;
}

/// With the rows and bytes of them that a tile of `columns` takes.
Surface with_room(Surface surface, int columns) {
  const int64_t bytes = reach(surface.x, surface.width, columns - 1) * surface.pixel + kSector;
  surface.rows = static_cast<int32_t>(reach(surface.y, surface.height, kTileRows - 1));
  surface.pitch = static_cast<int32_t>((bytes + kVector - 1) / kVector * kVector);
  return surface;
}

int64_t room(const Surface& surface, int columns) { return staged_bytes(with_room(surface, columns), columns); }

/// The most columns, of a power of two, whose tile fits shared memory; 0 where none does.
template <class Room>
int columns_of(Room&& room_of) {
  for (int columns = kMostColumns; columns >= kLeastColumns; columns /= 2) {
    if (room_of(columns) + kTileRows * columns * kChannels <= kSharedBytes) return columns;
  }
  return 0;
}

dim3 grid_of(const stc_slot& slot, int columns) {
  return dim3((slot.width + columns - 1) / columns, (slot.height + kTileRows - 1) / kTileRows);
}

}  // namespace

cudaError_t resize(const stc_device_resize& op, cudaStream_t stream) noexcept {
  const int across = op.channel < 0 ? -op.channel : op.channel;
  if (!op.source || op.pixel < 1 || op.pixel > 4 || across > 1 || (kChannels - 1) * across >= op.pixel ||
      !sound(op.y, op.height) || !sound(op.x, op.width) || !sound(op.slot, op.y, op.x)) {
    return cudaErrorInvalidValue;
  }
  const int low = op.channel < 0 ? (kChannels - 1) * across : 0;  // from a pixel's first byte to its blue
  const Surface whole{op.source - low,
                      op.row,
                      op.height,
                      op.width,
                      op.pixel,
                      (op.width - 1) * op.pixel + (kChannels - 1) * across + 1,
                      op.y,
                      op.x,
                      0,
                      0};
  int columns = columns_of([&](int count) { return room(whole, count); });
  if (columns == 0) return cudaErrorInvalidValue;
  Surface source = with_room(whole, columns);
  stc_slot slot = op.slot;
  int first_channel = low, channel = op.channel;
  void* arguments[] = {&source, &slot, &first_channel, &channel, &columns};
  return cudaLaunchKernel(resize_kernel, grid_of(slot, columns), dim3(kResizeThreads), arguments,
                          room(whole, columns) + kTileRows * columns * kChannels, stream);
}

cudaError_t resize_yuv(const stc_device_resize_yuv& op, cudaStream_t stream) noexcept {
  const int height = op.height / 2 + op.height % 2, width = op.width / 2 + op.width % 2;
  if (!op.luma || !op.chroma || !sound(op.y, op.height) || !sound(op.x, op.width) || !sound(op.chroma_y, height) ||
      !sound(op.chroma_x, width) || op.chroma_y.size != op.y.size || op.chroma_x.size != op.x.size ||
      !sound(op.slot, op.y, op.x) || op.colours.black < 0 || op.colours.black > 255) {
    return cudaErrorInvalidValue;
  }
  const stc_yuv_colours& c = op.colours;
  for (const int32_t factor : {c.luma, c.blue_u, c.green_u, c.green_v, c.red_v}) {
    if (factor < 0 || factor >= 4 << kColourBits) return cudaErrorInvalidValue;
  }
  const Surface planes[2] = {{op.luma, op.luma_row, op.height, op.width, 1, op.width, op.y, op.x, 0, 0},
                             {op.chroma, op.chroma_row, height, width, 2, 2 * width, op.chroma_y, op.chroma_x, 0, 0}};
  const auto both = [&](int count) { return room(planes[0], count) + room(planes[1], count); };
  int columns = columns_of(both);
  if (columns == 0) return cudaErrorInvalidValue;
  Surface luma = with_room(planes[0], columns), chroma = with_room(planes[1], columns);
  stc_yuv_colours colours = op.colours;
  stc_slot slot = op.slot;
  void* arguments[] = {&luma, &chroma, &colours, &slot, &columns};
  return cudaLaunchKernel(resize_yuv_kernel, grid_of(slot, columns), dim3(kResizeThreads), arguments,
                          both(columns) + kTileRows * columns * kChannels, stream);
}

}  // namespace stc::cuda

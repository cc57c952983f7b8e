// The CUDA kernel for masks at frame size, on the host, against AdelaiDet's two resamplings in double precision, under
// a sanitizer. Buffers are exactly as large as the kernel may touch. Ends with 1 and a line per difference.
#include "../cuda/launch.h"

#include <cmath>
#include <cstdio>
#include <limits>
#include <memory>
#include <random>

#include "cells.cuh"
#include "reference.h"

namespace {

struct Axis {
  std::vector<int32_t> cells;
  std::vector<float> shares;
};

/// Where frame pixels lie among cells: half-pixel centres of the frame on `resized` input pixels, then the position on
/// cells that are `factor` input pixels wide.
Axis axis(int cell_count, int factor, int resized, int frame) {
  Axis result;
  for (int o = 0; o < frame; ++o) {
    const double input = std::min(std::max((o + 0.5) * resized / frame - 0.5, 0.0), resized - 1.0);
    const double position = std::max(input - factor / 2, 0.0) / factor;
    const int low = std::min(static_cast<int>(position), cell_count - 1);
    result.cells.push_back(low);
    result.shares.push_back(low + 1 < cell_count ? static_cast<float>(position - low) : 0.0f);
  }
  return result;
}

template <class Type>
bool check(int rows, int cols, int factor, int resized_h, int resized_w, int height, int width, std::mt19937& random) {
  const int instances = 2, words = (width + 31) / 32;
  const size_t cells = size_t(rows) * cols;
  std::unique_ptr<Type[]> stored(new Type[instances * cells]);
  std::unique_ptr<uint32_t[]> bits(new uint32_t[size_t(instances) * height * words]);
  std::unique_ptr<uint8_t[]> pixels(new uint8_t[size_t(instances) * height * width]);
  std::uniform_real_distribution<float> uniform;
  for (size_t i = 0; i < instances * cells; ++i) stc::cuda::narrow(uniform(random), stored[i]);
  const Axis y = axis(rows, factor, resized_h, height), x = axis(cols, factor, resized_w, width);
  const stc::FrameMasks masks{stored.get(),
                              {y.cells.data(), y.shares.data(), height},
                              {x.cells.data(), x.shares.data(), width},
                              instances,
                              rows,
                              cols};
  const stc::Storage storage = sizeof(Type) == 2 ? stc::Storage::kHalf : stc::Storage::kFloat;
  if (stc::cuda::bit_masks(masks, storage, bits.get(), nullptr) != cudaSuccess) return false;
  if (stc::cuda::dense_masks(masks, storage, pixels.get(), nullptr) != cudaSuccess) return false;

  for (int n = 0; n < instances; ++n) {
    std::vector<float> own;
    for (size_t i = 0; i < cells; ++i) own.push_back(stc::widen(stored[n * cells + i]));
    for (int v = 0; v < height; ++v) {
      const uint32_t* line = &bits[(size_t(n) * height + v) * words];
      if (width % 32 && line[words - 1] >> width % 32) return false;  // bits beyond the frame
      for (int u = 0; u < width; ++u) {
        const double value =
            reference::frame_pixel(own.data(), {rows, cols}, factor, {resized_h, resized_w}, {height, width}, v, u);
        const bool bit = line[u / 32] >> u % 32 & 1;
        const uint8_t pixel = pixels[(size_t(n) * height + v) * width + u];
        // Float shares of a position that is right to 2^-24, over cells that differ by up to 1.
        const bool decided = std::abs(value - 0.5) > 2e-6;
        if (pixel != bit || (decided && bit != (value > 0.5))) {
          std::printf("%dx%d to %dx%d instance %d pixel (%d, %d): bit %d byte %d, probability %g\n", rows, cols, height,
                      width, n, v, u, bit, pixel, value);
          return false;
        }
      }
    }
  }
  return true;
}

/// A frame of more blocks than a grid has: refused before anything is read.
bool too_large() {
  const int32_t most = std::numeric_limits<int32_t>::max();
  const stc::FrameMasks masks{nullptr, {nullptr, nullptr, most}, {nullptr, nullptr, most}, 1, 1, 1};
  return stc::cuda::bit_masks(masks, stc::Storage::kFloat, nullptr, nullptr) == cudaErrorInvalidValue &&
         stc::cuda::dense_masks(masks, stc::Storage::kFloat, nullptr, nullptr) == cudaErrorInvalidValue;
}

}  // namespace

int main() {
  std::mt19937 random(11);
  // rows, cols, factor, resized height and width, frame height and width: enlarged, shrunk, cropped, odd, one pixel
  const int sizes[][7] = {{12, 20, 4, 45, 80, 90, 160}, {12, 20, 4, 48, 80, 20, 33}, {16, 24, 4, 60, 96, 64, 96},
                          {5, 7, 2, 9, 13, 40, 65},     {3, 3, 8, 24, 17, 31, 128},  {1, 1, 4, 1, 4, 1, 1},
                          {6, 40, 1, 6, 40, 13, 320}};
  int failed = 0;
  for (const auto& s : sizes) {
    failed += !check<float>(s[0], s[1], s[2], s[3], s[4], s[5], s[6], random);
    failed += !check<__half>(s[0], s[1], s[2], s[3], s[4], s[5], s[6], random);
  }
  failed += !too_large();
  std::printf("%zu cases, %d failed\n", 2 * std::size(sizes) + 1, failed);
  return failed > 0;
}

// Axes as callers of the C interface make them: from mask cells to a frame, and the filters of resizes.
#pragma once

#include "../cpu/stc_cpu.h"
#include "cpu_inputs.h"
#include "reference.h"

/// One axis of the way from mask cells to frame pixels.
struct Axis {
  Buffer<int32_t> cells;
  Buffer<float> shares;
  stc_frame_axis axis;

  Axis(int grid, int stride, int resized, int frame) : cells(buffer<int32_t>(frame)), shares(buffer<float>(frame)) {
    for (int o = 0; o < frame; ++o) {
      const double position = reference::frame_position(grid, stride, resized, frame, o);
      cells[o] = static_cast<int32_t>(position);
      shares[o] = static_cast<float>(position - cells[o]);
      if (cells[o] == grid - 1) shares[o] = 0;
    }
    axis = {cells.get(), shares.get(), frame};
  }
};

/// Pillow's BILINEAR.
struct Triangle {
  Buffer<int32_t> first, weights;
  int taps;

  Triangle(int source, int target) : first(buffer<int32_t>(target)) {
    const double scale = 1.0 * source / target, reach = std::max(scale, 1.0);
    taps = 2 * static_cast<int>(std::ceil(reach)) + 1;
    weights = buffer<int32_t>(int64_t{target} * taps);
    for (int o = 0; o < target; ++o) {
      const double centre = (o + 0.5) * scale;
      first[o] = std::max(0, static_cast<int>(centre - reach + 0.5));
      reference::Numbers values;
      double sum = 0;
      for (int t = 0; t < taps; ++t) {
        const int pixel = first[o] + t;
        values.push_back(pixel < source ? std::max(0.0, 1 - std::fabs((pixel + 0.5 - centre) / reach)) : 0.0);
        sum += values.back();
      }
      for (int t = 0; t < taps; ++t) weights[o * taps + t] = static_cast<int32_t>(values[t] / sum * (1 << 22) + 0.5);
    }
  }
  /// The weighted mean of what `pixel` gives, rounded, halves up.
  double mean(int o, int source, const reference::Line& pixel) const {
    double sum = 0;
    for (int t = 0; t < taps && first[o] + t < source; ++t) sum += weights[o * taps + t] * pixel(first[o] + t);
    return std::min(255.0, std::floor(sum / (1 << 22) + 0.5));
  }
};

/// What of the source every target pixel covers, as shares that add up to 1: the average of areas.
struct Area {
  Buffer<int32_t> first, weights;
  int taps;

  Area(int source, int target) : first(buffer<int32_t>(target)) {
    taps = source / target + 2;
    weights = buffer<int32_t>(int64_t{target} * taps);
    for (int o = 0; o < target; ++o) {
      first[o] = o * source / target;
      int32_t before = 0;
      for (int t = 0; t < taps; ++t) {
        // In 1/target of a source pixel.
        const int64_t end = std::clamp<int64_t>(int64_t{first[o] + t + 1} * target - int64_t{o} * source, 0, source);
        const int32_t edge = static_cast<int32_t>((end << 22) / source);
        weights[o * taps + t] = edge - before;
        before = edge;
      }
    }
  }
};

/// Two neighbours blended, or only the first where it is the last.
struct Neighbours {
  Buffer<int32_t> first, weights;
  int taps = 2;

  Neighbours(Random& random, int source, int target)
      : first(buffer<int32_t>(target)), weights(buffer<int32_t>(2 * target)) {
    for (int o = 0; o < target; ++o) {
      first[o] = o * source / target;
      weights[2 * o + 1] = first[o] + 1 < source ? between(random, 0, 1 << 22) : 0;
      weights[2 * o] = (1 << 22) - weights[2 * o + 1];
    }
  }
};

/// Where the two source pixels of a target pixel lie, beyond either end too, and their weights of 11 bits.
struct Interpolation {
  Buffer<int32_t> first, weights;
  int taps = 2;

  Interpolation(Random& random, int source, int target)
      : first(buffer<int32_t>(target)), weights(buffer<int32_t>(2 * target)) {
    for (int o = 0; o < target; ++o) {
      first[o] = std::max((2 * o + 1) * source / target - 1, 0) / 2 - (o == 0 ? between(random, 0, 1) : 0);
      weights[2 * o + 1] = between(random, 0, 1 << 11) << 11;
      weights[2 * o] = (1 << 22) - weights[2 * o + 1];
    }
  }
};

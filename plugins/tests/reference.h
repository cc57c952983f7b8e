// What the C interface computes, stated independently: double precision, one number at a time, as published.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <vector>

namespace reference {

using Numbers = std::vector<double>;
/// A line of numbers by index, and what a resampling reads of it.
using Line = std::function<double(int)>;

/// CondInst's upsampling of a line of `size`, as it is defined: the last number repeated once, bilinear with aligned
/// corners to factor * size + 1 numbers, the first one repeated factor / 2 times, cut to factor * size.
inline double aligned_bilinear(const Line& in, int size, int factor, int output) {
  const double position = static_cast<double>(std::max(output - factor / 2, 0)) * size / (factor * size);
  const int low = static_cast<int>(position);
  const double share = position - low;
  const auto padded = [&](int i) { return in(std::min(i, size - 1)); };
  return share == 0 ? padded(low) : (1 - share) * padded(low) + share * padded(low + 1);
}

/// Bilinear without aligned corners, from `size` to `target` numbers.
inline double half_pixel(const Line& in, int size, int target, int output) {
  const double position = std::max((output + 0.5) * size / target - 0.5, 0.0);
  const int low = std::min(static_cast<int>(position), size - 1);
  const double share = position - low;
  return (1 - share) * in(low) + share * in(std::min(low + 1, size - 1));
}

struct Network {
  int channels, layers, stride, upsample, height, width;

  int params() const {
    int total = 0, inputs = channels + 2;
    for (int layer = 0; layer < layers; ++layer, inputs = channels) {
      total += (inputs + 1) * (layer == layers - 1 ? 1 : channels);
    }
    return total;
  }
};

/// The mask logit of one cell: relative coordinates and features through the instance's own layers. `theta` are all
/// weights, then all biases; `features` (channels, height, width).
inline double logit(const Network& net, const Numbers& features, const double* theta, double x, double y, double size,
                    int row, int col) {
  Numbers in = {(x - (col * net.stride + net.stride / 2)) / size, (y - (row * net.stride + net.stride / 2)) / size};
  for (int c = 0; c < net.channels; ++c) in.push_back(features[(c * net.height + row) * net.width + col]);
  std::vector<int> widths(net.layers - 1, net.channels);
  widths.push_back(1);
  int64_t weights = 0;
  int inputs = net.channels + 2;
  for (int outputs : widths) {
    weights += int64_t{inputs} * outputs;
    inputs = outputs;
  }
  const double *weight = theta, *bias = theta + weights;
  for (int layer = 0; layer < net.layers; ++layer) {
    Numbers out;
    for (int o = 0; o < widths[layer]; ++o) {
      double sum = *bias++;
      for (double value : in) sum += *weight++ * value;
      out.push_back(layer + 1 < net.layers ? std::max(sum, 0.0) : sum);
    }
    in = out;
  }
  return in[0];
}

/// Probabilities (height * upsample, width * upsample) from logits (height, width).
inline Numbers probabilities(const Network& net, const Numbers& logits) {
  Numbers result;
  for (int y = 0; y < net.height * net.upsample; ++y) {
    for (int x = 0; x < net.width * net.upsample; ++x) {
      const auto row = [&](int r) {
        return aligned_bilinear([&](int c) { return logits[r * net.width + c]; }, net.width, net.upsample, x);
      };
      result.push_back(1 / (1 + std::exp(-aligned_bilinear(row, net.height, net.upsample, y))));
    }
  }
  return result;
}

/// One instance's mask: probabilities as above, from its parameters and its place.
inline Numbers mask(const Network& net, const Numbers& features, const double* theta, double x, double y, double size) {
  Numbers logits;
  for (int row = 0; row < net.height; ++row) {
    for (int col = 0; col < net.width; ++col) logits.push_back(logit(net, features, theta, x, y, size, row, col));
  }
  return probabilities(net, logits);
}

/// One frame pixel of a mask: enlarged by `stride`, cut to `resized`, resized to `frame`, first along x, then along y.
inline double frame_pixel(const float* cells, const int (&grid)[2], int stride, const int (&resized)[2],
                          const int (&frame)[2], int y, int x) {
  const auto row = [&](int r) {
    const auto cell = [&](int c) { return cells[r * grid[1] + c]; };
    const auto fine = [&](int i) { return aligned_bilinear(cell, grid[1], stride, i); };
    return half_pixel(fine, resized[1], frame[1], x);
  };
  const auto fine = [&](int i) { return aligned_bilinear(row, grid[0], stride, i); };
  return half_pixel(fine, resized[0], frame[0], y);
}

/// One axis of it by its two numbers: where pixel `o` of the frame lies, in cells.
inline double frame_position(int cells, int stride, int resized, int frame, int o) {
  const auto fine = [&](int i) { return aligned_bilinear([](int c) { return c; }, cells, stride, i); };
  return half_pixel(fine, resized, frame, o);
}

}  // namespace reference

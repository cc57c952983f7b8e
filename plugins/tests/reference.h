// The op as published, in double precision and without any of the kernels' shortcuts: relative coordinates cell by cell,
// layers one after the other, aligned_bilinear by padding, align-corners sampling and cropping.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

namespace reference {

struct Op {
  int channels = 8, layers = 3, stride = 8, upsample = 2;
  int batch = 1, instances = 1, height = 1, width = 1;

  int params() const {
    int total = 0;
    for (int layer = 0; layer < layers; ++layer) total += (inputs(layer) + 1) * outputs(layer);
    return total;
  }
  int inputs(int layer) const { return layer == 0 ? channels + 2 : channels; }
  int outputs(int layer) const { return layer == layers - 1 ? 1 : channels; }
};

/// One instance's logits, height x width, from features (channels, height, width).
inline std::vector<double> logits(const Op& op, const double* features, const double* params, const double* location,
                                  double size) {
  std::vector<double> result(op.height * op.width);
  int weight_count = 0;
  for (int layer = 0; layer < op.layers; ++layer) weight_count += op.inputs(layer) * op.outputs(layer);
  for (int v = 0; v < op.height; ++v) {
    for (int u = 0; u < op.width; ++u) {
      std::vector<double> z = {(location[0] - (u * op.stride + op.stride / 2)) / size,
                               (location[1] - (v * op.stride + op.stride / 2)) / size};
      for (int c = 0; c < op.channels; ++c) z.push_back(features[(c * op.height + v) * op.width + u]);
      const double *weight = params, *bias = params + weight_count;
      for (int layer = 0; layer < op.layers; ++layer) {
        std::vector<double> next(op.outputs(layer));
        for (double& out : next) {
          out = *bias++;
          for (int i = 0; i < op.inputs(layer); ++i) out += *weight++ * z[i];
          if (layer < op.layers - 1 && out < 0) out = 0;
        }
        z = next;
      }
      result[v * op.width + u] = z[0];
    }
  }
  return result;
}

/// aligned_bilinear along rows of `size` values: pad one on the right, sample size * factor + 1 points from end to end,
/// put factor / 2 copies of the first before them, keep size * factor.
inline std::vector<double> enlarge(const std::vector<double>& values, int size, int factor) {
  std::vector<double> result;
  for (size_t row = 0; row < values.size() / size; ++row) {
    std::vector<double> padded(values.begin() + row * size, values.begin() + (row + 1) * size);
    padded.push_back(padded.back());
    std::vector<double> samples;
    for (int i = 0; i <= size * factor; ++i) {
      const int low = std::min(i / factor, size - 1);
      const double share = static_cast<double>(i) / factor - low;
      // A neighbour without a share is not looked at: its NaN stays where it is.
      double sample = share == 1 ? padded[low + 1] : padded[low];
      if (share > 0 && share < 1) sample = (1 - share) * padded[low] + share * padded[low + 1];
      samples.push_back(sample);
    }
    samples.insert(samples.begin(), factor / 2, samples.front());
    result.insert(result.end(), samples.begin(), samples.begin() + size * factor);
  }
  return result;
}

inline std::vector<double> transpose(const std::vector<double>& values, int rows, int cols) {
  std::vector<double> result(values.size());
  for (int y = 0; y < rows; ++y) {
    for (int x = 0; x < cols; ++x) result[x * rows + y] = values[y * cols + x];
  }
  return result;
}

/// One instance's mask, (height * upsample, width * upsample), probabilities.
inline std::vector<double> mask(const Op& op, const double* features, const double* params, const double* location,
                                double size) {
  const int wide = op.width * op.upsample, tall = op.height * op.upsample;
  std::vector<double> picture = enlarge(logits(op, features, params, location, size), op.width, op.upsample);
  picture = enlarge(transpose(picture, op.height, wide), op.height, op.upsample);
  picture = transpose(picture, wide, tall);
  for (double& value : picture) value = 1 / (1 + std::exp(-value));
  return picture;
}

}  // namespace reference

// The CUDA kernel, on the host, against the published formulas in double precision, under a sanitizer. Buffers are
// exactly as large as the op may touch. Ends with 1 and a line per difference.
#include "../cuda/launch.h"

#include <cstdio>
#include <limits>
#include <memory>
#include <random>
#include <string>

#include "cells.cuh"
#include "reference.h"

namespace {

using stc::DynamicMaskHead;
using stc::Storage;

bool short_features = false;  // one value of the features is missing: a sanitizer must notice

/// `bytes` of heap that begin `offset` bytes after an aligned address, with nothing behind them.
class Buffer {
 public:
  Buffer(size_t bytes, size_t offset) : memory_(new char[bytes + offset]), offset_(offset) {}
  template <class Type>
  Type* as() {
    return reinterpret_cast<Type*>(memory_.get() + offset_);
  }

 private:
  std::unique_ptr<char[]> memory_;
  size_t offset_;
};

struct Case {
  reference::Network op;
  int batch, instances;
  bool half;
  std::vector<int32_t> count;
  bool shifted;  // pointers aligned to one value only
  bool broken;   // NaN and Inf among the features and behind the count
};

template <class Type>
void put(Type* target, size_t index, double value) {
  stc::cuda::narrow(static_cast<float>(value), target[index]);
}

template <class Type>
bool check(const Case& test, std::mt19937& random) {
  const reference::Network& op = test.op;
  const int batch = test.batch, instances = test.instances;
  const size_t shift = test.shifted ? sizeof(Type) : 0, float_shift = test.shifted ? 4 : 0;
  const size_t plane = size_t(op.height) * op.width, rows = size_t(batch) * instances;
  const size_t feature_count = batch * op.channels * plane, param_count = rows * op.params();
  const size_t pixels = plane * op.upsample * op.upsample;
  Buffer features(sizeof(Type) * (feature_count - short_features), shift), params(sizeof(Type) * param_count, shift);
  Buffer masks(sizeof(Type) * rows * pixels, shift);
  Buffer locations(8 * rows, float_shift), sizes(4 * rows, float_shift), counts(4 * batch, float_shift);
  std::normal_distribution<double> normal;
  const double nan = std::numeric_limits<double>::quiet_NaN(), infinite = std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < feature_count - short_features; ++i) put(features.as<Type>(), i, normal(random));
  if (test.broken) put(features.as<Type>(), random() % (feature_count - short_features), random() % 2 ? nan : infinite);
  for (int image = 0; image < batch; ++image) {
    counts.as<int32_t>()[image] = test.count[image];
    for (int k = 0; k < instances; ++k) {
      const size_t row = size_t(image) * instances + k;
      const bool junk = test.broken && k >= test.count[image];
      for (int i = 0; i < op.params(); ++i) {
        put(params.as<Type>(), row * op.params() + i, junk ? nan : 0.3 * normal(random));
      }
      for (int axis = 0; axis < 2; ++axis) {
        locations.as<float>()[2 * row + axis] = float(random() % (1 + op.stride * (axis ? op.height : op.width)));
      }
      sizes.as<float>()[row] = junk ? 0.0f : float(64 << random() % 5);
    }
  }
  for (size_t i = 0; i < rows * pixels; ++i) put(masks.as<Type>(), i, nan);

  const DynamicMaskHead native{features.as<void>(),
                               params.as<void>(),
                               locations.as<float>(),
                               sizes.as<float>(),
                               counts.as<int32_t>(),
                               masks.as<void>(),
                               batch,
                               instances,
                               op.height,
                               op.width,
                               op.channels,
                               op.layers,
                               op.stride,
                               op.upsample,
                               test.half ? Storage::kHalf : Storage::kFloat};
  if (stc::cuda::dynamic_mask_head(native, nullptr) != cudaSuccess) {
    std::printf("refused: %s\n", stc::cuda::refusal(native));
    return false;
  }

  const auto widened = [](Buffer& buffer, size_t count) {
    std::vector<double> result(count);
    for (size_t i = 0; i < count; ++i) result[i] = stc::widen(buffer.as<Type>()[i]);
    return result;
  };
  const std::vector<double> f = widened(features, feature_count), p = widened(params, param_count);
  const std::vector<double> found = widened(masks, rows * pixels);
  // float32 through three layers of ten terms; a stored half is right to 2^-12 below 1.
  const double tolerance = test.half ? 2.6e-4 : 2e-5;
  for (size_t row = 0; row < rows; ++row) {
    const int image = int(row) / instances, k = int(row) % instances;
    std::vector<double> expected(pixels, 0.0);
    if (k < test.count[image]) {
      const float* location = &locations.as<float>()[2 * row];
      const auto* own = &f[image * op.channels * plane];
      expected = reference::mask(op, {own, own + op.channels * plane}, &p[row * op.params()], location[0], location[1],
                                 sizes.as<float>()[row]);
    }
    for (size_t i = 0; i < pixels; ++i) {
      const double value = found[row * pixels + i];
      const bool same = std::isnan(expected[i]) ? std::isnan(value) : std::abs(value - expected[i]) <= tolerance;
      if (!same) {
        std::printf("%dx%d stride %d upsample %d %s C=%d L=%d image %d instance %d pixel %zu: %g instead of %g\n",
                    op.height, op.width, op.stride, op.upsample, test.half ? "half" : "float", op.channels, op.layers,
                    image, k, i, value, expected[i]);
        return false;
      }
    }
  }
  return true;
}

/// Every combination at sizes that need one block and several, whole vectors and not; few under slow sanitizers.
std::vector<Case> cases(bool few) {
  std::vector<Case> result;
  const std::vector<std::pair<int, int>> sizes =
      few ? std::vector<std::pair<int, int>>{{1, 1}, {9, 5}}
          : std::vector<std::pair<int, int>>{{1, 1}, {1, 9}, {7, 13}, {8, 16}, {9, 20}, {17, 6}};
  const std::vector<std::pair<int, int>> networks = {{8, 3}, {8, 2}, {4, 3}, {16, 3}};
  const std::vector<std::pair<int, int>> scales = {{8, 2}, {4, 1}, {8, 4}, {5, 3}, {4, 8}};
  int number = 0;
  for (auto [height, width] : sizes) {
    for (auto [stride, upsample] : scales) {
      for (auto [channels, layers] : networks) {
        for (bool half : {false, true}) {
          const int batch = 1 + number % 2, instances = number % 4;
          std::vector<int32_t> count(batch, instances);
          if (number % 3 == 1) count[0] = instances / 2;
          if (number % 5 == 1) count[batch - 1] = -1;
          if (number % 5 == 2) count[batch - 1] = instances + 7;
          result.push_back({{channels, layers, stride, upsample, height, width},
                            batch,
                            instances,
                            half,
                            count,
                            number % 7 > 3,
                            number % 4 == 3});
          ++number;
        }
      }
    }
  }
  if (few) {
    for (size_t i = 0; i < result.size() / 4; ++i) result[i] = result[4 * i + 1];
    result.resize(result.size() / 4);
  }
  return result;
}

}  // namespace

int main(int argc, char** argv) {
  std::mt19937 random(7);
  const std::string argument = argc > 1 ? argv[1] : "";
  short_features = argument == "--short";
  std::vector<Case> tests = cases(argument == "--few");
  if (short_features) tests = {{{8, 3, 8, 2, 7, 13}, 1, 2, false, {2}, false, false}};
  int failed = 0;
  for (const Case& test : tests) failed += !(test.half ? check<__half>(test, random) : check<float>(test, random));
  std::printf("%zu cases, %d failed\n", tests.size(), failed);
  return failed > 0;
}

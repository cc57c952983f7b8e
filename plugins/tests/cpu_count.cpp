// One kernel of the CPU library a number of times: `count KERNEL TIMES`. For benchmarks/kernels/arm.py, which counts
// the instructions of two numbers of times; their difference is the kernel's. Without arguments the kernels' names.
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cpu_axes.h"

namespace {

using Call = std::function<int64_t()>;
constexpr int kTarget[2] = {252, 448}, kFrame[2] = {720, 1280}, kInstances = 10, kMasks[2] = {96, 160};

Call mask_head(bool halves) {
  constexpr int kChannels = 8, kRows = 48, kCols = 80, kParams = 169, kFeatures = kChannels * kRows * kCols;
  Random random(1);
  const auto tensor = [&random, halves](int64_t count) {
    const Buffer<float> values = normal(random, count);
    auto bytes = std::make_shared<std::vector<uint16_t>>(2 * count);
    if (halves) {
      for (int64_t i = 0; i < count; ++i) (*bytes)[i] = half(values[i]);
    } else {
      std::memcpy(bytes->data(), values.get(), 4 * count);
    }
    return bytes;
  };
  const auto features = tensor(kFeatures), params = tensor(kInstances * kParams);
  const auto masks = std::make_shared<std::vector<float>>(kInstances * 4 * kRows * kCols);
  const auto places = std::make_shared<std::vector<float>>(3 * kInstances, 100.0f);
  return [=] {
    const int32_t count = kInstances;
    const float* own = places->data();
    const stc_dynamic_mask_head op{features->data(),
                                   params->data(),
                                   own,
                                   own + 2 * kInstances,
                                   &count,
                                   masks->data(),
                                   1,
                                   count,
                                   kRows,
                                   kCols,
                                   kChannels,
                                   3,
                                   8,
                                   2,
                                   halves};
    return stc_cpu_dynamic_mask_head(&op, 1);
  };
}

/// Round objects, of probabilities in halves.
Call frame_masks(const std::string& form) {
  const auto cells = std::make_shared<std::vector<uint16_t>>();
  for (int i = 0; i < kInstances; ++i) {
    for (int y = 0; y < kMasks[0]; ++y) {
      for (int x = 0; x < kMasks[1]; ++x) {
        const double distance = std::hypot(y - 9 * i - 6, x - 15 * i - 10);
        cells->push_back(half(static_cast<float>(1 / (1 + std::exp(distance - 4 - 2 * i)))));
      }
    }
  }
  const auto y = std::make_shared<Axis>(kMasks[0], 4, 360, kFrame[0]);
  const auto x = std::make_shared<Axis>(kMasks[1], 4, 640, kFrame[1]);
  const auto bytes = std::make_shared<std::vector<uint8_t>>(kInstances * kFrame[0] * kFrame[1]);
  return [=]() -> int64_t {
    const stc_frame_masks op{cells->data(), y->axis, x->axis, kInstances, kMasks[0], kMasks[1]};
    int64_t ends[kInstances], areas[kInstances];
    if (form == "dense") return stc_cpu_dense_masks(&op, 1, bytes->data(), nullptr, 1);
    if (form == "bits") return stc_cpu_bit_masks(&op, 1, reinterpret_cast<uint32_t*>(bytes->data()), 1);
    char* const text = reinterpret_cast<char*>(bytes->data());
    return stc_cpu_rle_masks(&op, 1, text, static_cast<int64_t>(bytes->size()), ends, areas, 1);
  };
}

template <class Filter>
Call resize(int order) {
  const auto y = std::make_shared<Filter>(kFrame[0], kTarget[0]), x = std::make_shared<Filter>(kFrame[1], kTarget[1]);
  const auto source = std::make_shared<std::vector<uint8_t>>(3 * kFrame[0] * kFrame[1], uint8_t{99});
  const auto target = std::make_shared<std::vector<uint8_t>>(3 * kTarget[0] * kTarget[1]);
  return [=] {
    const stc_resize op{source->data(),
                        target->data(),
                        3 * kFrame[1],
                        3,
                        1,
                        3 * kTarget[1],
                        kFrame[0],
                        kFrame[1],
                        order,
                        {y->first.get(), y->weights.get(), kTarget[0], y->taps},
                        {x->first.get(), x->weights.get(), kTarget[1], x->taps}};
    return stc_cpu_resize(&op, 1);
  };
}

Call nv12() {
  const auto y = std::make_shared<Area>(kFrame[0], kTarget[0]), x = std::make_shared<Area>(kFrame[1], kTarget[1]);
  const auto v = std::make_shared<Area>(kFrame[0] / 2, kTarget[0]),
             u = std::make_shared<Area>(kFrame[1] / 2, kTarget[1]);
  const auto planes = std::make_shared<std::vector<uint8_t>>(3 * kFrame[0] * kFrame[1] / 2, uint8_t{99});
  const auto target = std::make_shared<std::vector<uint8_t>>(3 * kTarget[0] * kTarget[1]);
  return [=] {
    const uint8_t *luma = planes->data(), *chroma = luma + kFrame[0] * kFrame[1];
    const stc_resize_yuv op{{{luma, kFrame[1], 1}, {chroma, kFrame[1], 2}, {chroma + 1, kFrame[1], 2}},
                            target->data(),
                            3 * kTarget[1],
                            kFrame[0],
                            kFrame[1],
                            {y->first.get(), y->weights.get(), kTarget[0], y->taps},
                            {x->first.get(), x->weights.get(), kTarget[1], x->taps},
                            {v->first.get(), v->weights.get(), kTarget[0], v->taps},
                            {u->first.get(), u->weights.get(), kTarget[1], u->taps},
                            {16, 9539, 16525, 3209, 6660, 13075}};
    return stc_cpu_resize_yuv(&op, 1);
  };
}

/// Linear interpolation reads at random: of that there is nothing to gain or to lose.
struct Linear : Interpolation {
  Linear(int source, int target) : Interpolation(random, source, target) {}
  inline static Random random{1};
};

const std::map<std::string, std::function<Call()>> kKernels = {
    {"mask head, 48x80 N=10", [] { return mask_head(false); }},
    {"mask head, float16", [] { return mask_head(true); }},
    {"10 float16 masks to 720p, dense", [] { return frame_masks("dense"); }},
    {"10 float16 masks to 720p, bits", [] { return frame_masks("bits"); }},
    {"10 float16 masks to 720p, RLE", [] { return frame_masks("RLE"); }},
    {"resize from 720p, area", [] { return resize<Area>(STC_ROWS_FIRST); }},
    {"resize from 720p, linear", [] { return resize<Linear>(STC_LINEAR); }},
    {"resize from 720p, pil-bilinear", [] { return resize<Triangle>(STC_COLUMNS_FIRST); }},
    {"resize from 720p, area, NV12", nv12},
};

}  // namespace

int main(int arguments, char** argument) {
  if (arguments < 3) {
    for (const auto& kernel : kKernels) std::puts(kernel.first.c_str());
    return 0;
  }
  const Call call = kKernels.at(argument[1])();
  for (int i = 0; i < std::atoi(argument[2]); ++i) require(call() == STC_OK, argument[1]);
  std::puts(stc_cpu_kernels());
}

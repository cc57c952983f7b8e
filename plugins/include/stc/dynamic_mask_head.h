// The op stc::DynamicMaskHead, version 1: its arguments and its arithmetic (CondInst, section 3.2).
//
// Every instance brings the parameters of its own network of 1x1 convolutions, which sees the shared features and the
// cell's coordinates relative to the instance. Everything here is float32, whatever the storage type.
#pragma once

#include <cstddef>
#include <cstdint>

#include "stc/arithmetic.h"

namespace stc {

enum class Storage : int32_t { kFloat = 0, kHalf = 1 };

/// One call of the op. All arrays are contiguous; `mask_feats`, `params` and `masks` hold the type `storage`.
struct DynamicMaskHead {
  const void* mask_feats;  ///< (batch, channels, height, width), at `stride` input pixels per cell
  const void* params;      ///< (batch, instances, P), see Layout
  const float* locations;  ///< (batch, instances, 2) x, y in input pixels
  const float* sizes;      ///< (batch, instances): what relative coordinates are divided by, input pixels
  const int32_t* count;    ///< (batch,): rows from count[b] on are not computed, their masks are zero
  void* masks;             ///< (batch, instances, height * upsample, width * upsample), probabilities 0..1
  int32_t batch, instances, height, width;
  int32_t channels, layers, stride, upsample;
  Storage storage;
};

/// Networks that native code is compiled for, the default first: STC_MASK_HEAD_NETWORKS(F) is F(channels, layers) …
#define STC_MASK_HEAD_NETWORKS(F) F(8, 3) F(8, 2) F(4, 3) F(16, 3)

/// Where the parameters of one instance are: all weights, then all biases; each layer row-major (out, in). The first
/// layer's inputs are x, y and then the features; the last layer has one output.
template <int Channels, int Layers>
struct Layout {
  static_assert(Channels >= 1 && Layers >= 1, "a network has at least one layer of one channel");
  static constexpr int kFirstInputs = Channels + 2;
  static constexpr int kFirstOutputs = Layers == 1 ? 1 : Channels;
  static constexpr int kFirstWeights = kFirstInputs * kFirstOutputs;
  static constexpr int kHiddenWeights = Channels * Channels;
  static constexpr int kWeights = Layers == 1 ? kFirstWeights : kFirstWeights + (Layers - 2) * kHiddenWeights + Channels;
  static constexpr int kParams = kWeights + (Layers - 1) * Channels + 1;

  /// Index of the first weight, and of the first bias, of a layer.
  STC_HD static constexpr int weights(int layer) { return layer == 0 ? 0 : kFirstWeights + (layer - 1) * kHiddenWeights; }
  STC_HD static constexpr int biases(int layer) { return kWeights + layer * Channels; }
};

/// Number of parameters of one instance, for sizes known at run time only.
STC_HD constexpr int parameter_count(int channels, int layers) {
  return layers == 1 ? channels + 3
                     : (channels + 2) * channels + (layers - 2) * channels * channels + channels + (layers - 1) * channels + 1;
}

/// Centre of a cell in input pixels, along one axis.
STC_HD float grid_coordinate(int cell, int stride) { return static_cast<float>(cell * stride + stride / 2); }

/// Parameter `index` of the network that takes grid coordinates and gives what the instance's own network gives for
/// relative ones. `(location - grid) / size` enters the first layer linearly:
///
///   W (location - grid) / size + b  =  -(W / size) grid  +  (b + W location / size)
///
/// so the coordinates need no arithmetic per cell. `params` are the instance's own, `location` its x and y.
template <int Channels, int Layers, class Storage>
STC_HD float grid_parameter(const Storage* params, int index, const float* location, float size) {
  using Net = Layout<Channels, Layers>;
  const float own = widen(params[index]);
  if (index < Net::kFirstWeights) return index % Net::kFirstInputs < 2 ? -own / size : own;
  const int row = index - Net::biases(0);
  if (row < 0 || row >= Net::kFirstOutputs) return own;
  const Storage* weights = params + row * Net::kFirstInputs;
  return own + (widen(weights[0]) / size * location[0] + widen(weights[1]) / size * location[1]);
}

/// sums[o] += sum over i of weights[o * Stride + i] * in[i]; four outputs at a time, so that a CPU keeps their sums in
/// registers while it reads the inputs.
template <int Inputs, int Outputs, int Stride, class Number>
STC_HD void accumulate(const float* weights, const Number* in, Number* sums) {
  constexpr int kBlock = 4;
  STC_UNROLL
  for (int start = 0; start < Outputs; start += kBlock) {
    STC_UNROLL
    for (int i = 0; i < Inputs; ++i) {
      STC_UNROLL
      for (int o = start; o < start + kBlock; ++o) {
        if (o < Outputs) sums[o] = multiply_add(weights[o * Stride + i], in[i], sums[o]);
      }
    }
  }
}

/// What the first layer gives at x = 0 without features, for the cells at `grid_y`: Number[kFirstOutputs].
template <int Channels, int Layers, class Number>
STC_HD void row_start(const float* network, Number grid_y, Number* start) {
  using Net = Layout<Channels, Layers>;
  STC_UNROLL
  for (int o = 0; o < Net::kFirstOutputs; ++o) {
    start[o] = multiply_add(network[o * Net::kFirstInputs + 1], grid_y, splat<Number>(network[Net::biases(0) + o]));
  }
}

/// The mask logit of one cell (or of as many as a `Number` holds). `network` holds grid_parameter 0..kParams-1,
/// `start` the row's start (one number where all cells are in one row), `features` the cell's `Channels` features.
template <int Channels, int Layers, class Number, class Start>
STC_HD Number cell_logit(const float* network, const Start* start, Number grid_x, const Number* features) {
  using Net = Layout<Channels, Layers>;
  Number x[Channels];
  STC_UNROLL
  for (int o = 0; o < Net::kFirstOutputs; ++o) {
    x[o] = multiply_add(network[o * Net::kFirstInputs], grid_x, Number(start[o]));
  }
  accumulate<Channels, Net::kFirstOutputs, Net::kFirstInputs>(network + 2, features, x);
  if constexpr (Layers == 1) return x[0];

  STC_UNROLL
  for (int layer = 1; layer < Layers - 1; ++layer) {
    Number next[Channels];
    STC_UNROLL
    for (int c = 0; c < Channels; ++c) {
      x[c] = relu(x[c]);
      next[c] = splat<Number>(network[Net::biases(layer) + c]);
    }
    accumulate<Channels, Channels, Channels>(network + Net::weights(layer), x, next);
    STC_UNROLL
    for (int c = 0; c < Channels; ++c) x[c] = next[c];
  }

  Number logit = splat<Number>(network[Net::biases(Layers - 1)]);
  STC_UNROLL
  for (int c = 0; c < Channels; ++c) {
    logit = multiply_add(network[Net::weights(Layers - 1) + c], relu(x[c]), logit);
  }
  return logit;
}

}  // namespace stc

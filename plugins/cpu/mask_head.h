// The dynamic mask head of one instance: logits row by row, upsampled and squashed while they are in the cache.
#pragma once

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "simd/lanes.h"
#include "simd/sigmoid.h"
#include "stc/aligned_bilinear.h"
#include "stc/dynamic_mask_head.h"

namespace stc::cpu {

/// Rows are padded to whole vectors of the widest kind, and have room for one cell (and an aligned start) before them.
constexpr int kRowStep = 16;
constexpr int kFront = 16;

/// The features of one image as the kernels read them, float32: channel c of row y begins at
/// values[y * row_step + c * channel_step]. Made once per image, they serve all its instances.
struct FeatureRows {
  const float* values;
  int64_t row_step, channel_step;
  int columns;          ///< that may be read, at least kRowStep and the image's width
  const float* grid_x;  ///< (columns,) input pixels

  /// Features that are stored as the kernels read them are read where they are.
  STC_HD static bool in_place(const DynamicMaskHead& op) {
    return op.storage == Storage::kFloat && op.width >= kRowStep;
  }
  /// Floats that are needed beside the image.
  STC_HD static int64_t size(const DynamicMaskHead& op) {
    const int64_t rows = in_place(op) ? 0 : int64_t{op.height} * op.channels;
    return (rows + 1) * round_up(op.width, kRowStep);
  }
};

template <class Lanes, class Storage>
void copy_row(const Storage* source, int width, int pitch, float* target) {
  int x = 0;
  for (; x + Lanes::kLanes <= width; x += Lanes::kLanes) Lanes::load(source + x).store(target + x);
  for (; x < width; ++x) target[x] = widen(read(source + x));
  for (; x < pitch; ++x) target[x] = 0.0f;
}

/// Fills `buffer`, float[FeatureRows::size(op)], from image `image` of the op.
template <class Lanes, class Storage>
FeatureRows feature_rows(const DynamicMaskHead& op, int image, float* buffer) {
  const int pitch = round_up(op.width, kRowStep);
  const int64_t plane = int64_t{op.height} * op.width;
  const Storage* feats = static_cast<const Storage*>(op.mask_feats) + image * op.channels * plane;
  for (int x = 0; x < pitch; ++x) buffer[x] = grid_coordinate(x, op.stride);
  if constexpr (std::is_same_v<Storage, float>) {
    if (FeatureRows::in_place(op)) return {feats, op.width, plane, op.width, buffer};
  }
  float* row = buffer + pitch;
  for (int y = 0; y < op.height; ++y) {
    for (int c = 0; c < op.channels; ++c, row += pitch) {
      copy_row<Lanes>(feats + c * plane + int64_t{y} * op.width, op.width, pitch, row);
    }
  }
  return {buffer + pitch, int64_t{op.channels} * pitch, pitch, pitch, buffer};
}

/// `Number` as many logits, from column `x` on.
template <int Channels, int Layers, class Number>
STC_HD void logits_at(const float* network, const float* start, const FeatureRows& features, const float* row, int x,
                      float* logits) {
  Number cell[Channels];
  STC_UNROLL
  for (int c = 0; c < Channels; ++c) cell[c] = Number::load(row + c * features.channel_step + x);
  cell_logit<Channels, Layers>(network, start, Number::load(features.grid_x + x), cell).store(logits + x);
}

/// Logits of the row `y`: those of the image's width, and perhaps some more that belong to no cell.
template <int Channels, int Layers, class Lanes>
void logit_row(const float* network, const FeatureRows& features, int y, int stride, float* logits) {
  using Wide = std::conditional_t<Lanes::kPaired, Pair<Lanes>, Lanes>;  // shares every weight that was read
  float start[Layout<Channels, Layers>::kFirstOutputs];
  row_start<Channels, Layers>(network, grid_coordinate(y, stride), start);
  const float* row = features.values + y * features.row_step;
  int x = 0;
  for (; x + Wide::kLanes <= features.columns; x += Wide::kLanes) {
    logits_at<Channels, Layers, Wide>(network, start, features, row, x, logits);
  }
  for (; x < features.columns; x += Lanes::kLanes) {
    // The last vector ends with the row: it computes some cells again.
    x = std::min(x, features.columns - Lanes::kLanes);
    logits_at<Channels, Layers, Lanes>(network, start, features, row, x, logits);
  }
}

/// aligned_bilinear by 2 along a row of `width` logits, then probabilities: every output 2x lies half-way from x - 1 to
/// x, every output 2x + 1 on x. `row[-1]` repeats `row[0]`.
template <class Lanes, class Storage>
void double_row(const float* row, int width, Storage* target) {
  for (int x = 0; x < width; x += Lanes::kLanes) {
    const Lanes own = Lanes::load(row + x);
    const Lanes between_cells = between(Lanes::load(row + x - 1), own, 0.5f);
    Lanes first, second;
    interleave(sigmoid(between_cells), sigmoid(own), first, second);
    if (x + Lanes::kLanes <= width) {
      first.store(target + 2 * x);
      second.store(target + 2 * x + Lanes::kLanes);
    } else {
      Storage end[2 * Lanes::kLanes];
      first.store(end);
      second.store(end + Lanes::kLanes);
      for (int i = 0; x + i / 2 < width; ++i) write(target + 2 * x + i, end[i]);
    }
  }
}

/// The same for any factor; `expanded` is float[width * factor rounded up to whole vectors].
template <class Lanes, class Storage>
void expand_row(const float* row, int width, int factor, float* expanded, Storage* target) {
  const int outputs = width * factor;
  for (int o = 0; o < outputs; ++o) {
    const Tap tap = aligned_tap(o, factor, width);
    expanded[o] = between(row[tap.low], row[tap.high], tap.share);
  }
  for (int o = 0; o < outputs; o += Lanes::kLanes) {
    const Lanes probabilities = sigmoid(Lanes::load(expanded + o));
    if (o + Lanes::kLanes <= outputs) {
      probabilities.store(target + o);
    } else {
      Storage end[Lanes::kLanes];
      probabilities.store(end);
      for (int i = 0; o + i < outputs; ++i) write(target + o + i, end[i]);
    }
  }
}

/// Floats that one thread needs beside the features.
STC_HD int64_t scratch_size(const DynamicMaskHead& op) {
  const int64_t pitch = round_up(op.width, kRowStep);
  return 3 * (kFront + pitch) + pitch * op.upsample;
}

/// Rows [begin, end) of the mask of `instance`, counted over the whole batch, from the features of its image.
template <int Channels, int Layers, class Lanes, class Storage>
void mask_rows(const DynamicMaskHead& op, const FeatureRows& features, int64_t instance, int begin, int end,
               float* scratch) {
  using Net = Layout<Channels, Layers>;
  Storage params[Net::kParams];
  std::memcpy(params, static_cast<const Storage*>(op.params) + instance * Net::kParams, sizeof params);
  const float location[] = {read(op.locations + 2 * instance), read(op.locations + 2 * instance + 1)};
  const float size = read(op.sizes + instance);
  float network[Net::kParams];
  for (int i = 0; i < Net::kParams; ++i) network[i] = widen(params[i]);
  const auto on_grid = [&](int i) { network[i] = grid_parameter<Channels, Layers>(params, i, location, size); };
  for (int o = 0; o < Net::kFirstOutputs; ++o) {
    on_grid(o * Net::kFirstInputs);
    on_grid(o * Net::kFirstInputs + 1);
    on_grid(Net::biases(0) + o);
  }

  const int pitch = round_up(op.width, kRowStep);
  const int64_t room = kFront + pitch;
  float* const expanded = scratch + 3 * room;
  float* const blend = scratch + 2 * room + kFront;
  int ready = -1;  // the last row whose logits are there; two rows are kept, by parity
  const auto logits = [&](int y) {
    float* row = scratch + (y & 1) * room + kFront;
    if (y > ready) {
      logit_row<Channels, Layers, Lanes>(network, features, y, op.stride, row);
      row[-1] = row[0];
      ready = y;
    }
    return row;
  };

  const int64_t out_height = int64_t{op.height} * op.upsample, out_width = int64_t{op.width} * op.upsample;
  Storage* target = static_cast<Storage*>(op.masks) + (instance * out_height + begin) * out_width;
  for (int o = begin; o < end; ++o, target += out_width) {
    const Tap tap = aligned_tap(o, op.upsample, op.height);
    const float* row = logits(tap.low);
    if (tap.share != 0.0f) {
      const float* next = logits(tap.high);
      for (int x = -kFront; x < pitch; x += Lanes::kLanes) {
        between(Lanes::load(row + x), Lanes::load(next + x), tap.share).store(blend + x);
      }
      row = blend;
    }
    if (op.upsample == 2) {
      double_row<Lanes>(row, op.width, target);
    } else {
      expand_row<Lanes>(row, op.width, op.upsample, expanded, target);
    }
  }
}

}  // namespace stc::cpu

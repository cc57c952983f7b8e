// The C interface over many sizes, in heap buffers of exactly the size that is needed, against double precision; and
// from several threads and a forked child. `check sizes`, `check threads` or `check fork`; exits with 1 on the first
// deviation. Prints a digest of what must be the same bytes whatever the instruction set, resized pictures and masks,
// and the set. Built under sanitizers, and for Arm, by tests/plugins/test_cpu_library.py.
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "../cpu/stc_cpu.h"
#include "cpu_axes.h"
#include "cpu_inputs.h"
#include "reference.h"

namespace {

thread_local uint64_t digest = 14695981039346656037u;  // FNV-1a's

void add_to_digest(const uint8_t* bytes, int64_t count) {
  for (int64_t i = 0; i < count; ++i) digest = (digest ^ bytes[i]) * 1099511628211u;
}

void mask_head(Random& random, int threads) {
  const int networks[][2] = {{8, 3}, {8, 2}, {4, 3}, {16, 3}};
  const auto& network = networks[between(random, 0, 3)];
  const reference::Network net{network[0],
                               network[1],
                               between(random, 1, 9),
                               between(random, 1, 4),
                               between(random, 1, 7),
                               between(random, 1, between(random, 0, 1) ? 9 : 70)};
  const int batch = between(random, 1, 2), instances = between(random, 0, 4);
  const bool halves = between(random, 0, 1);
  const int hidden = (net.layers - 2) * net.channels * net.channels;
  const int length = (net.channels + 2) * net.channels + hidden + net.channels + (net.layers - 1) * net.channels + 1;
  const int64_t cells = int64_t{net.height} * net.width, plane = cells * net.upsample * net.upsample;
  const int64_t feature_count = batch * net.channels * cells, param_count = int64_t{batch} * instances * length;
  Buffer<float> features = normal(random, feature_count), params = normal(random, param_count);
  Buffer<float> locations = normal(random, 2 * batch * instances), sizes = buffer<float>(batch * instances);
  Buffer<int32_t> count = buffer<int32_t>(batch);
  for (int i = 0; i < 2 * batch * instances; ++i) locations[i] *= 40;
  for (int i = 0; i < batch * instances; ++i) sizes[i] = static_cast<float>(64 << between(random, 0, 4));
  for (int i = 0; i < batch; ++i) count[i] = between(random, -1, instances + 1);

  const int64_t mask_count = batch * instances * plane;
  Shifted<float> masks(halves ? 0 : mask_count);
  Shifted<uint16_t> half_masks(halves ? mask_count : 0);
  Buffer<uint16_t> half_features = buffer<uint16_t>(feature_count), half_params = buffer<uint16_t>(param_count);
  if (halves) {
    for (int64_t i = 0; i < feature_count; ++i) features[i] = number(half_features[i] = half(features[i]));
    for (int64_t i = 0; i < param_count; ++i) params[i] = number(half_params[i] = half(params[i]));
  }
  Shifted<float> own_features(features.get(), halves ? 0 : feature_count);
  Shifted<float> own_params(params.get(), halves ? 0 : param_count);
  Shifted<uint16_t> own_half_features(half_features.get(), halves ? feature_count : 0);
  Shifted<uint16_t> own_half_params(half_params.get(), halves ? param_count : 0);
  Shifted<float> own_locations(locations.get(), 2 * batch * instances), own_sizes(sizes.get(), batch * instances);
  Shifted<int32_t> own_count(count.get(), batch);
  const stc_dynamic_mask_head op{halves ? own_half_features.get() : own_features.get(),
                                 halves ? own_half_params.get() : own_params.get(),
                                 static_cast<float*>(own_locations.get()),
                                 static_cast<float*>(own_sizes.get()),
                                 static_cast<int32_t*>(own_count.get()),
                                 halves ? half_masks.get() : masks.get(),
                                 batch,
                                 instances,
                                 net.height,
                                 net.width,
                                 net.channels,
                                 net.layers,
                                 net.stride,
                                 net.upsample,
                                 halves};
  require(stc_cpu_dynamic_mask_head(&op, threads) == STC_OK, "mask head: status");

  for (int i = 0; i < batch * instances; ++i) {
    const int image = i / instances;
    const bool valid = i % instances < count[image];
    const reference::Numbers own(features.get() + image * net.channels * cells,
                                 features.get() + (image + 1) * net.channels * cells);
    const reference::Numbers theta(params.get() + int64_t{i} * length, params.get() + int64_t{i + 1} * length);
    reference::Numbers logits;
    for (int cell = 0; valid && cell < cells; ++cell) {
      logits.push_back(reference::logit(net, own, theta.data(), locations[2 * i], locations[2 * i + 1], sizes[i],
                                        cell / net.width, cell % net.width));
    }
    const reference::Numbers expected = valid ? probabilities(net, logits) : reference::Numbers(plane, 0.0);
    for (int64_t p = 0; p < plane; ++p) {
      const double found = halves ? number(half_masks[i * plane + p]) : masks[i * plane + p];
      // float32 against double: 1e-5 of logits of order 10. A half keeps 11 bits.
      require(std::fabs(found - expected[p]) <= (halves ? 5.2e-4 : 2e-5), "mask head: value", found, expected[p]);
    }
  }
}

/// The pixels of a text of COCO's, down the columns.
std::string decoded(const char* text, const char* end, int64_t pixels) {
  std::string found;
  int64_t before[2] = {0, 0};
  for (int number = 0; text < end; ++number) {
    int64_t value = 0;
    int shift = 0, character;
    do {
      character = *text++ - 48;
      value |= int64_t{character & 31} << shift;
      shift += 5;
    } while (character & 32);
    if (character & 16) value -= int64_t{1} << shift;
    if (number > 2) value += before[number % 2];
    before[number % 2] = value;
    found.append(static_cast<size_t>(value), static_cast<char>(number % 2));
  }
  require(static_cast<int64_t>(found.size()) == pixels, "runs: pixels", found.size(), pixels);
  return found;
}

/// Probabilities of half the bits give what their floats give.
void halves(stc_frame_masks op, int threads) {
  const int64_t cells = int64_t{op.instances} * op.rows * op.cols, pixels = int64_t{op.y.size} * op.x.size;
  Buffer<uint16_t> narrow = buffer<uint16_t>(cells);
  Buffer<float> wide = buffer<float>(cells);
  for (int64_t i = 0; i < cells; ++i) {
    float value;
    std::memcpy(&value, static_cast<const float*>(op.probabilities) + i, sizeof value);
    wide[i] = number(narrow[i] = half(value));
  }
  std::vector<uint8_t> masks[2];
  for (std::vector<uint8_t>& mask : masks) mask.resize(op.instances * pixels);
  op.probabilities = wide.get();
  require(stc_cpu_dense_masks(&op, 0, masks[0].data(), nullptr, threads) == STC_OK, "floats: status");
  Shifted<uint16_t> own(narrow.get(), cells);
  op.probabilities = own.get();
  require(stc_cpu_dense_masks(&op, 1, masks[1].data(), nullptr, threads) == STC_OK, "halves: status");
  require(op.instances == 0 || std::memcmp(masks[0].data(), masks[1].data(), op.instances * pixels) == 0,
          "halves: pixels");
}

/// Every pixel lies inside of an odd number of rings where it is in the mask, and of an even one elsewhere.
void outlines(const stc_frame_masks& op, const uint8_t* dense, int threads) {
  stc_outlines found{nullptr, nullptr, 0, 0, -1, -1};
  const int status = stc_cpu_outline_masks(&op, 0, &found, threads);
  require(status == (found.rings ? STC_NO_ROOM : STC_OK), "outlines: room", status);
  Buffer<int32_t> corners = buffer<int32_t>(2 * found.corners);
  Buffer<int64_t> rings = buffer<int64_t>(3 * found.rings);
  found = {corners.get(), rings.get(), found.corners, found.rings, -1, -1};
  require(stc_cpu_outline_masks(&op, 0, &found, threads) == STC_OK, "outlines: status");
  require(found.corners == found.corner_room && found.rings == found.ring_room, "outlines: numbers");
  const int height = op.y.size, width = op.x.size;
  std::vector<uint8_t> inside(int64_t{op.instances} * height * width);
  int64_t begin = 0;
  for (int64_t r = 0; r < found.rings; ++r) {
    const int64_t instance = rings[3 * r], end = rings[3 * r + 2];
    require(end - begin >= 4 && instance >= (r ? rings[3 * r - 3] : 0), "outlines: ring", end - begin);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t next = i + 1 < end ? i + 1 : begin;
      const int32_t x = corners[2 * i], y[2] = {corners[2 * i + 1], corners[2 * next + 1]};
      if (x != corners[2 * next]) continue;
      for (int32_t row = std::min(y[0], y[1]); row < std::max(y[0], y[1]); ++row) {
        for (int32_t col = x; col < width; ++col) inside[(instance * height + row) * width + col] ^= 1;
      }
    }
    begin = end;
  }
  require(std::equal(inside.begin(), inside.end(), dense), "outlines: pixels");
}

void frame_masks(Random& random, int threads) {
  const int grid[2] = {between(random, 1, 24), between(random, 1, 40)}, stride = between(random, 1, 8);
  const int resized[2] = {between(random, 1, grid[0] * stride), between(random, 1, grid[1] * stride)};
  const int frame[2] = {between(random, 1, 75), between(random, 1, 150)}, n = between(random, 0, 3);
  const int64_t cells = int64_t{grid[0]} * grid[1], pixels = int64_t{frame[0]} * frame[1];
  Buffer<float> probabilities = buffer<float>(n * cells);
  std::uniform_real_distribution<float> uniform(0, between(random, 0, 2) ? 1.0f : 0.52f);
  for (int64_t i = 0; i < n * cells; ++i) probabilities[i] = uniform(random);
  const Axis y(grid[0], stride, resized[0], frame[0]), x(grid[1], stride, resized[1], frame[1]);
  Shifted<float> own_probabilities(probabilities.get(), n * cells);
  const stc_frame_masks op{static_cast<float*>(own_probabilities.get()), y.axis, x.axis, n, grid[0], grid[1]};

  Buffer<uint8_t> dense = buffer<uint8_t>(n * pixels);
  std::fill_n(dense.get(), n * pixels, uint8_t{0});
  const int words = (frame[1] + 31) / 32;
  Buffer<uint32_t> bits = buffer<uint32_t>(int64_t{n} * frame[0] * words);
  Buffer<int64_t> ends = buffer<int64_t>(n), areas = buffer<int64_t>(n);
  Buffer<int32_t> written = buffer<int32_t>(4 * n);
  require(stc_cpu_dense_masks(&op, 0, dense.get(), written.get(), threads) == STC_OK, "dense: status");
  add_to_digest(dense.get(), n * pixels);
  halves(op, threads);
  outlines(op, dense.get(), threads);
  require(stc_cpu_bit_masks(&op, 0, bits.get(), threads) == STC_OK, "bits: status");
  const int64_t needed = stc_cpu_rle_masks(&op, 0, nullptr, 0, ends.get(), areas.get(), threads);
  require((needed > 0) == (n > 0), "runs: needed");
  Buffer<char> text = buffer<char>(needed);
  require(stc_cpu_rle_masks(&op, 0, text.get(), needed, ends.get(), areas.get(), threads) == STC_OK, "runs: status");

  for (int i = 0; i < n; ++i) {
    const std::string runs = decoded(text.get() + (i ? ends[i - 1] : 0), text.get() + ends[i], pixels);
    int64_t area = 0;
    for (int row = 0; row < frame[0]; ++row) {
      for (int col = 0; col < frame[1]; ++col) {
        const int found = dense[i * pixels + row * frame[1] + col];
        const double value =
            reference::frame_pixel(probabilities.get() + i * cells, grid, stride, resized, frame, row, col);
        area += found;
        const int32_t* part = written.get() + 4 * i;
        const bool inside = row >= part[0] && row < part[1] && col >= part[2] && col < part[3];
        require(inside || !found, "dense: written", row, col);
        // float32 rounding of a convex combination.
        require(std::fabs(value - 0.5) < 1e-6 || found == (value > 0.5), "dense: pixel", found, value);
        const uint32_t word = bits[(int64_t{i} * frame[0] + row) * words + col / 32];
        require((word >> col % 32 & 1) == static_cast<uint32_t>(found), "bits: pixel", row, col);
        require(runs[static_cast<size_t>(col) * frame[0] + row] == found, "runs: pixel", row, col);
      }
      const uint32_t last = bits[(int64_t{i} * frame[0] + row) * words + words - 1];
      require(frame[1] % 32 == 0 || last >> frame[1] % 32 == 0, "bits: beyond the frame");
    }
    require(areas[i] == area, "runs: area", areas[i], area);
  }
}

/// A linear interpolation with OpenCV's roundings, as published: 11 bits times 8, 4 dropped; times 11, 16 dropped; and
/// the sum's last two rounded.
void is_interpolated(const stc_resize& op) {
  for (int i = 0; i < 3 * op.y.size * op.x.size; ++i) {
    const int o = i / (3 * op.x.size), p = i / 3 % op.x.size, c = i % 3;
    const auto level = [&](int row, int col) {
      row = std::clamp(row, 0, op.height - 1);
      col = std::clamp(col, 0, op.width - 1);
      return int32_t{op.source[row * op.source_row + col * op.source_pixel + c * op.source_channel]};
    };
    int32_t sum = 2;
    for (int t = 0; t < 2; ++t) {
      const int32_t *along = op.x.weights + 2 * p, row = op.y.first[o] + t, col = op.x.first[p];
      const int32_t line = (level(row, col) * (along[0] >> 11) + level(row, col + 1) * (along[1] >> 11)) >> 4;
      sum += line * (op.y.weights[2 * o + t] >> 11) >> 16;
    }
    require(op.target[i] == sum >> 2, "resize linear: value", op.target[i], sum >> 2);
  }
}

/// Sources whose rows, pixels and channels lie in all ways, each in a buffer of just its size.
template <class Axis>
void resize_strided(Random& random, int threads, const Axis& y, const Axis& x, const int (&from)[2],
                    const int (&to)[2]) {
  constexpr bool linear = std::is_same_v<Axis, Interpolation>;
  const int64_t apart = between(random, 3, 9), backwards = between(random, 0, 1) ? -1 : 1;
  const int64_t channel = between(random, -1, 1), pixel = apart * backwards, row = apart * from[1];
  const int64_t bytes = row * from[0];
  Buffer<uint8_t> source = buffer<uint8_t>(bytes);
  for (int64_t i = 0; i < bytes; ++i) source[i] = between(random, 0, 255);
  const int64_t begin = (backwards < 0 ? row - apart : 0) + (channel < 0 ? 2 : 0);
  Buffer<uint8_t> target = buffer<uint8_t>(int64_t{3} * to[0] * to[1]);
  const stc_resize op{source.get() + begin,
                      target.get(),
                      row,
                      pixel,
                      channel,
                      3 * to[1],
                      from[0],
                      from[1],
                      linear ? STC_LINEAR : STC_ROWS_FIRST,
                      {y.first.get(), y.weights.get(), to[0], y.taps},
                      {x.first.get(), x.weights.get(), to[1], x.taps}};
  require(stc_cpu_resize(&op, threads) == STC_OK, "resize: status");
  add_to_digest(target.get(), int64_t{3} * to[0] * to[1]);
  if (linear) return is_interpolated(op);
  for (int i = 0; i < 3 * to[0] * to[1]; ++i) {
    const int o = i / (3 * to[1]), p = i / 3 % to[1], c = i % 3;
    double sum = 0;
    for (int t = 0; t < y.taps && y.first[o] + t < from[0]; ++t) {
      for (int u = 0; u < x.taps && x.first[p] + u < from[1]; ++u) {
        const uint8_t value = source[begin + (y.first[o] + t) * row + (x.first[p] + u) * pixel + c * channel];
        sum += std::ldexp(1.0 * y.weights[o * y.taps + t] * x.weights[p * x.taps + u], -44) * value;
      }
    }
    // Rounding, 1/256 between the passes, weights of at least 14 bits.
    require(std::fabs(target[i] - sum) < 0.53, "resize rows first: value", target[i], sum);
  }
}

void resize_strided(Random& random, int threads) {
  const int to[2] = {between(random, 1, 20), between(random, 1, 40)};
  const int from[2] = {to[0] * between(random, 1, 5) + between(random, 0, 2), to[1] * between(random, 1, 5)};
  resize_strided(random, threads, Area(from[0], to[0]), Area(from[1], to[1]), from, to);
  const Neighbours y(random, from[0], to[0]), x(random, from[1], to[1]);
  resize_strided(random, threads, y, x, from, to);
  const Interpolation rows(random, from[0], to[0]), columns(random, from[1], to[1]);
  resize_strided(random, threads, rows, columns, from, to);
}

/// Grey in YUV is the average of luma; what is read beyond a plane's buffer is found by the sanitizer.
void resize_yuv(Random& random, int threads) {
  const int to[2] = {between(random, 1, 20), between(random, 1, 40)};
  const int from[2] = {to[0] * between(random, 1, 5) + between(random, 0, 2), to[1] * between(random, 1, 5)};
  const int half[2] = {(from[0] + 1) / 2, (from[1] + 1) / 2}, apart = between(random, 1, 2);
  const int64_t chroma = int64_t{half[0]} * half[1] * apart;
  Buffer<uint8_t> luma = buffer<uint8_t>(int64_t{from[0]} * from[1]), grey = buffer<uint8_t>(chroma);
  for (int i = 0; i < from[0] * from[1]; ++i) luma[i] = between(random, 0, 255);
  std::fill_n(grey.get(), chroma, uint8_t{128});
  Buffer<uint8_t> target = buffer<uint8_t>(int64_t{3} * to[0] * to[1]);
  const Area y(from[0], to[0]), x(from[1], to[1]);
  const Neighbours chroma_y(random, half[0], to[0]), chroma_x(random, half[1], to[1]);
  const stc_plane u{grey.get(), int64_t{half[1]} * apart, apart};
  const stc_plane v{grey.get() + apart - 1, int64_t{half[1]} * apart, apart};
  const stc_resize_yuv op{{{luma.get(), from[1], 1}, u, v},
                          target.get(),
                          3 * to[1],
                          from[0],
                          from[1],
                          {y.first.get(), y.weights.get(), to[0], y.taps},
                          {x.first.get(), x.weights.get(), to[1], x.taps},
                          {chroma_y.first.get(), chroma_y.weights.get(), to[0], 2},
                          {chroma_x.first.get(), chroma_x.weights.get(), to[1], 2},
                          {0, 1 << 13, 12000, 3000, 6000, 12000}};
  require(stc_cpu_resize_yuv(&op, threads) == STC_OK, "yuv: status");
  add_to_digest(target.get(), int64_t{3} * to[0] * to[1]);
  for (int i = 0; i < 3 * to[0] * to[1]; ++i) {
    const int o = i / (3 * to[1]), p = i / 3 % to[1];
    double sum = 0;
    for (int t = 0; t < y.taps && y.first[o] + t < from[0]; ++t) {
      for (int s = 0; s < x.taps && x.first[p] + s < from[1]; ++s) {
        sum += std::ldexp(1.0 * y.weights[o * y.taps + t] * x.weights[p * x.taps + s], -44) *
               luma[int64_t{y.first[o] + t} * from[1] + x.first[p] + s];
      }
    }
    require(std::fabs(target[i] - sum) < 0.56, "yuv: value", target[i], sum);  // and 1/64 before the conversion
  }
}

void resize(Random& random, int threads) {
  const int from[2] = {between(random, 1, 60), between(random, 1, 90)};
  const int to[2] = {between(random, 1, 40), between(random, 1, 90)}, pitch = 3 * from[1] + between(random, 0, 2);
  Buffer<uint8_t> source = buffer<uint8_t>(int64_t{from[0] - 1} * pitch + 3 * from[1]);
  for (int64_t i = 0; i < int64_t{from[0] - 1} * pitch + 3 * from[1]; ++i) source[i] = between(random, 0, 255);
  Buffer<uint8_t> target = buffer<uint8_t>(int64_t{3} * to[0] * to[1]);
  const Triangle y(from[0], to[0]), x(from[1], to[1]);
  const stc_resize op{source.get(),
                      target.get(),
                      pitch,
                      3,
                      1,
                      3 * to[1],
                      from[0],
                      from[1],
                      STC_COLUMNS_FIRST,
                      {y.first.get(), y.weights.get(), to[0], y.taps},
                      {x.first.get(), x.weights.get(), to[1], x.taps}};
  require(stc_cpu_resize(&op, threads) == STC_OK, "resize: status");
  add_to_digest(target.get(), int64_t{3} * to[0] * to[1]);
  for (int i = 0; i < 3 * to[0] * to[1]; ++i) {
    const int row = i / (3 * to[1]), col = i / 3 % to[1], channel = i % 3;
    const double expected = y.mean(row, from[0], [&](int r) {
      return x.mean(col, from[1], [&](int c) { return source[int64_t{r} * pitch + 3 * c + channel]; });
    });
    require(target[i] == expected, "resize: value", target[i], expected);
  }
}

void everything(int seed, int threads) {
  Random random(seed);
  mask_head(random, threads);
  frame_masks(random, threads);
  resize(random, threads);
  resize_strided(random, threads);
  resize_yuv(random, threads);
}

/// Callers who share the pool.
void at_once() {
  everything(0, 3);  // the workers are there
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([caller] {
      for (int i = 0; i < 25; ++i) everything(100 * caller + i, 1 + i % 4);
    });
  }
  for (std::thread& caller : callers) caller.join();
}

/// A child that is forked while the pool has workers has to start its own.
void forked() {
  everything(0, 3);
  const pid_t child = fork();
  if (child == 0) {
    everything(1, 3);
    std::_Exit(0);
  }
  int status = 1;
  require(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0, "forked child", status);
  everything(2, 3);
}

}  // namespace

int main(int arguments, char** argument) {
  const std::string what = arguments > 1 ? argument[1] : "";
  require(stc_cpu_abi() == STC_CPU_ABI, "interface");
  if (what == "sizes") {
    for (int seed = 0; seed < (arguments > 2 ? std::atoi(argument[2]) : 400); ++seed) everything(seed, 1 + seed % 3);
  } else if (what == "threads") {
    at_once();
  } else if (what == "fork") {
    forked();
  } else {
    std::fprintf(stderr, "usage: check sizes [COUNT] | threads | fork\n");
    return 2;
  }
  std::printf("%s: %016llx %s\n", what.c_str(), static_cast<unsigned long long>(digest), stc_cpu_kernels());
}

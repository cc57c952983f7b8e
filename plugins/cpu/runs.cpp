#include "runs.h"

#include <algorithm>

namespace stc::cpu {
namespace {

/// Byte i, bit j becomes byte j, bit i: swaps of ever larger blocks across the diagonal.
uint64_t transpose(uint64_t x) {
  uint64_t t = (x ^ (x >> 7)) & 0x00AA00AA00AA00AAull;
  x ^= t ^ (t << 7);
  t = (x ^ (x >> 14)) & 0x0000CCCC0000CCCCull;
  x ^= t ^ (t << 14);
  t = (x ^ (x >> 28)) & 0x00000000F0F0F0F0ull;
  return x ^ t ^ (t << 28);
}

/// One count in COCO's text: five bits a character, least first, bit 5 where more follow; the last bit is the sign.
void append(std::string& text, int64_t count) {
  for (bool more = true; more;) {
    int64_t character = count & 0x1f;
    count >>= 5;
    more = character & 0x10 ? count != -1 : count != 0;
    text.push_back(static_cast<char>(48 + (more ? character | 0x20 : character)));
  }
}

}  // namespace

void Runs::find(const uint8_t* bits, int64_t pitch, const Window& window, int height, int width) {
  edges_.clear();
  pixels_ = int64_t{height} * width;
  const int rows = window.y1 - window.y0, words = (rows + 63) / 64;
  columns_.assign(8 * words, 0);
  // Whether the pixel before this column's first, in COCO's order, is in the mask: a run goes on from column to column
  // only where the window has the frame's whole height.
  uint64_t before = 0;
  const bool whole = window.y0 == 0 && window.y1 == height;
  for (int group = window.g0; group < window.g1; ++group) {
    for (int y = 0; y < rows; y += 8) {
      uint64_t block = 0;
      for (int i = 0; i < std::min(8, rows - y); ++i) {
        block |= uint64_t{bits[(window.y0 + y + i) * pitch + group]} << 8 * i;
      }
      block = transpose(block);
      for (int i = 0; i < 8; ++i) {
        uint64_t& word = columns_[i * words + y / 64];
        if (y % 64 == 0) word = 0;
        word |= (block >> 8 * i & 0xff) << y % 64;
      }
    }
    for (int i = 0; i < std::min(8, width - 8 * group); ++i) {
      const int64_t top = int64_t{8 * group + i} * height + window.y0;
      uint64_t last = before;
      for (int w = 0; w < words; ++w) {
        const uint64_t word = columns_[i * words + w];
        uint64_t changes = word ^ (word << 1 | last);
        const int valid = std::min(64, rows - 64 * w);
        if (valid < 64) changes &= (uint64_t{1} << valid) - 1;
        for (; changes; changes &= changes - 1) edges_.push_back(top + 64 * w + __builtin_ctzll(changes));
        last = word >> (valid - 1) & 1;
      }
      if (last && !whole) edges_.push_back(top + rows);  // what is below the window is no mask
      before = whole ? last : 0;
    }
  }
  if (edges_.size() % 2 == 1) edges_.push_back(int64_t{8} * window.g1 * height);  // it ended with the last column
  if (!edges_.empty()) edges_.back() = std::min(edges_.back(), pixels_);
}

std::string Runs::coco() const {
  std::string text;
  int64_t position = 0, counts[2] = {0, 0};  // the two counts before, by parity
  size_t number = 0;
  const auto add = [&](int64_t edge) {
    const int64_t count = edge - position;
    // From the fourth count on only the difference to the one before the last is written.
    append(text, number > 2 ? count - counts[number % 2] : count);
    counts[number++ % 2] = count;
    position = edge;
  };
  for (int64_t edge : edges_) add(edge);
  if (position < pixels_ || edges_.empty()) add(pixels_);
  return text;
}

int64_t Runs::area() const {
  int64_t pixels = 0;
  for (size_t i = 0; i + 1 < edges_.size(); i += 2) pixels += edges_[i + 1] - edges_[i];
  return pixels;
}

}  // namespace stc::cpu

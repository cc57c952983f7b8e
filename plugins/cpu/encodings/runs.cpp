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
/// Most counts take one character or two, in no predictable order: both are written, and the end moves by what counts.
char* append(char* text, int64_t count) {
  constexpr int64_t kOne = 16, kTwo = 512;
  if (static_cast<uint64_t>(count + kTwo) < 2 * kTwo) {
    const bool more = static_cast<uint64_t>(count + kOne) >= 2 * kOne;
    text[0] = static_cast<char>(48 + ((count & 0x1f) | more << 5));
    text[1] = static_cast<char>(48 + (count >> 5 & 0x1f));
    return text + 1 + more;
  }
  for (bool more = true; more;) {
    int64_t character = count & 0x1f;
    count >>= 5;
    more = character & 0x10 ? count != -1 : count != 0;
    *text++ = static_cast<char>(48 + (more ? character | 0x20 : character));
  }
  return text;
}

constexpr int kMostCharacters = 13;  // of one count, 64 bits

/// Up to 64 rows of eight pixels, `pitch` bytes apart, as eight columns: words columns[0], columns[step] …
void gather_columns(const uint8_t* bits, int64_t pitch, int rows, int step, uint64_t* columns) {
  uint64_t found[8] = {};
  for (int y = 0; y < rows; y += 8) {
    uint64_t block = 0;
    for (int i = 0; i < std::min(8, rows - y); ++i) block |= uint64_t{bits[(y + i) * pitch]} << 8 * i;
    block = transpose(block);
    for (int i = 0; i < 8; ++i) found[i] |= (block >> 8 * i & 0xff) << y;
  }
  for (int i = 0; i < 8; ++i) columns[i * step] = found[i];
}

}  // namespace

void Runs::find(const uint8_t* bits, int64_t pitch, const Window& window, int height, int width) {
  pixels_ = int64_t{height} * width;
  const int rows = window.y1 - window.y0, words = (rows + 63) / 64;
  columns_.resize(8 * words);
  // Whether the pixel before this column's first, in COCO's order, is in the mask: a run goes on from column to column
  // only where the window has the frame's whole height.
  uint64_t before = 0;
  const bool whole = window.y0 == 0 && window.y1 == height;
  const int right = std::min(window.x1, width);
  int64_t found = 0;
  for (int left = window.x0; left < right; left += 8) {
    const uint8_t* block = bits + window.y0 * pitch + left / 8;
    for (int word = 0; word < words; ++word) {
      gather_columns(block + 64 * word * pitch, pitch, std::min(64, rows - 64 * word), words, columns_.data() + word);
    }
    const int columns = std::min(8, right - left);
    const int64_t most = found + int64_t{columns} * (rows + 1) + 1;
    if (most > static_cast<int64_t>(edges_.size())) edges_.resize(2 * most);
    int64_t* edge = edges_.data() + found;
    for (int i = 0; i < columns; ++i) {
      const int64_t top = int64_t{left + i} * height + window.y0;
      uint64_t last = before;
      for (int w = 0; w < words; ++w) {
        const uint64_t word = columns_[i * words + w];
        uint64_t changes = word ^ (word << 1 | last);
        const int valid = std::min(64, rows - 64 * w);
        if (valid < 64) changes &= (uint64_t{1} << valid) - 1;
        for (; changes; changes &= changes - 1) *edge++ = top + 64 * w + __builtin_ctzll(changes);
        last = word >> (valid - 1) & 1;
      }
      if (last && !whole) *edge++ = top + rows;  // what is below the window is no mask
      before = whole ? last : 0;
    }
    found = edge - edges_.data();
  }
  if (found % 2 == 1) edges_[found++] = int64_t{right} * height;  // it ended with the last column
  count_ = found;
}

std::string Runs::coco() {
  const size_t most = static_cast<size_t>(count_ + 1) * kMostCharacters;
  if (most > text_.size()) text_.resize(2 * most);
  char* end = text_.data();
  int64_t position = 0, before[2] = {0, 0};  // the two counts before, by parity
  for (int64_t number = 0; number <= count_; ++number) {
    const int64_t edge = number < count_ ? edges_[number] : pixels_;
    const int64_t count = edge - position;
    if (number == count_ && count == 0 && number > 0) break;  // the mask holds the frame's last pixel
    // From the fourth count on only the difference to the one before the last is written.
    end = append(end, number > 2 ? count - before[number % 2] : count);
    before[number % 2] = count;
    position = edge;
  }
  return std::string(text_.data(), end);
}

int64_t Runs::area() const {
  int64_t pixels = 0;
  for (int64_t i = 0; i + 1 < count_; i += 2) pixels += edges_[i + 1] - edges_[i];
  return pixels;
}

}  // namespace stc::cpu

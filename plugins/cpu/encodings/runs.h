// COCO's run-length encoding, from bits.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "../frame_masks.h"

namespace stc::cpu {

/// The runs of one mask, counted down the columns of the frame. Reused from mask to mask, it keeps its memory.
class Runs {
 public:
  /// Find the runs of a frame of `height` x `width` pixels; `bits` as mask_bits writes them, read in the window only.
  void find(const uint8_t* bits, int64_t pitch, const Window& window, int height, int width);

  /// The compressed counts: what COCO's tools call "counts" in JSON.
  std::string coco();

  /// Pixels of the mask.
  int64_t area() const;

 private:
  std::vector<int64_t> edges_;  // where a run begins or ends, in pixels down the columns, rising; `count_` of them
  int64_t count_ = 0, pixels_ = 0;
  std::vector<uint64_t> columns_;  // eight columns of the window as bits, (8, words)
  std::vector<char> text_;
};

}  // namespace stc::cpu
